/**
 * The reaper: the one place where anything is forgotten.
 *
 * All else only ever moves up a lattice; to forget a tombstone, or a value that
 * has expired, is to move down. It is done in three steps (upkeep/reaping.ts
 * leads them, here each owner answers for itself):
 *
 * 1. All owners vote that they hold one and the same dead state D, durably, with
 *    nothing under way. From this moment T1 on no owner is below D.
 * 2. Later than any carrier can still be accepted, all of them vote the same again,
 *    each in the life in which it voted before.
 * 3. Each deletes its row, if it still holds D and nothing else.
 *
 * No zombie: whatever is older than D was minted, or read from a voting owner,
 * before T1. Its entries are refused by the time of step 3 (carriers.ts). An owner that was
 * away was not there to vote, so nothing that it holds was forgotten; one that
 * lost its past is in a new life, and votes and vouches for nothing.
 *
 * No swallowed re-creation: D is dead for good only when its stamp lies below
 * every clock that is believed. So whatever is written after T1 is stamped above
 * D, and D itself, coming back late, cannot cover it.
 *
 * Nor does an old copy of a disk bring anything back: who forgets first raises the
 * bound of its stamps, which its peers remember. So the copy finds itself in a
 * new life, and what nobody else holds of it is dropped (upkeep/doubt.ts).
 *
 * Expiry is judged by a clock that does not go back, and as late as the slowest
 * believed one. An owner whose own clock is off judges nothing.
 */
import { equalBytes, MalformedBytes, Writer } from "../base/bytes.js";
import { DIGEST_BYTES, hash128 } from "../base/hash.js";
import { copyOf } from "../base/short-bytes.js";
import type { AnyLattice } from "../lattice/registry.js";
import type { Actor } from "../lattice/stamp.js";
import { mayHaveIds } from "../lattice/with-ids.js";
import { StorageDamage } from "../ports.js";
import type { ReapReply, ToForget } from "../wire/messages.js";
import { skewMsMax } from "./carriers.js";
import type { ReplicaParts } from "./replica.js";
import {
  bucketOfRow,
  digestOfRecord,
  encodeRecord,
  isRow,
  partitionOfRow,
  placementOfRow,
  stateOfRecord,
} from "./rows.js";
import { ownsAt } from "./votes.js";

/** Of a row: all, or its ids up to a time. */
type RowOrIds = Pick<ToForget, "row" | "upToUs">;

const IDS_SEED = 0x69647320;

export class Reaper {
  constructor(private readonly parts: ReplicaParts) {}

  /** Steps 1 and 2: which of these this owner holds just so. */
  vote(rows: readonly ToForget[]): ReapReply {
    const agreed = rows.map((each) => this.recordThatHolds(each) !== undefined);
    return { kind: "reap-reply", actor: this.parts.mint.actor, agreed };
  }

  /** Step 3. `onDone` comes when what could be forgotten is forgotten durably. */
  reap(votedAs: Actor, rows: readonly ToForget[], onDone: (reply: ReapReply) => void): void {
    const { actor } = this.parts.mint;
    this.parts.mint.advance();
    const agreed = rows.map(() => false);
    let left = 1;
    const onOne = () => {
      left--;
      if (left === 0) onDone({ kind: "reap-reply", actor, agreed });
    };
    for (const [index, each] of rows.entries()) {
      const record = actor === votedAs ? this.recordThatHolds(each) : undefined;
      if (record === undefined) continue;
      left++;
      this.forget(each, record, (isForgotten) => {
        agreed[index] = isForgotten;
        if (isForgotten && each.upToUs === 0) this.parts.forgotten.note(each.row, each.digest);
        onOne();
      });
    }
    onOne();
  }

  private forget({ row, upToUs }: RowOrIds, record: Uint8Array, onForgotten: (isForgotten: boolean) => void): void {
    const { world, merkle } = this.parts;
    const left = upToUs === 0 ? undefined : this.recordWithoutIds(row, record, upToUs);
    merkle.commit(row, record, left, (error) => {
      if (error === undefined) world.meter.count(upToUs === 0 ? "murmur_reaped_rows_total" : "murmur_folded_ids_total");
      onForgotten(error === undefined);
    });
  }

  private recordWithoutIds(row: Uint8Array, record: Uint8Array, upToUs: number): Uint8Array {
    const lattice = this.parts.latticeOf(bucketOfRow(row));
    return encodeRecord(row, lattice.encode(lattice.forget(lattice.decode(stateOfRecord(row, record)), upToUs)));
  }

  /** Drops a row that no voting owner takes from this one for its age, and no other owner holds: see upkeep/doubt.ts. */
  drop(row: Uint8Array, onDone: () => void): void {
    const record = this.soleRecord(row, () => !this.votesFor(row));
    if (record === undefined) return onDone();
    this.parts.world.meter.count("murmur_dropped_rows_total");
    this.forget({ row, upToUs: 0 }, record, onDone);
  }

  /** Whether a stored record holds nothing but what may be forgotten, as far as this node can tell. Throws StorageDamage. */
  isDead(row: Uint8Array, record: Uint8Array): boolean {
    const lattice = this.parts.latticeOf(bucketOfRow(row));
    const state = seemingState(lattice, record);
    if (state === undefined || !this.seemsDead(lattice, state)) return false;
    stateOfRecord(row, record);
    return true;
  }

