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
import { equalBytes, MalformedBytes } from "../base/bytes.js";
import { DIGEST_BYTES } from "../base/hash.js";
import type { Actor } from "../lattice/stamp.js";
import { StorageDamage } from "../ports.js";
import type { DeadRow, ReapReply } from "../wire/messages.js";
import { skewMsMax } from "./carriers.js";
import type { ReplicaParts } from "./replica.js";
import { bucketOfRow, digestOfRecord, isRow, partitionOfRow, placementOfRow, stateOfRecord } from "./rows.js";
import { ownsAt } from "./votes.js";

export class Reaper {
  constructor(private readonly parts: ReplicaParts) {}

  /** Steps 1 and 2: which of these this owner holds just so. */
  vote(rows: readonly DeadRow[]): ReapReply {
    const agreed = rows.map(({ row, digest }) => this.recordToForget(row, digest) !== undefined);
    return { kind: "reap-reply", actor: this.parts.mint.actor, agreed };
  }

  /** Step 3. `onDone` comes when what could be forgotten is forgotten durably. */
  reap(votedAs: Actor, rows: readonly DeadRow[], onDone: (reply: ReapReply) => void): void {
    const { actor } = this.parts.mint;
    this.parts.mint.advance();
    const agreed = rows.map(() => false);
    let left = 1;
    const onOne = () => {
      left--;
      if (left === 0) onDone({ kind: "reap-reply", actor, agreed });
    };
    for (const [index, { row, digest }] of rows.entries()) {
      const record = actor === votedAs ? this.recordToForget(row, digest) : undefined;
      if (record === undefined) continue;
      left++;
      this.forget(row, record, (isForgotten) => {
        agreed[index] = isForgotten;
        onOne();
      });
    }
    onOne();
  }

  private forget(row: Uint8Array, record: Uint8Array, onForgotten: (isForgotten: boolean) => void): void {
    const { world, merkle } = this.parts;
    merkle.commit(row, record, undefined, (error) => {
      if (error === undefined) world.meter.count("murmur_reaped_rows_total");
      onForgotten(error === undefined);
    });
  }

  /** Drops a row that no voting owner takes from this one for its age, and no other owner holds: see upkeep/doubt.ts. */
  drop(row: Uint8Array, onDone: () => void): void {
    const record = this.soleRecord(row, () => !this.votesFor(row));
    if (record === undefined) return onDone();
    this.parts.world.meter.count("murmur_dropped_rows_total");
    this.forget(row, record, onDone);
  }

  /** Whether a stored record holds nothing but what may be forgotten, as far as this node can tell. Throws StorageDamage. */
  isDead(row: Uint8Array, record: Uint8Array): boolean {
    // The checksum last: most rows live, and of those it need not be known.
    if (!this.seemsDead(row, record)) return false;
    stateOfRecord(row, record);
    return true;
  }

  private seemsDead(row: Uint8Array, record: Uint8Array): boolean {
    const { latticeOf, mint, limits } = this.parts;
    const lattice = latticeOf(bucketOfRow(row));
    try {
      const state = lattice.decode(record.subarray(DIGEST_BYTES));
      const latestMs = mint.nowMs() - skewMsMax(limits);
      const stampedUs = lattice.lastStamp(state)?.timeUs ?? 0;
      return lattice.isDead(state, latestMs) && stampedUs <= latestMs * 1000;
    } catch (error) {
      // Of a damaged row nobody knows what it was.
      if (error instanceof MalformedBytes) return false;
      throw error;
    }
  }

  /** The record of this digest, when it is all there is of the row and may be forgotten. */
  private recordToForget(row: Uint8Array, digest: Uint8Array): Uint8Array | undefined {
    if (!this.votesFor(row) || this.parts.carriers.isClockOff) return undefined;
    return this.soleRecord(row, (record) => equalBytes(digestOfRecord(record), digest) && this.isDead(row, record));
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
