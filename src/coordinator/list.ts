/**
 * List: the keys of a bucket in the order of their tokens, a page at a time.
 *
 * Partition after partition is scanned (scan.ts), several at once where keys are
 * sparse, and keys on which the owners differ are read at the same level, which
 * mends them. So a key that is there throughout is listed exactly once, and a
 * key whose delete was acknowledged before is not, as for single reads.
 *
 * The work for one page is bounded: when owners looked at `listRowsMax` rows, or
 * half of the deadline has passed, the page ends where it is and says where
 * to go on. So a bucket with few keys among many others' neither stalls nor times
 * out. Questions of one wave to one node travel together, as in a batch.
 */
import { compareBytes, equalBytes, NO_BYTES } from "../base/bytes.js";
import type { Hedge } from "../cluster-config.js";
import type { Level } from "../config.js";
import { partitionTokens } from "../replica/merkle.js";
import {
  encodeRow,
  keyOfRow,
  partitionOfRow,
  positionAfter,
  positionAt,
  positionBehindKey,
  sortOfRow,
  tokenOfRow,
} from "../replica/rows.js";
import { batch, type TogetherParts, together } from "./batch.js";
import type { Failure, ReadOutcome } from "./outcome.js";
import { type CoordinatorParts, refusedUnsent } from "./parts.js";
import { type Candidate, type ScanOutcome, scan } from "./scan.js";

/** Behind the cells of `key` up to `sort`, or where the token begins when there is no key. */
export interface ListPosition {
  /** In row order. */
  readonly token: bigint;
  readonly key: Uint8Array;
  /** Not a sort key, but behind one; of a plain key as of one that was listed, behind all. */
  readonly sort: Uint8Array;
}

export interface ListRequest {
  readonly bucket: string;
  readonly after: ListPosition | undefined;
  readonly keysMax: number;
  readonly level: Level;
  readonly deadlineMs: number;
  readonly hedge: Hedge;
}

export type ListOutcome =
  /** Fewer keys than asked for, even none, mean nothing: only without `next` is there no more. */
  | { readonly ok: true; readonly keys: readonly Uint8Array[]; readonly next: ListPosition | undefined }
  | { readonly ok: false; readonly failure: Failure };

/** Lists one page; `done` comes exactly once. */
export function list(parts: CoordinatorParts, request: ListRequest, done: (outcome: ListOutcome) => void): void {
  const refusal = parts.refusal();
  if (refusal === undefined) new ListPath(parts, request, done).nextWave();
  else done({ ok: false, failure: refusedUnsent("clock-skew", request.level, refusal) });
}

/** Partitions of a wave, at most so many times those of the one before. */
const WAVE_GROWTH = 4;
/** Of the deadline: later than this no wave begins. */
const WORKING_SHARE = 0.5;
const LEAST_DEADLINE_MS = 1;
/** A partition may have so many keys more than twice its share before its page is cut. */
const SPARE_KEYS = 16;

class ListPath {
  private readonly parts: TogetherParts;
  private readonly placement: number;
  private readonly startedMs: number;
  private readonly keys: Uint8Array[] = [];
  /** All before it is listed; undefined at the end. */
  private cursor: Uint8Array | undefined;
  private hasAdvanced = false;
  private rowsSeen = 0;
  private width = 1;
  /** Keys on which the owners differ that are read at once. */
  private disputedMax = Number.POSITIVE_INFINITY;

  constructor(
    private readonly alone: CoordinatorParts,
    private readonly request: ListRequest,
    private readonly done: (outcome: ListOutcome) => void,
  ) {
    const { bucket, after } = request;
    const parts = together(alone);
    this.parts = parts;
    this.placement = parts.ring.placementOf(bucket);
    this.startedMs = parts.clock.nowMs();
    this.cursor =
      after === undefined || after.key.length === 0
        ? positionAt(this.placement, after?.token ?? 0n, bucket)
        : encodeRow({ placement: this.placement, bucket, ...after });
  }

  nextWave(): void {
    const { cursor } = this;
    if (cursor === undefined || this.wanted === 0 || this.isTired()) return this.answer();
    const positions = this.positionsFrom(cursor);
    const share = Math.ceil((2 * this.wanted) / positions.length) + SPARE_KEYS;
    const keysMax = Math.min(this.wanted, share);
    const outcomes: ScanOutcome[] = new Array(positions.length);
    let left = positions.length;
    for (const [index, position] of positions.entries()) {
      const { bucket, level, hedge } = this.request;
      scan(this.parts, { bucket, level, hedge, position, keysMax, deadlineMs: this.remainingMs() }, (outcome) => {
        outcomes[index] = outcome;
        left--;
        if (left === 0) this.onWave(positions, outcomes);
      });
    }
  }

  /** Takes the pages in order, up to the first that is cut short or failed. */
  private onWave(positions: readonly Uint8Array[], outcomes: readonly ScanOutcome[]): void {
    const candidates: Candidate[] = [];
    let cursor = this.cursor;
    let failure: Failure | undefined;
    let taken = 0;
    for (const [index, outcome] of outcomes.entries()) {
      if (!outcome.ok) failure = outcome.failure;
      if (!outcome.ok) break;
      const { page } = outcome;
      candidates.push(...page.candidates);
      this.rowsSeen += page.rowsSeen;
      cursor = page.next ?? this.startBehind(positions[index] as Uint8Array);
      taken++;
      if (page.next !== undefined) break;
    }
    this.adjustWidth(candidates.length, taken);
    const last = candidates[this.wanted - 1];
    if (last === undefined) this.resolve(candidates, cursor, failure);
    else this.resolve(candidates.slice(0, this.wanted), positionAfter(last.row), undefined);
  }

