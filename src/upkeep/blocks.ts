/**
 * Blocks: stretches of tokens as two replicas compare them.
 *
 * Both sides of an exchange cut the ring the same way: a block has sixteen
 * parts, so nobody needs to send bounds along. Down to its leaves a node has
 * the sum of a block in memory, however many leaves it keeps; what is smaller
 * than its leaf it reads from the store, in paced turns, and knows its parts and
 * its rows by the same reading.
 */
import { bytesToMapKey } from "../base/bytes.js";
import { copyOf } from "../base/short-bytes.js";
import type { NodeId } from "../ports.js";
import { digestOfRecord, partitionOfRow, rowBounds, TOKEN_BITS, tokenOfRow } from "../replica/rows.js";
import { readSlice } from "../replica/slice.js";
import { addRecord, countOf, digestOfSum, newSum, type Sum } from "../replica/sums.js";
import type { BlockSum, ListedRow, TokenBlock } from "../wire/sync-messages.js";
import { isYoung, type SyncParts } from "./parts.js";

const PART_BITS = 4;
const TOKENS = 1n << BigInt(TOKEN_BITS);

/** All tokens. */
export const WHOLE_RING: TokenBlock = { from: 0n, bits: 0 };

/** A block's parts, the lowest first. One token has no parts. */
export function partsOf({ from, bits }: TokenBlock): TokenBlock[] {
  const partBits = Math.min(PART_BITS, TOKEN_BITS - bits);
  const size = 1n << BigInt(TOKEN_BITS - bits - partBits);
  return Array.from({ length: 2 ** partBits }, (_, part) => ({
    from: from + BigInt(part) * size,
    bits: bits + partBits,
  }));
}

/** Whether what came from outside is a block. */
export function isBlock({ from, bits }: TokenBlock): boolean {
  return bits <= TOKEN_BITS && from % (1n << BigInt(TOKEN_BITS - bits)) === 0n;
}

/** What one reading of a block tells. */
export interface BlockRead {
  readonly sum: Sum;
  readonly parts: readonly Sum[];
  /** Undefined when they are more than are listed. */
  readonly rows: ReadonlyMap<string, ListedRow> | undefined;
  /** Some of it could not be read. */
  readonly isDamaged: boolean;
}

interface Reading {
  readonly block: TokenBlock;
  readonly placement: number;
  readonly to: Uint8Array;
  readonly listedMax: number;
  readonly sum: Sum;
  readonly parts: Sum[];
  rows: Map<string, ListedRow> | undefined;
  isDamaged: boolean;
  readonly onRead: (read: BlockRead) => void;
}

/** What this node holds of that which a peer should hold too. */
export class Blocks {
  private readonly shared: readonly ReadonlySet<number>[];
  /** What this turn may still read. */
  private readonly allowance = { rows: 0, bytes: 0 };

  constructor(
    private readonly parts: SyncParts,
    peer: NodeId,
  ) {
    this.shared = parts.ring.sharedWith(peer).byPlacement;
  }

  /** From memory; undefined for what is less than a leaf. */
  sumOf(placement: number, block: TokenBlock): BlockSum | undefined {
    const shared = this.shared[placement] as ReadonlySet<number>;
    const sum = this.parts.merkle.sumOf(placement, block, (partition) => shared.has(partition));
    if (sum === undefined) return undefined;
    const all = this.parts.merkle.sumOf(placement, block, () => true) as Sum;
    return { digest: digestOfSum(sum), count: countOf(all) };
  }

  /** From the store, in paced turns. Rows are listed if they are no more than `listedMax`. */
  read(placement: number, block: TokenBlock, listedMax: number, onRead: (read: BlockRead) => void): void {
    const { from, to } = rowBounds(placement, block.from, block.from + TOKENS / (1n << BigInt(block.bits)) - 1n);
    const parts = partsOf(block).map(newSum);
    const about = { block, placement, to, listedMax, onRead };
    this.readFrom({ ...about, sum: newSum(), parts, rows: new Map(), isDamaged: false }, from);
  }

  private readFrom(reading: Reading, from: Uint8Array): void {
    const { limits, pace, storage } = this.parts;
    const { allowance } = this;
    if (allowance.rows <= 0 || allowance.bytes <= 0) {
      pace.soon(() => {
        Object.assign(allowance, { rows: limits.scanRowsMax, bytes: limits.scanBytesMax });
        this.readFrom(reading, from);
      });
      return;
    }
    const size = { rowsMax: allowance.rows, bytesMax: allowance.bytes };
    const slice = readSlice(storage, from, reading.to, size);
    if (slice.gapFrom !== undefined) reading.isDamaged = true;
    for (const { key, value } of slice.rows) this.take(reading, key, value);
    allowance.rows -= SCAN_COST_ROWS + slice.rows.length;
    for (const { value } of slice.rows) allowance.bytes -= value.length;
    if (slice.next === undefined) reading.onRead(reading);
    else this.readFrom(reading, slice.next);
  }

  private take(reading: Reading, row: Uint8Array, record: Uint8Array): void {
    const { placement, block, parts, sum } = reading;
    const { ring } = this.parts;
    if (!(this.shared[placement] as ReadonlySet<number>).has(partitionOfRow(row, ring.partitions))) return;
    addRecord(sum, record);
    const shift = BigInt(TOKEN_BITS - block.bits) - BigInt(Math.log2(parts.length));
    addRecord(parts[Number((tokenOfRow(row) - block.from) >> shift)] as Sum, record);
    // One token has no parts: its rows are listed, however many.
    if (countOf(sum) > reading.listedMax && parts.length > 1) reading.rows = undefined;
    if (reading.rows === undefined) return;
    const listed = { row, digest: copyOf(digestOfRecord(record)), young: isYoung(this.parts, row, record) };
    reading.rows.set(bytesToMapKey(row), listed);
  }
}

export function blockSum(sum: Sum): BlockSum {
  return { digest: digestOfSum(sum), count: countOf(sum) };
}

/** What a scan costs that finds nothing, in rows. */
const SCAN_COST_ROWS = 16;
