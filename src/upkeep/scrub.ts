/**
 * Scrub: a slow endless walk that reads every row against its checksum.
 *
 * What nobody reads rots unseen, and on the day it is needed it may be the last
 * copy. So the whole store is read once in `scrubIntervalMs`, through the pace
 * of all upkeep. The place of the walk follows from the time: a node that is
 * started anew every day gets through its store all the same. After a kill it
 * begins at once and does not wait between its turns: what was written last may be torn.
 *
 * What it finds:
 * - a row that is not what was written: fetched anew by heal.ts;
 * - a stray, a row under an address that no row can have, for a bit of its key
 *   has turned round. Nobody can ask for it; it is removed, and what it was comes back by sync;
 * - leaves whose sums are not those of the stored rows, as the disk has lost
 *   some: summed up anew, whereupon no peer's are the same.
 *   What comes back of lost rows may be less than was in them, and the rest lie with an owner that is down. So before
 *   they come back this node goes on under another actor, as when a row is healed;
 * - keys out of order, or that are not found where they stand: then no search can be
 *   trusted, and the store is salvaged as a whole (salvage.ts).
 */
import { bytesToMapKey, compareBytes, equalBytes } from "../base/bytes.js";
import { tokenOf } from "../base/hash.js";
import { type Cancel, type Row, StorageDamage, type StorageError } from "../ports.js";
import { hasLeaf, LeafCheck } from "../replica/leaf-check.js";
import type { Mint } from "../replica/mint.js";
import { ALL_ROWS, bucketOfRow, isRow, isSoundRecord, keyOfRow, orderedToken, tokenOfRow } from "../replica/rows.js";
import { readSlice, type Slice } from "../replica/slice.js";
import type { SyncParts } from "./parts.js";

type ScrubParts = Pick<SyncParts, "clock" | "meter" | "storage" | "limits" | "ring" | "merkle" | "pace"> & {
  readonly mint: Pick<Mint, "renewVouched">;
  /** A row that can be asked for is damaged. */
  readonly onDamaged: (row: Uint8Array) => void;
  /** The keys of the store are not in order. */
  readonly onDisorder: () => void;
  /** Something is missing here: compare with the peers at once. */
  readonly onMissing: () => void;
};

/** What was found damaged. gap: what the disk cannot read. leaf: a sum that is not that of the rows. */
export interface ScrubFound {
  row: number;
  stray: number;
  gap: number;
  leaf: number;
  order: number;
}

export interface ScrubReport {
  readonly rows: number;
  /** How much of the store has been read, from 0 to 1. */
  readonly progress: number;
  readonly found: Readonly<ScrubFound>;
}

export interface ScrubOrder {
  /** Damage is counted, and nothing is done about it. */
  readonly isCheck: boolean;
  /** Only the rows of this bucket; undefined: all. */
  readonly bucket: string | undefined;
}

/** One walk over all that is stored. */
interface Pass extends ScrubOrder {
  rows: number;
  readonly found: ScrubFound;
  /** Undefined: the slow walk, which goes on without end. */
  readonly onEnd: ((report: ScrubReport) => void) | undefined;
}

export class Scrub {
  private readonly leaves: LeafCheck;
  private pass: Pass;
  private position: Uint8Array = ALL_ROWS.from;
  /** The position is where a leaf begins. */
  private isAtLeaf = true;
  /** Rows were found to be missing in this turn, or in this walk if it is not the slow one. */
  private hasRenewed = false;
  /** Strays that the disk did not let go, by map key. */
  private readonly stuck = new Set<string>();
  private cancel: Cancel | undefined;

  constructor(private readonly parts: ScrubParts) {
    this.leaves = new LeafCheck(parts.ring, parts.merkle);
    this.pass = newPass({ isCheck: false, bucket: undefined }, undefined);
  }