  /** As many partitions as should have the keys still wanted, if the next ones are like these. */
  private adjustWidth(found: number, partitions: number): void {
    const needed = found === 0 ? Number.POSITIVE_INFINITY : Math.ceil((this.wanted * partitions) / found);
    this.width = Math.max(1, Math.min(needed, this.width * WAVE_GROWTH, this.parts.limits.listRangesMax));
  }

  /** Reads the keys on which the owners differ, in one batch: no more of their values than it has room for. */
  private resolve(candidates: readonly Candidate[], cursor: Uint8Array | undefined, failure?: Failure): void {
    const { bucket, level, hedge } = this.request;
    const disputed = candidates.filter(({ isAgreed }) => !isAgreed);
    const over = candidates.indexOf(disputed[this.disputedMax] as Candidate);
    if (over > 0) {
      const last = candidates[over - 1] as Candidate;
      return this.resolve(candidates.slice(0, over), positionAfter(last.row));
    }
    const rest = { bucket, level, hedge, deadlineMs: this.remainingMs(), mend: true };
    const reads = disputed.map(({ row }) => ({ ...rest, key: keyOfRow(row), sort: sortOfRow(row) }));
    batch(this.alone, { reads, writes: [] }, (outcome) => {
      const outcomes = new Map(disputed.map((candidate, index) => [candidate, outcome.reads[index] as ReadOutcome]));
      this.take(candidates, outcomes, cursor, failure);
    });
  }

  private take(
    candidates: readonly Candidate[],
    outcomes: ReadonlyMap<Candidate, ReadOutcome>,
    cursor: Uint8Array | undefined,
    failure?: Failure,
  ): void {
    for (const candidate of candidates) {
      const outcome = outcomes.get(candidate);
      if (outcome?.ok === false) return this.goOn(this.mayReadFewer(outcome.failure) ? undefined : outcome.failure);
      const isAlive = outcome === undefined || outcome.view.contents.length > 0;
      if (isAlive) this.list(keyOfRow(candidate.row));
      this.moveTo(isAlive ? positionBehindKey(candidate.row) : positionAfter(candidate.row));
    }
    this.moveTo(cursor);
    this.goOn(failure);
  }

  /** Whatever had room in the batch is not always what the page needs first: so many values have room in any case. */
  private mayReadFewer({ kind }: Failure): boolean {
    const { batchAnswerBytesMax, valueBytesMax } = this.parts.limits;
    const fitting = Math.max(1, Math.floor(batchAnswerBytesMax / valueBytesMax));
    const mayRead = kind === "too-large" && this.disputedMax > fitting;
    if (mayRead) this.disputedMax = fitting;
    return mayRead;
  }

  /** A failure further on is the next page's: this one has something to say. */
  private goOn(failure: Failure | undefined): void {
    // In a later turn: where oneself owns everything, a listing would be one long turn else.
    if (failure === undefined) this.parts.clock.after(0, () => this.nextWave());
    else if (this.hasAdvanced) this.answer();
    else this.done({ ok: false, failure });
  }

  /** A key lives if one of its cells does, and is told once. */
  private list(key: Uint8Array): void {
    const last = this.keys.at(-1);
    if (last === undefined || !equalBytes(last, key)) this.keys.push(key);
  }

  /** Never back: behind a key that was listed, its other cells are of no interest. */
  private moveTo(cursor: Uint8Array | undefined): void {
    if (this.cursor === undefined || (cursor !== undefined && compareBytes(cursor, this.cursor) < 0)) return;
    this.hasAdvanced ||= cursor !== this.cursor;
    this.cursor = cursor;
  }

  private answer(): void {
    const { cursor } = this;
    const next = cursor === undefined ? undefined : placeOf(cursor);
    this.done({ ok: true, keys: this.keys, next });
  }

  private positionsFrom(cursor: Uint8Array): Uint8Array[] {
    const positions = [cursor];
    for (let next = this.startBehind(cursor); next !== undefined && positions.length < this.width; ) {
      positions.push(next);
      next = this.startBehind(next);
    }
    return positions;
  }

  /** Where the partition behind that of `position` begins; undefined behind the last. */
  private startBehind(position: Uint8Array): Uint8Array | undefined {
    const { partitions } = this.parts.ring;
    const partition = partitionOfRow(position, partitions) + 1;
    if (partition === partitions) return undefined;
    return positionAt(this.placement, partitionTokens(partitions, partition).from, this.request.bucket);
  }

  private get wanted(): number {
    return this.request.keysMax - this.keys.length;
  }

  private isTired(): boolean {
    const elapsedMs = this.parts.clock.nowMs() - this.startedMs;
    const isLate = elapsedMs >= this.request.deadlineMs * WORKING_SHARE;
    return this.hasAdvanced && (isLate || this.rowsSeen >= this.parts.limits.listRowsMax);
  }

  private remainingMs(): number {
    return Math.max(LEAST_DEADLINE_MS, this.request.deadlineMs - (this.parts.clock.nowMs() - this.startedMs));
  }
}

function placeOf(position: Uint8Array): ListPosition {
  const key = keyOfRow(position);
  return { token: tokenOfRow(position), key, sort: key.length === 0 ? NO_BYTES : sortOfRow(position) };
}
