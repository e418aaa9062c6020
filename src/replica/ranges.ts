/**
 * Ranges: the cells of one key that this owner holds, in the order of their sort keys.
 *
 * Tombstones are part of it: what is dead here may live at another owner, and
 * only the merge of both tells. So a page is bounded in the cells that it has,
 * dead or alive, and in their bytes, and says where it ends. It ends before a
 * cell that cannot be read, and what begins with one does not count: about that
 * cell this owner cannot answer, and about those before it it can.
 *
 * As all that leaves a node, pages speak of durable rows alone.
 */
import { compareBytes } from "../base/bytes.js";
import { type Cell, encodeCells } from "../lattice/row.js";
import { type Row, StorageDamage } from "../ports.js";
import type { Range, RangePage, Span } from "../wire/range-messages.js";
import type { ReplicaParts } from "./replica.js";
import { isSpan, partitionOfRow, placementOfRow, positionAfter, sortOfRow, stateOfRecord } from "./rows.js";
import { readSlice, type SliceSize } from "./slice.js";
import { ownsAt } from "./votes.js";

/** Rows and bytes that one message may still look at. */
interface Allowance {
  rows: number;
  bytes: number;
}

const NO_ANSWER: RangePage = { votes: false, state: undefined, next: undefined };

export class Ranges {
  constructor(
    private readonly parts: ReplicaParts,
    /** Told of each damaged row; see upkeep/heal.ts. */
    private readonly onDamaged: (row: Uint8Array) => void,
  ) {}

  /** One page of each span, or of so many of the first as one message may look at. */
  range({ cellsMax, spans }: Range): RangePage[] {
    const { scanRowsMax, rangeBytesMax } = this.parts.limits;
    const allowance = { rows: scanRowsMax, bytes: rangeBytesMax };
    const pages: RangePage[] = [];
    for (const span of spans) {
      if (allowance.rows <= 0 || allowance.bytes <= 0) break;
      pages.push(this.page(span, Math.max(1, cellsMax), allowance));
      // Looking where nothing is has a price too.
      allowance.rows--;
    }
    return pages;
  }

  private page(span: Span, cellsMax: number, allowance: Allowance): RangePage {
    const { owners, votes, world } = this.parts;
    const { from, to } = span;
    if (!isSpan(from, to) || !ownsAt(owners, from)) return NO_ANSWER;
    const size: SliceSize = { rowsMax: Math.min(cellsMax, allowance.rows), bytesMax: allowance.bytes };
    const slice = readSlice(world.storage, from, to, size);
    const { cells, stoppedAt } = this.soundCells(span, slice.rows);
    allowance.rows -= slice.rows.length;
    for (const { value } of slice.rows) allowance.bytes -= value.length;
    const next = stoppedAt ?? slice.gapFrom ?? slice.next;
    const isRead = next === undefined || cells.length > 0;
    if (slice.gapFrom !== undefined || stoppedAt !== undefined) world.meter.count("murmur_damaged_rows_total");
    if (!isRead) return NO_ANSWER;
    return {
      votes: votes.has(placementOfRow(from), partitionOfRow(from, owners.partitions)),
      state: cells.length === 0 ? undefined : encodeCells(cells),
      next: next !== undefined && compareBytes(next, to) < 0 ? next : undefined,
    };
  }

  /** The cells up to the first that is not what was written there, or not where it belongs. */
  private soundCells({ from, to }: Span, rows: readonly Row[]): { cells: Cell<Uint8Array>[]; stoppedAt?: Uint8Array } {
    const cells: Cell<Uint8Array>[] = [];
    let least = from;
    for (const { key: row, value: record } of rows) {
      const isInOrder = compareBytes(row, least) >= 0 && compareBytes(row, to) < 0;
      // What a rotten store has in a wrong place tells nothing of what lies behind.
      if (!isInOrder) return { cells, stoppedAt: least };
      const state = this.soundState(row, record);
      if (state === undefined) return { cells, stoppedAt: row };
      cells.push({ sort: sortOfRow(row), state });
      least = positionAfter(row);
    }
    return { cells };
  }

  private soundState(row: Uint8Array, record: Uint8Array): Uint8Array | undefined {
    try {
      return stateOfRecord(row, record);
    } catch (error) {
      if (!(error instanceof StorageDamage)) throw error;
      this.onDamaged(row);
      return undefined;
    }
  }
}
