/**
 * Summing up: leaves whose sums are not known are made from the stored digests.
 *
 * After an unclean start these are all leaves of the partitions without a record
 * (tree-records.ts); later, the leaf of a row that was replaced unread. One stretch
 * of leaves at a time, a slice per turn: a write behind the cursor counts at
 * once, one ahead of it is counted when the cursor comes by.
 *
 * A leaf that is not known, or has rows that cannot be read, is *poisoned*: a
 * random sum is in it, so that it looks like no peer's. Otherwise a leaf half
 * summed up might look the same as one of a peer that has lost the other half.
 */
import { compareBytes } from "../base/bytes.js";
import type { Limits } from "../config.js";
import type { Cancel, World } from "../ports.js";
import type { Leaves } from "./leaves.js";
import { partitionOfRow, placementOfRow, rowBounds, TOKEN_BITS } from "./rows.js";
import { readSlice } from "./slice.js";
import { newSum, type Sum } from "./sums.js";

/** Leaves `first` to `end` - 1 of a placement, counted through all its partitions. */
export interface Stretch {
  readonly placement: number;
  readonly first: number;
  readonly end: number;
}

interface Present extends Stretch {
  readonly to: Uint8Array;
  cursor: Uint8Array;
  /** Leaves that have rows which cannot be read. */
  readonly unreadable: Set<number>;
}

/** Of a leaf, and the leaves that are known together or not at all: those of the gap that it lies in. */
interface Poison {
  readonly placement: number;
  readonly leaf: number;
  readonly sum: Sum;
  readonly gap: Stretch;
}

/** What a scan costs that finds nothing, in rows. */
const SCAN_COST_ROWS = 16;

export class Summing {
  private readonly queue: Stretch[] = [];
  private present: Present | undefined;
  /** By placement and leaf. */
  private readonly poisons = new Map<string, Poison>();
  private cancel: Cancel | undefined;
  private onIdle: () => void = () => {};

  constructor(
    private readonly world: World,
    private readonly limits: Limits,
    private readonly partitions: number,
    private readonly leaves: Leaves,
  ) {}

  get isIdle(): boolean {
    return this.queue.length === 0 && this.present === undefined;
  }

  /** Sums up what was added, within this turn and later ones. `onIdle` comes once. */
  run(onIdle: () => void): void {
    this.onIdle = onIdle;
    this.turn();
  }

  stop(): void {
    this.cancel?.();
  }

  add(stretch: Stretch): void {
    this.queue.push(stretch);
  }

  /** Sums up a row's leaf once more, in a turn of its own: only between two turns all that is durable has called back. */
  again(row: Uint8Array): void {
    const leaf = this.leafOf(row);
    const placement = placementOfRow(row);
    const alone = { placement, first: leaf, end: leaf + 1 };
    const { gap: stretch } = this.poisons.get(nameOf(placement, leaf)) ?? { gap: alone };
    if (this.queue.some((each) => each.placement === placement && each.first === stretch.first)) return;
    this.poison(leaf, stretch);
    this.add(stretch);
    this.cancel ??= this.world.clock.after(0, () => this.turn());
  }

  /** The same for a stretch of leaves that do not say what is stored. */
  againAll(stretch: Stretch): void {
    const { placement, first, end } = stretch;
    if (this.queue.some((each) => each.placement === placement && each.first === first && each.end === end)) return;
    for (let leaf = first; leaf < end; leaf++) this.poison(leaf, stretch);
    this.add(stretch);
    this.cancel ??= this.world.clock.after(0, () => this.turn());
  }

  /** A durable row's record came in the place of another one. */
  change(row: Uint8Array, before: Uint8Array | undefined, after: Uint8Array | undefined): void {
    if (this.isAhead(row)) return;
    // `before` may be what could not be read: damaged, and passed over, while `after` was on its way to the disk.
    if (this.hasUnreadable(row)) this.again(row);
    else this.leaves.change(row, before, after);
  }

  /** Whether every leaf of a partition is known. */
  isKnown(placement: number, partition: number): boolean {
    if (!this.isIdle) return false;
    const { perPartition } = this.leaves;
    const isHere = (at: { placement: number; leaf: number }) =>
      at.placement === placement && Math.floor(at.leaf / perPartition) === partition;
    return this.poisons.size === 0 || ![...this.poisons.values()].some(isHere);
  }

  /** How many leaves have rows that cannot be read. */
  get unreadableLeaves(): number {
    return this.isIdle ? this.poisons.size : 0;
  }

  /** Whether the row will be counted when the cursor comes by. */
  private isAhead(row: Uint8Array): boolean {
    const { present } = this;
    if (present === undefined) return false;
    return compareBytes(row, present.cursor) >= 0 && compareBytes(row, present.to) < 0;
  }

