/**
 * What a sync works with, and two questions that both of its sides ask.
 */
import { MalformedBytes } from "../base/bytes.js";
import type { Random } from "../base/random.js";
import type { Limits } from "../config.js";
import type { AnyLattice } from "../lattice/registry.js";
import { type Clock, type Meter, type NodeId, StorageDamage } from "../ports.js";
import type { Carriers } from "../replica/carriers.js";
import type { Merkle } from "../replica/merkle.js";
import type { Replica } from "../replica/replica.js";
import { bucketOfRow, stateOfRecord } from "../replica/rows.js";
import type { Owners, Votes } from "../replica/votes.js";
import type { Rpc } from "../wire/rpc.js";

export interface SyncParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly meter: Meter;
  readonly limits: Limits;
  readonly rpc: Rpc;
  readonly ring: Owners;
  readonly replica: Replica;
  readonly merkle: Merkle;
  readonly votes: Votes;
  readonly carriers: Carriers;
  readonly latticeOf: (bucket: string) => AnyLattice;
  /** Names our store's present life and the peer's, as far as it told us. */
  readonly livesWith: (peer: NodeId) => string;
  readonly isAlive: (node: NodeId) => boolean;
}

/** The partitions of a placement that both own, in ascending order. */
export function sharedPartitions(parts: SyncParts, placement: number, peer: NodeId): number[] {
  const theirs = new Set(parts.ring.ownedBy(peer, placement));
  return parts.ring.ownedBy(parts.ring.self, placement).filter((partition) => theirs.has(partition));
}

/** Whether a stored row is so new that its difference is most likely a write still under way. */
export function isYoung(parts: SyncParts, row: Uint8Array, record: Uint8Array): boolean {
  const lattice = parts.latticeOf(bucketOfRow(row));
  try {
    const stamp = lattice.lastStamp(lattice.decode(stateOfRecord(row, record)));
    const ageMs = parts.clock.wallMs() - (stamp?.timeUs ?? 0) / 1000;
    return Math.abs(ageMs) < parts.limits.settleMs;
  } catch (error) {
    // A damaged row is old enough to be worth a repair.
    if (error instanceof StorageDamage || error instanceof MalformedBytes) return false;
    throw error;
  }
}
