/**
 * Pages: which keys of a bucket live in a partition, from a position on.
 *
 * Rows lie in the order of their tokens, all buckets of a placement mixed; so a
 * page is bounded in the rows looked at and not only in the keys found, and
 * says where to go on even when it found none. Dead rows are left out: whoever
 * holds a tombstone differs from whoever holds a value by lacking the key.
 *
 * As all that leaves a node, pages speak of durable rows alone.
 */
import { compareBytes, MalformedBytes } from "../base/bytes.js";
import { copyOf } from "../base/short-bytes.js";
import { type Row, StorageDamage } from "../ports.js";
import type { Scan, ScannedKey, ScanPage } from "../wire/messages.js";
import { partitionTokens } from "./merkle.js";
import type { ReplicaParts } from "./replica.js";
import {
  bucketOfRow,
  digestOfRecord,
  isPosition,
  partitionOfRow,
  placementOfRow,
  positionAfter,
  positionAt,
  rowBounds,
  stateOfRecord,
  TOKEN_MAX,
  tokenOfRow,
} from "./rows.js";
import { ownsAt } from "./votes.js";

/** Rows and bytes that one message may still look at. */
interface Allowance {
  rows: number;
  bytes: number;
}

/** A scan has a price of its own, whatever it finds: fewer rows than this are not worth one. */
const SCAN_ROWS_MIN = 16;
const NOT_MINE: ScanPage = { votes: false, keys: [], next: undefined, rowsSeen: 0 };

export class Pages {
  constructor(
    private readonly parts: ReplicaParts,
    /** Told of each damaged row; see upkeep/heal.ts. */
    private readonly onDamaged: (row: Uint8Array) => void,
  ) {}

  /** One page from each position, or from so many of the first as one message may look at. */
  scan({ bucket, keysMax, positions }: Scan): ScanPage[] {
    const { scanRowsMax, scanBytesMax } = this.parts.limits;
    const allowance = { rows: scanRowsMax, bytes: scanBytesMax };
    const pages: ScanPage[] = [];
    for (const position of positions) {
      if (allowance.rows <= 0 || allowance.bytes <= 0) break;
      pages.push(this.page(bucket, keysMax, position, allowance));
      // Looking where nothing is has a price too.
      allowance.rows--;
    }
    return pages;
  }

  private page(bucket: string, keysMax: number, position: Uint8Array, allowance: Allowance): ScanPage {
    if (!this.votesFor(position)) return NOT_MINE;
    try {
      return this.gather(bucket, keysMax, position, allowance);
    } catch (error) {
      if (!(error instanceof StorageDamage)) throw error;
      this.parts.world.meter.count("murmur_damaged_rows_total");
      return NOT_MINE;
    }
  }

  private gather(bucket: string, keysMax: number, position: Uint8Array, allowance: Allowance): ScanPage {
    const { storage } = this.parts.world;
    const end = this.endOfPartition(position);
    const keys: ScannedKey[] = [];
    let [from, rowsSeen, rowsWanted]: [Uint8Array | undefined, number, number] = [position, 0, keysMax];
    while (from !== undefined && keys.length < keysMax && allowance.rows > 0 && allowance.bytes > 0) {
      const rowsMax = Math.min(allowance.rows, Math.max(SCAN_ROWS_MIN, rowsWanted));
      const rows = storage.scan(from, end, rowsMax, allowance.bytes);
      const bytes = rows.reduce((sum, { value }) => sum + value.length, 0);
      const isAll = rows.length < rowsMax && bytes < allowance.bytes;
      allowance.rows -= rows.length;
      allowance.bytes -= bytes;
      rowsSeen += rows.length;
      rowsWanted = 2 * rowsMax;
      from = this.take(bucket, keysMax, rows, keys);
      if (isAll && keys.length < keysMax) from = undefined;
    }
    return { votes: true, keys, next: from === undefined || compareBytes(from, end) >= 0 ? undefined : from, rowsSeen };
  }

  /** Adds the living keys of `bucket` among `rows`; returns where to go on behind the last row looked at. */
  private take(bucket: string, keysMax: number, rows: readonly Row[], keys: ScannedKey[]): Uint8Array | undefined {
    for (const row of rows) {
      if (bucketOfRow(row.key) !== bucket) continue;
      const scanned = this.scanned(bucket, row);
      if (scanned !== undefined) keys.push(scanned);
      if (keys.length === keysMax) return positionAfter(row.key);
    }
    const last = rows.at(-1);
    return last === undefined ? undefined : positionBehind(last.key, bucket);
  }

  /** Undefined for a row that has nothing to show. */
  private scanned(bucket: string, { key: row, value: record }: Row): ScannedKey | undefined {
    const { latticeOf, mint } = this.parts;
    const lattice = latticeOf(bucket);
    try {
      const isAbsent = lattice.isAbsent(lattice.decode(stateOfRecord(row, record)), mint.nowMs());
      return isAbsent ? undefined : { row, digest: copyOf(digestOfRecord(record)) };
    } catch (error) {
      if (!(error instanceof StorageDamage) && !(error instanceof MalformedBytes)) throw error;
      this.onDamaged(row);
      return { row, digest: undefined };
    }
  }

  private votesFor(position: Uint8Array): boolean {
    const { owners, votes } = this.parts;
    if (!isPosition(position) || !ownsAt(owners, position)) return false;
    return votes.has(placementOfRow(position), partitionOfRow(position, owners.partitions));
  }

  private endOfPartition(position: Uint8Array): Uint8Array {
    const { partitions } = this.parts.owners;
    const { from, to } = partitionTokens(partitions, partitionOfRow(position, partitions));
    return rowBounds(placementOfRow(position), from, to).to;
  }
}

/**
 * Behind a row of any bucket, told without naming another bucket's key: this
 * bucket's rows of the same token come after it, or not until the next token.
 */
function positionBehind(row: Uint8Array, bucket: string): Uint8Array | undefined {
  if (bucketOfRow(row) === bucket) return positionAfter(row);
  const here = positionAt(placementOfRow(row), tokenOfRow(row), bucket);
  if (compareBytes(row, here) < 0) return here;
  const next = tokenOfRow(row) + 1n;
  return next > TOKEN_MAX ? undefined : positionAt(placementOfRow(row), next, bucket);
}
