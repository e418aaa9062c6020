/**
 * Batch: many reads and writes in one request, each with an outcome of its own.
 *
 * Every item takes the ordinary path of its key (read.ts, write.ts), so tally,
 * mend, hedge and *beaten* are what they are elsewhere; only the questions travel
 * together (gather.ts), and so do the timers (grouping-clock.ts). All items share
 * one deadline: what is missing then has failed by itself, and the rest is there.
 *
 * The items run side by side: a read may or may not see a write of its batch.
 * A large batch begins over several turns, so that others are served meanwhile.
 * Increments of one counter are one write (batch-sums.ts); where their sum is refused as too large, each is tried by itself.
 */
import { assert } from "../base/assert.js";
import { type BatchWrite, batchWrites } from "./batch-sums.js";
import { Gather } from "./gather.js";
import { GroupingClock } from "./grouping-clock.js";
import type { ReadOutcome, ReadRequest, WriteOutcome, WriteRequest } from "./outcome.js";
import { type CoordinatorParts, refusedUnsent } from "./parts.js";
import { read } from "./read.js";
import { write } from "./write.js";

export interface BatchRequest {
  readonly reads: readonly ReadRequest[];
  /**
   * No key twice, but for increments, which have no order: two paths of one key would each stamp anew when beaten, and
   * the earlier one might win.
   */
  readonly writes: readonly WriteRequest[];
}

/** In the order of the request. */
export interface BatchOutcome {
  readonly reads: readonly ReadOutcome[];
  readonly writes: readonly WriteOutcome[];
}

/** What takes writes that it merges with those of others. */
interface Merging {
  /** False: it does not take this one. Otherwise `done` comes exactly once. */
  take(request: WriteRequest, done: (outcome: WriteOutcome) => void): boolean;
}

export interface BatchParts extends CoordinatorParts {
  readonly increments?: Merging;
}

/** A coordinator whose questions and timers go together. */
export interface TogetherParts extends CoordinatorParts {
  readonly rpc: Gather;
}

export function together(parts: CoordinatorParts): TogetherParts {
  const clock = new GroupingClock(parts.clock, parts.later);
  return { ...parts, clock, rpc: new Gather({ ...parts, clock }) };
}

/** Runs all items; `done` comes exactly once, when the last of them has its outcome. */
export function batch(parts: BatchParts, request: BatchRequest, done: (outcome: BatchOutcome) => void): void {
  if (request.reads.length + request.writes.length === 0) done({ reads: [], writes: [] });
  else new BatchRun(together(parts), parts.increments, request, done).startSlice(0);
}

class BatchRun {
  private readonly startedMs: number;
  private readonly reads: (ReadOutcome | undefined)[];
  private readonly writes: (WriteOutcome | undefined)[];
  private readonly onces: readonly BatchWrite[];
  private left: number;
  private valueBytes = 0;

  constructor(
    private readonly parts: TogetherParts,
    private readonly increments: Merging | undefined,
    private readonly request: BatchRequest,
    private readonly done: (outcome: BatchOutcome) => void,
  ) {
    this.startedMs = parts.clock.nowMs();
    this.reads = new Array(request.reads.length);
    this.writes = new Array(request.writes.length);
    this.onces = batchWrites(request.writes);
    this.left = this.reads.length + this.writes.length;
    parts.rpc.onFull = () => this.refuseReads();
  }

  /** Begins with so many items from the `first` on, reads before writes, and with the others in a later turn. */
  startSlice(first: number): void {
    const { reads } = this.request;
    const count = reads.length + this.onces.length;
    const end = Math.min(first + this.parts.limits.batchTurnItemsMax, count);
    for (let index = first; index < end; index++) {
      if (index < reads.length) this.startRead(index);
      else this.startWrite(this.onces[index - reads.length] as BatchWrite);
    }
    if (end < count) this.parts.clock.after(0, () => this.startSlice(end));
  }

  private startRead(index: number): void {
    const request = this.request.reads[index] as ReadRequest;
    if (this.reads[index] !== undefined) return;
    read(this.parts, { ...request, deadlineMs: this.remainingMs(request) }, (outcome) => this.onRead(index, outcome));
  }

  private startWrite({ request: asked, items }: BatchWrite): void {
    const request = { ...asked, deadlineMs: this.remainingMs(asked) };
    const onWritten = (outcome: WriteOutcome) => {
      const isTooLarge = !outcome.ok && outcome.failure.kind === "out-of-range" && items.length > 1;
      if (isTooLarge) this.writeEach(items);
      else this.onWritten(items, outcome);
    };
    if (items.length > 1) this.parts.meter.count("murmur_increments_coalesced_total", {}, items.length - 1);
    if (this.increments?.take(request, onWritten) !== true) write(this.parts, request, onWritten);
  }

  /** Nobody's increment fails because of others in its sum. */
  private writeEach(items: readonly number[]): void {
    for (const index of items) {
      const asked = this.request.writes[index] as WriteRequest;
      const request = { ...asked, deadlineMs: this.remainingMs(asked) };
      write(this.parts, request, (outcome) => this.onWritten([index], outcome));
    }
  }

  private onWritten(items: readonly number[], outcome: WriteOutcome): void {
    for (const index of items) this.writes[index] = outcome;
    this.settle(items.length);
  }

  private onRead(index: number, outcome: ReadOutcome): void {
    if (this.reads[index] !== undefined) return;
    this.valueBytes += outcome.ok ? outcome.view.contents.reduce((sum, { value }) => sum + value.length, 0) : 0;
    if (this.valueBytes > this.parts.limits.batchAnswerBytesMax) return this.refuseReads();
    this.reads[index] = outcome;
    this.settle();
  }

  /** No room for more values: reads without an outcome end here, and what was not fetched yet is not. */
  private refuseReads(): void {
    const { batchAnswerBytesMax } = this.parts.limits;
    const detail = `the values of this batch come to more than ${batchAnswerBytesMax} bytes (batchAnswerBytesMax); read this key by itself`;
    this.parts.rpc.stop();
    for (const [index, { level }] of this.request.reads.entries()) {
      if (this.reads[index] !== undefined) continue;
      this.reads[index] = { ok: false, failure: refusedUnsent("too-large", level, detail) };
      this.settle();
    }
  }

  private settle(items = 1): void {
    this.left -= items;
    assert(this.left >= 0, "an item has one outcome");
    if (this.left > 0) return;
    this.done({ reads: this.reads as ReadOutcome[], writes: this.writes as WriteOutcome[] });
  }

  private remainingMs({ deadlineMs }: { deadlineMs: number }): number {
    return Math.max(LEAST_DEADLINE_MS, deadlineMs - (this.parts.clock.nowMs() - this.startedMs));
  }
}

const LEAST_DEADLINE_MS = 1;
