/**
 * Hash trees: one digest for all rows of a partition, kept with every write.
 *
 * The digest of a set of rows is the xor of their stored digests, so a write
 * changes it in constant time and two replicas compare any stretch of tokens
 * with 16 bytes. The roots live in memory, one per (placement, partition);
 * below a root, digests of token sub-ranges are made on demand from the stored
 * rows (Merkle 1987 by way of Dynamo 4.7; the splitting is range-based set
 * reconciliation, Meyer 2022).
 *
 * Trees speak of the durable view. After a start the roots are summed up from
 * the stored digests, a slice per turn; a write behind the cursor counts at
 * once, one ahead of it is counted when the cursor comes by.
 */
import { assert } from "../base/assert.js";
import { bytesToMapKey, compareBytes } from "../base/bytes.js";
import { DIGEST_BYTES, xorInto } from "../base/hash.js";
import type { Limits } from "../config.js";
import { type Cancel, StorageDamage, type World } from "../ports.js";
import type { ListedRow, SyncRange, TokenRange } from "../wire/messages.js";
import {
  ALL_ROWS,
  digestOfRecord,
  partitionOfRow,
  placementOfRow,
  positionAfter,
  rowBounds,
  TOKEN_MAX,
} from "./rows.js";

export class Merkle {
  private readonly roots: Uint8Array[][];
  /** All rows below this are in the roots; undefined when every row is. */
  private cursor: Uint8Array | undefined = ALL_ROWS.from;
  private rowCount = 0;
  private cancelBuild: Cancel | undefined;
  private wasDamaged = false;

  constructor(
    private readonly world: World,
    private readonly limits: Limits,
    private readonly partitions: number,
    placements: number,
  ) {
    this.roots = Array.from({ length: placements }, () =>
      Array.from({ length: partitions }, () => new Uint8Array(DIGEST_BYTES)),
    );
  }

  /**
   * Sums up what is stored, a slice per turn. A store too damaged to be scanned
   * has no trees: it serves what it can, and compares itself with nobody. Rows
   * that somebody meets are healed, so it is tried again from time to time.
   */
  build(onBuilt: () => void): void {
    try {
      this.cursor = this.slice(this.cursor as Uint8Array, ALL_ROWS.to, (row, record) =>
        this.add(row, undefined, record),
      );
    } catch (error) {
      if (!(error instanceof StorageDamage)) throw error;
      this.cancelBuild = this.world.clock.after(this.limits.syncIntervalMs, () => this.build(() => {}));
      if (!this.wasDamaged) this.warn(error);
      return onBuilt();
    }
    if (this.cursor === undefined) onBuilt();
    else this.cancelBuild = this.world.clock.after(0, () => this.build(onBuilt));
  }

  /** Nothing is read any more. */
  stop(): void {
    this.cancelBuild?.();
  }

  /** False until the roots speak of all rows. */
  get isBuilt(): boolean {
    return this.cursor === undefined;
  }

  get rows(): number {
    return this.rowCount;
  }

  root(placement: number, partition: number): Uint8Array {
    return this.roots[placement]?.[partition] as Uint8Array;
  }

  /** A row became durable: its record before and after (undefined: none). */
  onDurable(row: Uint8Array, before: Uint8Array | undefined, after: Uint8Array | undefined): void {
    if (this.cursor === undefined || compareBytes(row, this.cursor) < 0) this.add(row, before, after);
  }

  /** A damaged row was replaced, or removed: what it weighed is unknown, so its partition is summed up again. */
  onReplaced(row: Uint8Array, isRemoved: boolean): void {
    if (this.cursor !== undefined && compareBytes(row, this.cursor) >= 0) return;
    if (isRemoved) this.rowCount--;
    const partition = partitionOfRow(row, this.partitions);
    try {
      const { digest } = this.fingerprint(placementOfRow(row), partitionTokens(this.partitions, partition));
      this.root(placementOfRow(row), partition).set(digest);
    } catch (error) {
      // Another of its rows is damaged too: whoever replaces the last one sums up.
      if (!(error instanceof StorageDamage)) throw error;
    }
  }

  /** Digest and count of the durable rows in a range. */
  fingerprint(placement: number, range: TokenRange): SyncRange {
    const digest = new Uint8Array(DIGEST_BYTES);
    let count = 0;
    this.forEachRow(placement, range, (_row, record) => {
      xorInto(digest, digestOfRecord(record));
      count++;
    });
    return { ...range, digest, count };
  }

  /** The rows of a range that is known to be small. Their values are not kept. */
  list(
    placement: number,
    range: TokenRange,
    isYoung: (row: Uint8Array, record: Uint8Array) => boolean,
  ): Map<string, ListedRow> {
    const listed = new Map<string, ListedRow>();
    this.forEachRow(placement, range, (row, record) => {
      const digest = Uint8Array.from(digestOfRecord(record));
      listed.set(bytesToMapKey(row), { row, digest, young: isYoung(row, record) });
    });
    return listed;
  }

  private warn({ message }: StorageDamage): void {
    this.wasDamaged = true;
    this.world.log.warn(
      "the store is damaged and cannot be compared with the peers'; what is read is healed, the rest is not: better stop this node, move its folder away and start it: it rebuilds from them",
      { damage: message },
    );
  }

  private forEachRow(placement: number, range: TokenRange, visit: (row: Uint8Array, record: Uint8Array) => void): void {
    const bounds = rowBounds(placement, range.from, range.to);
    let from: Uint8Array | undefined = bounds.from;
    while (from !== undefined) from = this.slice(from, bounds.to, visit);
  }

  /** Visits as many rows as one scan may take; returns where to go on, or undefined at the end. */
  private slice(
    from: Uint8Array,
    to: Uint8Array,
    visit: (row: Uint8Array, record: Uint8Array) => void,
  ): Uint8Array | undefined {
    const rows = this.world.storage.scan(from, to, this.limits.scanRowsMax, this.limits.scanBytesMax);
    for (const { key, value } of rows) visit(key, value);
    const last = rows.at(-1);
    return last === undefined ? undefined : positionAfter(last.key);
  }

  private add(row: Uint8Array, before: Uint8Array | undefined, after: Uint8Array | undefined): void {
    const root = this.root(placementOfRow(row), partitionOfRow(row, this.partitions));
    assert(root !== undefined, "a stored row lies in a placement of this layout");
    this.rowCount += (after === undefined ? 0 : 1) - (before === undefined ? 0 : 1);
    if (before !== undefined) xorInto(root, digestOfRecord(before));
    if (after !== undefined) xorInto(root, digestOfRecord(after));
  }
}

/** The tokens of one partition. */
export function partitionTokens(partitions: number, partition: number): TokenRange {
  const size = (TOKEN_MAX + 1n) / BigInt(partitions);
  const from = BigInt(partition) * size;
  return { from, to: from + size - 1n };
}

/** A range in `parts` nearly equal parts; fewer when it has fewer tokens. */
export function splitRange(range: TokenRange, parts: number): TokenRange[] {
  const size = range.to - range.from + 1n;
  const count = size < BigInt(parts) ? Number(size) : parts;
  return Array.from({ length: count }, (_, index) => ({
    from: range.from + (size * BigInt(index)) / BigInt(count),
    to: range.from + (size * BigInt(index + 1)) / BigInt(count) - 1n,
  }));
}