  /**
   * What its owners may vote on to forget of a stored row; undefined: nothing. Ids are voted on up to `votedUpToUs`, if
   * they were before: meanwhile more have come of age. Throws StorageDamage when there is something.
   */
  toForget(row: Uint8Array, record: Uint8Array, votedUpToUs: number | undefined): ToForget | undefined {
    const lattice = this.parts.latticeOf(bucketOfRow(row));
    const state = seemingState(lattice, record);
    if (state === undefined) return undefined;
    const isDead = this.seemsDead(lattice, state);
    const upToUs = isDead ? 0 : this.votableUs(lattice, state, record, votedUpToUs);
    if (!isDead && upToUs === 0) return undefined;
    // The checksum last: of most rows nothing may be forgotten, and of those it need not be known.
    stateOfRecord(row, record);
    const digest = isDead ? copyOf(digestOfRecord(record)) : digestOfIds(lattice, row, state, upToUs);
    return { row, upToUs, digest };
  }

  private votableUs(lattice: AnyLattice, state: unknown, record: Uint8Array, votedUpToUs: number | undefined): number {
    if (!mayHaveIds(record.subarray(DIGEST_BYTES))) return 0;
    return lattice.forgettableUs(state, votedUpToUs || this.idsUpToUs(lattice, state), Number.POSITIVE_INFINITY);
  }

  private idsUpToUs(lattice: AnyLattice, state: unknown): number {
    const { idKeptMs, keptIdsMax } = this.parts.limits;
    const latestUs = this.latestDeadMs() * 1000;
    return Math.min(latestUs, lattice.forgettableUs(state, latestUs - idKeptMs * 1000, keptIdsMax));
  }

  /** Every clock that is believed has passed it. */
  private latestDeadMs(): number {
    return this.parts.mint.nowMs() - skewMsMax(this.parts.limits);
  }

  private seemsDead(lattice: AnyLattice, state: unknown): boolean {
    const latestMs = this.latestDeadMs();
    return lattice.isDead(state, latestMs) && (lattice.lastStamp(state)?.timeUs ?? 0) <= latestMs * 1000;
  }

  /** The latest record of a row, when it holds what is to be forgotten just so, and that may be. */
  private recordThatHolds(toForget: ToForget): Uint8Array | undefined {
    const { row, digest, upToUs } = toForget;
    if (!this.votesFor(row) || this.parts.carriers.isClockOff) return undefined;
    if (upToUs > 0) return this.recordWithIds(toForget);
    return this.soleRecord(row, (record) => equalBytes(digestOfRecord(record), digest) && this.isDead(row, record));
  }

  /** Of ids it is enough that they themselves are as they are on the disk: a row in use is never at rest. */
  private recordWithIds({ row, digest, upToUs }: ToForget): Uint8Array | undefined {
    const { world, latticeOf } = this.parts;
    if (upToUs > this.latestDeadMs() * 1000) return undefined;
    const lattice = latticeOf(bucketOfRow(row));
    const holds = (record: Uint8Array | undefined) =>
      record !== undefined &&
      equalBytes(digestOfIds(lattice, row, lattice.decode(stateOfRecord(row, record)), upToUs), digest);
    try {
      const latest = world.storage.latest(row);
      return holds(world.storage.durable(row)) && holds(latest) ? latest : undefined;
    } catch (error) {
      if (error instanceof StorageDamage || error instanceof MalformedBytes) return undefined;
      throw error;
    }
  }

  /** The durable record of a row, if it is so, and nothing newer is on its way to the disk. */
  private soleRecord(row: Uint8Array, isSo: (record: Uint8Array) => boolean): Uint8Array | undefined {
    const { storage } = this.parts.world;
    try {
      const record = storage.durable(row);
      const latest = storage.latest(row);
      const isSole = record !== undefined && latest !== undefined && equalBytes(record, latest);
      return isSole && isSo(record) ? record : undefined;
    } catch (error) {
      // Of a damaged row nobody knows what it was.
      if (error instanceof StorageDamage) return undefined;
      throw error;
    }
  }

  private votesFor(row: Uint8Array): boolean {
    const { owners, votes } = this.parts;
    if (!isRow(row) || !ownsAt(owners, row)) return false;
    return votes.has(placementOfRow(row), partitionOfRow(row, owners.partitions));
  }
}

/** What a record says, its checksum unread. Undefined when it says nothing: of a damaged row nobody knows what it was. */
function seemingState(lattice: AnyLattice, record: Uint8Array): unknown {
  try {
    return lattice.decode(record.subarray(DIGEST_BYTES));
  } catch (error) {
    if (error instanceof MalformedBytes) return undefined;
    throw error;
  }
}

function digestOfIds(lattice: AnyLattice, row: Uint8Array, state: unknown, upToUs: number): Uint8Array {
  const ids = lattice.forgettable(state, upToUs);
  return hash128(IDS_SEED, new Writer(4 + row.length + ids.length).long(row).raw(ids).finish());
}