  /** Whether the row's leaf was summed up without rows that could not be read, or waits to be summed up again. */
  private hasUnreadable(row: Uint8Array): boolean {
    const { present, poisons } = this;
    if (poisons.size === 0) return false;
    const [placement, leaf] = [placementOfRow(row), this.leafOf(row)];
    const isPresent = present?.placement === placement && leaf >= present.first && leaf < present.end;
    return isPresent ? present.unreadable.has(leaf) : poisons.has(nameOf(placement, leaf));
  }

  private turn(): void {
    this.cancel = undefined;
    for (let budget = this.limits.scanRowsMax; budget > 0 && !this.isIdle; ) {
      budget -= SCAN_COST_ROWS + this.step();
    }
    if (!this.isIdle) this.cancel = this.world.clock.after(0, () => this.turn());
    else {
      const { onIdle } = this;
      this.onIdle = () => {};
      onIdle();
    }
  }

  /** Reads one slice; returns how many rows. */
  private step(): number {
    this.present ??= this.begin(this.queue.shift() as Stretch);
    const { present } = this;
    const { scanRowsMax: rowsMax, scanBytesMax: bytesMax } = this.limits;
    const slice = readSlice(this.world.storage, present.cursor, present.to, { rowsMax, bytesMax });
    for (const { key, value } of slice.rows) this.leaves.change(key, undefined, value);
    if (slice.gapFrom !== undefined) this.noteGap(present, slice.gapFrom, slice.next);
    if (slice.next !== undefined) present.cursor = slice.next;
    else this.end(present);
    return slice.rows.length;
  }

  private begin(stretch: Stretch): Present {
    const { placement, first, end } = stretch;
    this.forEachPartition(stretch, (partition, from, to) => this.leaves.clear(placement, partition, from, to));
    // The poison went with all that was in the leaf; one that is summed up again gets a new one until it is known.
    for (const [key, poison] of [...this.poisons]) {
      if (poison.placement !== placement || poison.leaf < first || poison.leaf >= end) continue;
      this.poisons.delete(key);
      this.poison(poison.leaf, poison.gap);
    }
    const shift = BigInt(TOKEN_BITS - Math.log2(this.leavesInAll));
    const bounds = rowBounds(placement, BigInt(first) << shift, (BigInt(end) << shift) - 1n);
    return { ...stretch, cursor: bounds.from, to: bounds.to, unreadable: new Set() };
  }

  private end({ placement, first, end, unreadable }: Present): void {
    for (const { placement: where, leaf } of [...this.poisons.values()]) {
      if (where === placement && leaf >= first && leaf < end && !unreadable.has(leaf)) this.unpoison(placement, leaf);
    }
    this.present = undefined;
  }

  private noteGap(present: Present, from: Uint8Array, next: Uint8Array | undefined): void {
    const last = next === undefined ? present.end - 1 : Math.min(present.end - 1, this.leafOf(next));
    const gap = { placement: present.placement, first: Math.max(present.first, this.leafOf(from)), end: last + 1 };
    for (let leaf = gap.first; leaf <= last; leaf++) {
      present.unreadable.add(leaf);
      this.poison(leaf, gap);
    }
  }

  private poison(leaf: number, gap: Stretch): void {
    const { placement } = gap;
    const key = nameOf(placement, leaf);
    this.unpoison(placement, leaf);
    const sum = newSum();
    // The count stays: it is of rows. A zero would be no poison.
    for (let word = 0; word < sum.length - 1; word++) sum[word] = this.world.random.u32() | 1;
    this.poisons.set(key, { placement, leaf, sum, gap });
    this.addTo(placement, leaf, sum);
  }

  private unpoison(placement: number, leaf: number): void {
    const key = nameOf(placement, leaf);
    const poison = this.poisons.get(key);
    if (poison === undefined) return;
    this.poisons.delete(key);
    this.addTo(placement, leaf, poison.sum);
  }

  private addTo(placement: number, leaf: number, sum: Sum): void {
    const { perPartition } = this.leaves;
    this.leaves.add(placement, Math.floor(leaf / perPartition), leaf % perPartition, sum);
  }

  private forEachPartition(
    { first, end }: Stretch,
    visit: (partition: number, firstLeaf: number, endLeaf: number) => void,
  ): void {
    const { perPartition } = this.leaves;
    for (let at = first; at < end; ) {
      const partition = Math.floor(at / perPartition);
      const until = Math.min(end, (partition + 1) * perPartition);
      visit(partition, at - partition * perPartition, until - partition * perPartition);
      at = until;
    }
  }

  private leafOf(row: Uint8Array): number {
    return partitionOfRow(row, this.partitions) * this.leaves.perPartition + this.leaves.leafOfRow(row);
  }

  private get leavesInAll(): number {
    return this.partitions * this.leaves.perPartition;
  }
}

function nameOf(placement: number, leaf: number): string {
  return `${placement}/${leaf}`;
}
