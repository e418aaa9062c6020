/**
 * Leaves held against what is stored, as a walk over all rows comes by.
 *
 * Leaves are counted through all partitions and placements, in the order of
 * rows; behind the last one lie rows of no placement, which nobody has written.
 * A walk that has read a leaf whole within one turn knows what its sum must be:
 * between two turns all that is durable is in the sums. A row that the disk has
 * lost without an error is found by this alone.
 */
import { Writer } from "../base/bytes.js";
import type { Row } from "../ports.js";
import type { Merkle } from "./merkle.js";
import { ALL_ROWS, partitionOfRow, placementOfRow, SPACE, TOKEN_BITS, TOKEN_OFFSET } from "./rows.js";
import type { Stretch } from "./summing.js";
import { addRecord, newSum, type Sum } from "./sums.js";
import type { Owners } from "./votes.js";

const TOKEN_END = TOKEN_OFFSET + TOKEN_BITS / 8;

export class LeafCheck {
  /** Leaves of one placement, and of all. */
  private readonly perPlacement: number;
  readonly total: number;

  constructor(
    private readonly owners: Owners,
    private readonly merkle: Merkle,
  ) {
    this.perPlacement = owners.partitions * merkle.leaves.perPartition;
    this.total = this.perPlacement * owners.placements;
  }

  /** The leaf that a row or position lies in. */
  numberOf(position: Uint8Array): number {
    if ((position[0] as number) < SPACE.rows) return 0;
    const placement = position[1] ?? 0;
    if ((position[0] as number) > SPACE.rows || placement >= this.owners.placements) return this.total;
    const address = Buffer.alloc(TOKEN_END);
    address.set(position.subarray(0, TOKEN_END));
    const leaf = partitionOfRow(address, this.owners.partitions) * this.merkle.leaves.perPartition;
    return placement * this.perPlacement + leaf + this.merkle.leaves.leafOfRow(address);
  }

  /** The position where a leaf begins. */
  startOf(leaf: number): Uint8Array {
    if (leaf >= this.total) return Uint8Array.of(SPACE.rows, this.owners.placements);
    if (leaf === 0) return ALL_ROWS.from;
    const shift = BigInt(TOKEN_BITS - Math.log2(this.perPlacement));
    const writer = new Writer(TOKEN_END).u8(SPACE.rows).u8(Math.floor(leaf / this.perPlacement));
    return writer.u64(BigInt(leaf % this.perPlacement) << shift).finish();
  }

  /** The first leaf from `first` to `end` - 1 whose sum is not that of `rows`, which are all that is stored of them. */
  firstUntrue(first: number, end: number, rows: readonly Row[]): number | undefined {
    if (!this.merkle.isSettled) return undefined;
    const sums = new Map<number, Sum>();
    for (const { key, value } of rows) {
      const leaf = this.numberOf(key);
      const sum = sums.get(leaf) ?? newSum();
      addRecord(sum, value);
      sums.set(leaf, sum);
    }
    for (const stretch of this.stretches(first, end)) {
      const base = stretch.placement * this.perPlacement;
      const here = new Map([...sums].map(([leaf, sum]) => [leaf - base, sum]));
      const leaf = this.merkle.leaves.firstOther(stretch.placement, stretch.first, stretch.end, here);
      if (leaf !== undefined) return base + leaf;
    }
    return undefined;
  }

  /** They are summed up anew. */
  recheck(first: number, end: number): void {
    for (const stretch of this.stretches(first, end)) this.merkle.recheck(stretch);
  }

  private stretches(first: number, end: number): Stretch[] {
    const { perPlacement } = this;
    const stretches: Stretch[] = [];
    for (let at = first; at < Math.min(end, this.total); ) {
      const placement = Math.floor(at / perPlacement);
      const until = Math.min(end, (placement + 1) * perPlacement);
      const base = placement * perPlacement;
      stretches.push({ placement, first: at - base, end: until - base });
      at = until;
    }
    return stretches;
  }
}

/** Whether the leaves could ever hold such a row. */
export function hasLeaf(owners: Owners, row: Uint8Array): boolean {
  return row.length >= TOKEN_END && placementOfRow(row) < owners.placements;
}
