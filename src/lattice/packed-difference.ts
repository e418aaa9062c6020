/**
 * In which entries two encoded states differ: their bytes say it, without being read.
 */
import { asBuffer } from "../base/bytes.js";
import type { Store } from "./dots.js";
import type { Packed, Slot } from "./packed-state.js";
import type { Skimmed } from "./skimmer.js";

/** An entry that differs, in either; of none there is the place where it would be. */
export interface Differing {
  readonly ours: Slot;
  readonly theirs: Slot;
}

export interface Difference {
  /** In the order of their names. */
  readonly entries: readonly Differing[];
  /** What both have in common has stamps of the earliest time. */
  readonly keepsEarliest: boolean;
}

/** Of states with one table of stamps. Undefined where entries that are the same may change all the same, as some remember removals, and of what is no state. */
export function differenceOf<Inner extends Store>(ours: Packed<Inner>, theirs: Packed<Inner>): Difference | undefined {
  const [left, right] = [new Walk(ours), new Walk(theirs)];
  const entries: Differing[] = [];
  let [keepsEarliest, wasSame] = [false, true];
  while (!left.isOver || !right.isOver) {
    const isSame = left.isSameAs(right);
    // Where theirs are the same as ours, so is their order.
    if (!isSame || !wasSame) right.checkOrder();
    wasSame = isSame;
    if (isSame) keepsEarliest ||= left.metEarliest;
    const order = isSame ? 0 : left.compare(right);
    if (!isSame) entries.push({ ours: left.slot(order <= 0), theirs: right.slot(order >= 0) });
    if (order <= 0) left.next();
    if (order >= 0) right.next();
  }
  const isMalformed = right.isOutOfOrder || theirs.skimmer.remaining > 0;
  const isOpaque = isMalformed || ours.skimmer.metRemoved || theirs.skimmer.metRemoved;
  return isOpaque ? undefined : { entries, keepsEarliest };
}

/** One state, entry by entry. */
class Walk<Inner extends Store> {
  metEarliest = false;
  isOutOfOrder = false;
  private before: Skimmed | undefined;
  private entry: Skimmed | undefined;
  private from: number;
  private left: number;

  constructor(private readonly packed: Packed<Inner>) {
    this.from = packed.start;
    this.left = packed.count;
    this.next();
  }

  get isOver(): boolean {
    return this.entry === undefined;
  }

  next(): void {
    const { skimmer, packing } = this.packed;
    this.before = this.entry;
    this.from = skimmer.position;
    skimmer.metEarliest = false;
    this.entry = this.left-- > 0 ? skimmer.entry(packing.skim) : undefined;
    this.metEarliest = skimmer.metEarliest;
  }

  checkOrder(): void {
    const { packed, before, entry } = this;
    if (before !== undefined && entry !== undefined && compareNames(packed.bytes, before, packed.bytes, entry) >= 0) {
      this.isOutOfOrder = true;
    }
  }

  /** Of the present entry; of none if it is another's. */
  slot(isHere: boolean): Slot {
    return { from: this.from, to: isHere ? this.packed.skimmer.position : this.from };
  }

  /** Whether both are at entries that say the same. */
  isSameAs(other: Walk<Inner>): boolean {
    const [a, b] = [this.packed.bytes, other.packed.bytes];
    const [from, to, otherFrom] = [this.from, this.packed.skimmer.position, other.from];
    if (this.isOver || other.isOver || to - from !== other.packed.skimmer.position - otherFrom) return false;
    for (let index = from; index < to; index++) if (a[index] !== b[otherFrom + index - from]) return false;
    return true;
  }

  /** By the names of the entries that they are at; what is over is behind everything. */
  compare(other: Walk<Inner>): number {
    if (this.entry === undefined) return 1;
    return other.entry === undefined
      ? -1
      : compareNames(this.packed.bytes, this.entry, other.packed.bytes, other.entry);
  }
}

function compareNames(a: Uint8Array, ours: Skimmed, b: Uint8Array, theirs: Skimmed): number {
  return asBuffer(a).compare(b, theirs.nameAt, theirs.nameEnd, ours.nameAt, ours.nameEnd);
}
