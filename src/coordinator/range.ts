/**
 * Range: the living cells of one key, in the order of their sort keys, from one up to another.
 *
 * Page after page is read at the level (range-page.ts) until there are as many
 * living cells as were asked for. The limit cuts what is merged and never what
 * an owner said: where much was deleted, the next page is larger. So every cell that lives
 * throughout is told once, whatever is written meanwhile. Every page is at its
 * level, but a range is no snapshot: what is written during it may be in one page and not in
 * another.
 *
 * A range does a bounded piece of work: when half of its time is over, or so much was looked at, it
 * answers what it has and where to go on.
 */
import { compareBytes, NO_BYTES } from "../base/bytes.js";
import type { Hedge } from "../cluster-config.js";
import type { Level } from "../config.js";
import type { View } from "../lattice/lattice.js";
import type { NodeId } from "../ports.js";
import { positionAfter, positionBehindKey, rowWithSort, sortOfRow } from "../replica/rows.js";
import type { Asked, Failure } from "./outcome.js";
import { type CoordinatorParts, locate, refusedUnsent } from "./parts.js";
import { type RangePageOutcome, rangePage } from "./range-page.js";

export interface RangeRequest {
  readonly bucket: string;
  readonly key: Uint8Array;
  /** The first sort key, if it is there; undefined: from the beginning. */
  readonly from: Uint8Array | undefined;
  /** The first sort key that is not asked for any more; undefined: to the end. */
  readonly to: Uint8Array | undefined;
  readonly cellsMax: number;
  readonly level: Level;
  readonly deadlineMs: number;
  readonly hedge: Hedge;
  /** False: read without repairing. */
  readonly mend: boolean;
}

export interface LivingCell {
  readonly sort: Uint8Array;
  readonly view: View;
}

export type RangeOutcome =
  | {
      readonly ok: true;
      /** Fewer than asked for, even none, mean nothing: only without `next` is there no more. */
      readonly cells: readonly LivingCell[];
      /** The sort key from which to go on: it sorts just behind the last one looked at. */
      readonly next: Uint8Array | undefined;
      /** Of the last page. */
      readonly replicas: readonly Asked[];
      readonly mended: readonly NodeId[];
    }
  | { readonly ok: false; readonly failure: Failure };

/** Reads one range; `done` comes exactly once. */
export function range(parts: CoordinatorParts, request: RangeRequest, done: (outcome: RangeOutcome) => void): void {
  const refusal = parts.refusal();
  const { from, to, level } = request;
  if (refusal !== undefined) done({ ok: false, failure: refusedUnsent("clock-skew", level, refusal) });
  else if (from !== undefined && to !== undefined && compareBytes(from, to) >= 0) done(NOTHING);
  else new RangePath(parts, request, done).nextPage();
}

const NOTHING: RangeOutcome = { ok: true, cells: [], next: undefined, replicas: [], mended: [] };

/** Cells of a page, at most so many times those of the one before. */
const PAGE_GROWTH = 2;
/** Of the deadline: later than this no page begins. */
const WORKING_SHARE = 0.5;
const LEAST_DEADLINE_MS = 1;

class RangePath {
  private readonly startedMs: number;
  private readonly cells: LivingCell[] = [];
  private readonly mended = new Set<NodeId>();
  private readonly to: Uint8Array;
  /** All before it has been looked at. */
  private cursor: Uint8Array;
  private pageCells: number;
  private cellsSeen = 0;
  private valueBytes = 0;
  private replicas: readonly Asked[] = [];

  constructor(
    private readonly parts: CoordinatorParts,
    private readonly request: RangeRequest,
    private readonly done: (outcome: RangeOutcome) => void,
  ) {
    const { row } = locate(parts, { ...request, sort: request.from ?? NO_BYTES });
    this.cursor = row;
    this.to = request.to === undefined ? positionBehindKey(row) : rowWithSort(row, request.to);
    this.pageCells = request.cellsMax;
    this.startedMs = parts.clock.nowMs();
  }

  nextPage(): void {
    const { bucket, level, hedge, mend } = this.request;
    const span = { from: this.cursor, to: this.to };
    const page = { bucket, span, cellsMax: this.pageCells, level, hedge, mend, deadlineMs: this.remainingMs() };
    rangePage(this.parts, page, (outcome) => this.onPage(outcome));
  }

  private onPage(outcome: RangePageOutcome): void {
    if (!outcome.ok) {
      // A failure further on is the next range's: this one has something to say.
      if (this.cellsSeen === 0) this.done(outcome);
      else this.answer(this.cursor);
      return;
    }
    this.replicas = outcome.replicas;
    for (const node of outcome.mended) this.mended.add(node);
    const { next } = outcome;
    const last = this.takeUntilFull(outcome.cells);
    if (last !== undefined) return this.answer(positionAfter(rowWithSort(this.cursor, last)));
    if (next === undefined) return this.answer(undefined);
    this.cursor = next;
    this.pageCells = Math.min(this.pageCells * PAGE_GROWTH, this.parts.limits.rangeItemsMax);
    if (this.isTired()) return this.answer(next);
    // In a later turn: where oneself owns everything, a range would be one long turn else.
    this.parts.clock.after(0, () => this.nextPage());
  }

  /** Takes the living ones; returns the sort key of the cell after which there is no room for more. */
  private takeUntilFull(cells: Extract<RangePageOutcome, { ok: true }>["cells"]): Uint8Array | undefined {
    const lattice = this.parts.latticeOf(this.request.bucket);
    const nowMs = this.parts.mint.nowMs();
    for (const { sort, state } of cells) {
      this.cellsSeen++;
      const view = lattice.view(state, nowMs);
      if (view.contents.length === 0) continue;
      this.cells.push({ sort, view });
      for (const { value } of view.contents) this.valueBytes += value.length;
      if (this.cells.length >= this.request.cellsMax || this.valueBytes >= this.parts.limits.rangeBytesMax) return sort;
    }
    return undefined;
  }

  private answer(position: Uint8Array | undefined): void {
    const next = position === undefined ? undefined : sortOfRow(position);
    this.done({ ok: true, cells: this.cells, next, replicas: this.replicas, mended: [...this.mended] });
  }

  private isTired(): boolean {
    const elapsedMs = this.parts.clock.nowMs() - this.startedMs;
    return elapsedMs >= this.request.deadlineMs * WORKING_SHARE || this.cellsSeen >= this.parts.limits.listRowsMax;
  }

  private remainingMs(): number {
    return Math.max(LEAST_DEADLINE_MS, this.request.deadlineMs - (this.parts.clock.nowMs() - this.startedMs));
  }
}
