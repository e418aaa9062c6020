/**
 * What a sync works with, and a question that both of its sides ask.
 */
import { MalformedBytes } from "../base/bytes.js";
import { DIGEST_BYTES } from "../base/hash.js";
import type { Random } from "../base/random.js";
import type { Limits } from "../config.js";
import type { AnyLattice } from "../lattice/registry.js";
import type { Clock, Meter, NodeId, Storage } from "../ports.js";
import type { Carriers } from "../replica/carriers.js";
import type { Merkle } from "../replica/merkle.js";
import type { Replica } from "../replica/replica.js";
import { bucketOfRow } from "../replica/rows.js";
import type { Owners, Votes } from "../replica/votes.js";
import type { Rpc } from "../wire/rpc.js";
import type { Pace } from "./pace.js";

/** What both sides of a sync own; see membership/ring.ts. */
interface SharedPartitions {
  readonly byPlacement: readonly ReadonlySet<number>[];
  /** In ascending order. */
  readonly all: readonly (readonly [placement: number, partition: number])[];
}

export interface SyncParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly meter: Meter;
  readonly storage: Storage;
  readonly limits: Limits;
  readonly rpc: Rpc;
  readonly ring: Owners & { sharedWith(peer: NodeId): SharedPartitions };
  readonly replica: Replica;
  readonly merkle: Merkle;
  readonly votes: Votes;
  readonly carriers: Carriers;
  readonly latticeOf: (bucket: string) => AnyLattice;
  /** Names our store's present life and the peer's, as far as it told us. */
  readonly livesWith: (peer: NodeId) => string;
  /** A row was refused for its age: whether this node may vote all the same. See doubt.ts. */
  readonly isSettled: (row: Uint8Array) => boolean;
  readonly isAlive: (node: NodeId) => boolean;
  readonly pace: Pace;
}

/** Whether a stored row is so new that its difference is most likely a write still under way. */
export function isYoung(parts: SyncParts, row: Uint8Array, record: Uint8Array): boolean {
  const lattice = parts.latticeOf(bucketOfRow(row));
  try {
    // Its checksum is not looked at: a large value takes milliseconds, and a wrong opinion costs one round.
    const stamp = lattice.lastStamp(lattice.decode(record.subarray(DIGEST_BYTES)));
    const ageMs = parts.clock.wallMs() - (stamp?.timeUs ?? 0) / 1000;
    // What is stamped ahead of the time would seem to be under way for all of that time.
    return ageMs >= 0 && ageMs < parts.limits.settleMs;
  } catch (error) {
    // A damaged row is old enough to be worth a repair.
    if (error instanceof MalformedBytes) return false;
    throw error;
  }
}