  /** Begins to walk; at once and without rest through the whole store when `isUrgent`. One that was ordered goes on. */
  start(isUrgent: boolean): void {
    if (this.pass.onEnd !== undefined) return;
    if (isUrgent) this.run({ isCheck: false, bucket: undefined }, () => {});
    else this.stroll();
  }

  stop(): void {
    this.cancel?.();
  }

  /** Walks through the whole store now. A walk under way is given up, and told so by its report. */
  run(order: ScrubOrder, onEnd: (report: ScrubReport) => void): void {
    const given = this.pass;
    const report = this.report();
    this.cancel?.();
    this.begin(newPass(order, onEnd), 0);
    given.onEnd?.(report);
    this.next(0);
  }

  /** Of the walk under way. */
  report(): ScrubReport {
    const { rows, found } = this.pass;
    return { rows, progress: this.leaves.numberOf(this.position) / this.leaves.total, found: { ...found } };
  }

  /** The slow walk, from where it is due now. */
  private stroll(): void {
    const { clock, limits } = this.parts;
    const share = (clock.wallMs() % limits.scrubIntervalMs) / limits.scrubIntervalMs;
    this.begin(newPass({ isCheck: false, bucket: undefined }, undefined), Math.floor(share * this.leaves.total));
    this.next(1);
  }

  private begin(pass: Pass, leaf: number): void {
    this.pass = pass;
    this.hasRenewed = false;
    this.position = this.leaves.startOf(leaf);
    this.isAtLeaf = true;
  }

  /** `leaves`: how many the last turn has done with, for which the slow walk may take its time. */
  private next(leaves: number): void {
    const { clock, limits, pace } = this.parts;
    const soon = () => {
      this.cancel = pace.soon(() => this.turn());
    };
    if (this.pass.onEnd !== undefined) soon();
    else this.cancel = clock.after((limits.scrubIntervalMs * leaves) / this.leaves.total, soon);
  }

  private turn(): void {
    const { limits, storage, meter } = this.parts;
    if (this.pass.onEnd === undefined) this.hasRenewed = false;
    const first = this.leaves.numberOf(this.position);
    const size = { rowsMax: limits.scanRowsMax, bytesMax: limits.scrubBytesMax };
    const slice = readSlice(storage, this.position, ALL_ROWS.to, size);
    const rows = this.checkSlice(slice, first);
    this.pass.rows += rows.length;
    meter.count("murmur_scrubbed_rows_total", {}, rows.length);
    this.checkRows(rows);
    if (slice.next !== undefined) return this.next(this.leaves.numberOf(this.position) - first);
    const { onEnd } = this.pass;
    const report = { ...this.report(), progress: 1 };
    if (onEnd === undefined) {
      this.begin(newPass(this.pass, undefined), 0);
      return this.next(Math.max(1, this.leaves.total - first));
    }
    this.stroll();
    onEnd(report);
  }

  /** Moves on behind what was read whole; returns its rows. */
  private checkSlice({ rows, next, gapFrom }: Slice, first: number): readonly Row[] {
    const isWhole = this.isAtLeaf;
    const end = next === undefined ? this.leaves.total : this.leaves.numberOf(next);
    if (gapFrom !== undefined) {
      this.onGap(this.leaves.numberOf(gapFrom), end + 1);
      this.moveTo(next ?? ALL_ROWS.to, false);
      return rows;
    }
    this.checkOrder(rows);
    if (next !== undefined && end === first) {
      // This leaf alone is more than a turn may read: its sum cannot be checked.
      this.moveTo(next, false);
      return rows;
    }
    this.moveTo(this.leaves.startOf(end), true);
    const taken = next === undefined ? rows : rows.filter(({ key }) => this.leaves.numberOf(key) < end);
    this.checkLeaves(isWhole ? first : first + 1, end, taken);
    return taken;
  }

  private moveTo(position: Uint8Array, isAtLeaf: boolean): void {
    this.position = position;
    this.isAtLeaf = isAtLeaf;
  }

