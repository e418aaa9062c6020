/**
 * What a coordinator is made of, and where a key lies.
 */
import { NO_BYTES } from "../base/bytes.js";
import { tokenOf } from "../base/hash.js";
import type { TokenBucket } from "../base/token-bucket.js";
import type { Limits } from "../config.js";
import type { AnyLattice } from "../lattice/registry.js";
import type { Clock, Meter, NodeId } from "../ports.js";
import type { Carriers } from "../replica/carriers.js";
import type { Mint } from "../replica/mint.js";
import { encodeRow, orderedToken, partitionOfRow, placementOfRow } from "../replica/rows.js";
import type { Owners } from "../replica/votes.js";
import type { Asker } from "./asker.js";
import type { Latencies } from "./latency.js";
import type { Failure, FailureKind, ReadRequest } from "./outcome.js";
import type { Overwrites } from "./overwrites.js";
import type { OwedBytes } from "./owed.js";
import type { NoPlan, Owner, Plan } from "./plan.js";

/** Who owns what, and in which placement a bucket lies; see membership/ring.ts. */
export interface Ring extends Owners {
  placementOf(bucket: string): number;
  /** Who may stand in for an owner that is down, whoever comes next first. */
  othersThan(placement: number, partition: number): Iterable<NodeId>;
}

export interface CoordinatorParts {
  readonly self: NodeId;
  readonly clock: Clock;
  readonly rpc: Asker;
  readonly meter: Meter;
  readonly limits: Limits;
  readonly mint: Mint;
  readonly carriers: Carriers;
  readonly latencies: Latencies;
  /** Of spare questions (Dean and Barroso 2013 keep the extra load to a few percent). */
  readonly budget: TokenBucket;
  /** What is remembered for silent owners of writes that were answered. */
  readonly owed: OwedBytes;
  /** What registers lost. */
  readonly overwrites: Overwrites;
  readonly ring: Ring;
  readonly latticeOf: (bucket: string) => AnyLattice;
  readonly isAlive: (node: NodeId) => boolean;
  /** Why this node must not coordinate now; undefined when it may. */
  readonly refusal: () => string | undefined;
  /** The same for writes, which it would have to stamp. */
  readonly stampRefusal: () => string | undefined;
  /** Runs a step later in this turn; see turn.ts. */
  readonly later: (step: () => void) => void;
}

/** A cell's row and its owners in preference order. The key is hashed here, once per request. */
export function locate(
  parts: CoordinatorParts,
  { bucket, key, sort = NO_BYTES }: Pick<ReadRequest, "bucket" | "key" | "sort">,
): { row: Uint8Array; owners: Owner[] } {
  const { ring } = parts;
  const placement = ring.placementOf(bucket);
  const row = encodeRow({ placement, token: orderedToken(tokenOf(key)), bucket, key, sort });
  return { row, owners: ownersAt(parts, row) };
}

/** The owners of a row, or of a position, in preference order. */
export function ownersAt(parts: CoordinatorParts, row: Uint8Array): Owner[] {
  const { ring } = parts;
  const nowMs = parts.clock.nowMs();
  const canHedge = parts.budget.canSpend;
  return ring.ownersOf(placementOfRow(row), partitionOfRow(row, ring.partitions)).map((node) => ({
    node,
    datacenter: ring.datacenterOf(node),
    alive: parts.isAlive(node),
    avoided: node !== parts.self && parts.latencies.isAvoided(node, nowMs, canHedge),
  }));
}

type Counts = Pick<Plan | NoPlan, "required" | "alive">;

/** A failure before anything was sent. */
export function refusedUnsent(kind: FailureKind, level: Failure["level"], detail: string, counts?: Counts): Failure {
  const { required, alive } = counts ?? { required: 0, alive: 0 };
  return { kind, detail, level, required, alive, received: 0, mayHaveApplied: false, replicas: [] };
}