  private onGap(first: number, end: number): void {
    this.note("gap");
    // Its leaves look like no peer's from now on: the next comparison meets the rows that cannot be read.
    if (!this.pass.isCheck) this.leaves.recheck(first, end);
  }

  private checkOrder(rows: readonly Row[]): void {
    let last = this.position;
    for (const { key } of rows) {
      // The first may be where the scan began.
      const isBehind = compareBytes(last, key) < (last === this.position ? 1 : 0);
      if (!isBehind) return this.onDisorder();
      last = key;
    }
  }

  private checkLeaves(first: number, end: number, rows: readonly Row[]): void {
    const isCounted = ({ key }: Row) => this.leaves.numberOf(key) >= first && this.leaves.numberOf(key) < end;
    const untrue = this.leaves.firstUntrue(first, end, rows.filter(isCounted));
    if (untrue === undefined) return;
    this.note("leaf");
    if (this.pass.isCheck) return;
    this.onLost();
    this.leaves.recheck(untrue, end);
    this.parts.onMissing();
  }

  private checkRows(rows: readonly Row[]): void {
    const { bucket } = this.pass;
    for (const row of rows) if (bucket === undefined || bucketOfRow(row.key) === bucket) this.checkRow(row);
  }

  private checkRow({ key, value }: Row): void {
    let found: Uint8Array | undefined;
    try {
      found = this.parts.storage.durable(key);
    } catch (error) {
      if (!(error instanceof StorageDamage)) throw error;
      return this.onDamagedRow(key);
    }
    if (found === undefined || !equalBytes(found, value)) return this.onDisorder();
    if (isSoundRecord(key, value)) return;
    if (this.isAddress(key)) this.onDamagedRow(key);
    else this.onStray(key);
  }

  /** Whether a row may ever have been written here under this address. */
  private isAddress(row: Uint8Array): boolean {
    return isRow(row) && hasLeaf(this.parts.ring, row) && tokenOfRow(row) === orderedToken(tokenOf(keyOfRow(row)));
  }

  private onDamagedRow(row: Uint8Array): void {
    this.note("row");
    if (!this.pass.isCheck) this.parts.onDamaged(row);
  }

  private onStray(row: Uint8Array): void {
    const { merkle, storage, ring } = this.parts;
    this.note("stray");
    if (this.pass.isCheck) return;
    if (!this.stuck.has(bytesToMapKey(row))) this.onLost();
    const onRemoved = (error?: StorageError) => this.onRemoved(row, error);
    // The row that it was is missing, most likely from the same leaf.
    if (hasLeaf(ring, row)) merkle.replace(row, undefined, onRemoved);
    else storage.commit([{ key: row, value: undefined }], onRemoved);
  }

  private onRemoved(row: Uint8Array, error: StorageError | undefined): void {
    const { limits, onMissing } = this.parts;
    const mapKey = bytesToMapKey(row);
    this.stuck.delete(mapKey);
    if (error !== undefined && this.stuck.size < limits.healRowsPendingMax) this.stuck.add(mapKey);
    onMissing();
  }

  /** One new life for all that is found together, before any of it comes back. */
  private onLost(): void {
    if (this.hasRenewed) return;
    this.hasRenewed = true;
    this.parts.mint.renewVouched("rows are missing");
  }

  private onDisorder(): void {
    this.note("order");
    if (!this.pass.isCheck) this.parts.onDisorder();
  }

  private note(kind: keyof ScrubFound): void {
    this.pass.found[kind]++;
    this.parts.meter.count("murmur_scrub_found_total", { kind });
  }
}

function newPass({ isCheck, bucket }: ScrubOrder, onEnd: Pass["onEnd"]): Pass {
  return { isCheck, bucket, onEnd, rows: 0, found: { row: 0, stray: 0, gap: 0, leaf: 0, order: 0 } };
}
