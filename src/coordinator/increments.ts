/**
 * Increments of one counter that come within a moment of one another are one write.
 *
 * A sum of increments is an increment: so what comes within a bucket's window
 * (`coalesce` in the cluster file) is summed, minted once, and acknowledged to all
 * when that write is durable at the level that they asked for. A counter then costs its owners a bounded
 * number of writes a second, however often it is counted up; and all that one window holds is written together,
 * as a batch is (gather.ts). What is lost is at most the window, of every increment's time.
 *
 * While `sumsPendingMax` sums of one counter are under way, its window goes on: owners that are slow are asked
 * for larger sums, not for more of them. But not for long, because a sum may be slow since one owner is silent, and the next need not be.
 *
 * An increment that has little time left makes the whole window end sooner, so that it never waits for more than half
 * of it. Each has the outcome of the write that it is part of, but within its own deadline. Where a sum is refused as
 * too large, each is tried by itself: nobody's increment fails because of somebody else's.
 *
 * Only increments that nobody can tell apart are merged: one with an id of its
 * own is kept by that id, and one with a context is stamped above it.
 * What waits is bounded (`incrementBytesMax`); beyond it increments are refused.
 */
import { bytesToMapKey } from "../base/bytes.js";
import { isEmptyContext } from "../lattice/context.js";
import type { Cancel } from "../ports.js";
import { together } from "./batch.js";
import type { WriteOutcome, WriteRequest } from "./outcome.js";
import { type CoordinatorParts, locate, refusedUnsent } from "./parts.js";
import { planFor } from "./plan.js";
import { write } from "./write.js";

type OnWritten = (outcome: WriteOutcome) => void;

export interface IncrementsHost {
  /** Of writes that travel together. */
  readonly parts: CoordinatorParts;
  /** Of a write by itself. */
  readonly alone: CoordinatorParts;
  /** How long increments of a bucket wait for others; undefined: not at all. */
  windowMsOf(bucket: string): number | undefined;
}

interface Increment {
  readonly request: WriteRequest;
  readonly untilMs: number;
  /** Undefined once it was told. */
  done: OnWritten | undefined;
}

/** Of one key and level. */
interface Sum {
  readonly name: string;
  by: number;
  /** Of the amounts without their signs: while it is exact, so is every sum of some of them. */
  size: number;
  /** Whatever else is under way. */
  goesByMs: number;
  readonly increments: Increment[];
}

/** Sums that are written together. */
interface Window {
  readonly sums: Map<string, Sum>;
  endsMs: number;
  cancel: Cancel;
}

/** What an increment takes besides its key. */
const INCREMENT_BYTES = 256;
/** So much of its time an increment may wait for others. */
const WAIT_SHARE = 0.5;
/** And so many times as long as a window lasts. */
const WAIT_WINDOWS_MAX = 20;
const LEAST_DEADLINE_MS = 1;

export class Increments {
  /** By how long they wait: a cluster file names only a few lengths. */
  private readonly windows = new Map<number, Window>();
  /** Sums that are being written, of each counter and level. */
  private readonly underWay = new Map<string, number>();
  private heldBytes = 0;
  private isStopped = false;

  constructor(private readonly host: IncrementsHost) {}

  /** Writes one key, together with others where that may be; `done` comes exactly once. */
  write(request: WriteRequest, done: OnWritten): void {
    if (!this.take(request, done)) write(this.host.alone, request, done);
  }

  /** Takes on an increment that may be merged, and `done` comes exactly once; false for every other write. */
  take(request: WriteRequest, done: OnWritten): boolean {
    const { bucket, op, context, id } = request;
    const windowMs = op.kind === "add" ? this.host.windowMsOf(bucket) : undefined;
    if (windowMs === undefined || id !== undefined || !isEmptyContext(context)) return false;
    const refusal = this.refusal(request);
    if (refusal === undefined) this.join(windowMs, request, done);
    else done(refusal);
    return true;
  }

  /** Of increments that wait, and of those whose write is under way. */
  get pendingBytes(): number {
    return this.heldBytes;
  }

  /** What waits was not sent to anybody, and is told so; nothing waits any more. */
  stop(): void {
    this.isStopped = true;
    for (const { cancel, sums } of this.windows.values()) {
      cancel();
      for (const { increments } of sums.values()) this.tell(increments, unsent(STOPPING));
    }
    this.windows.clear();
  }

  private refusal(request: WriteRequest): WriteOutcome | undefined {
    const { limits } = this.host.parts;
    if (this.isStopped) return unsent(STOPPING)(request);
    if (this.heldBytes + bytesOf(request) <= limits.incrementBytesMax) return undefined;
    const detail = `${limits.incrementBytesMax} bytes of increments wait for their acknowledgement (incrementBytesMax)`;
    return unsent({ kind: "overloaded", detail })(request);
  }

  private join(windowMs: number, request: WriteRequest, done: OnWritten): void {
    const nowMs = this.host.parts.clock.nowMs();
    const patienceMs = request.deadlineMs * WAIT_SHARE;
    const { sums } = this.windowFor(windowMs, nowMs + Math.min(windowMs, patienceMs), nowMs);
    const sum = this.sumIn(sums, request);
    sum.by += amountOf(request);
    sum.size += Math.abs(amountOf(request));
    sum.goesByMs = Math.min(sum.goesByMs, nowMs + Math.min(windowMs * WAIT_WINDOWS_MAX, patienceMs));
    sum.increments.push({ request, untilMs: nowMs + request.deadlineMs, done });
    this.heldBytes += bytesOf(request);
  }

  /** The one that this increment joins; what would not be added exactly begins another. */
  private sumIn(sums: Window["sums"], request: WriteRequest): Sum {
    const name = nameOfSum(request);
    const known = sums.get(name);
    if (known !== undefined && Number.isSafeInteger(known.size + Math.abs(amountOf(request)))) {
      this.host.parts.meter.count("murmur_increments_coalesced_total");
      return known;
    }
    if (known !== undefined) this.writeSum(this.host.parts, known);
    const sum = { name, by: 0, size: 0, goesByMs: Number.POSITIVE_INFINITY, increments: [] };
    sums.set(name, sum);
    return sum;
  }

  /** The one that is open, and ends by then. */
  private windowFor(windowMs: number, endsMs: number, nowMs: number): Window {
    const open = this.windows.get(windowMs);
    if (open !== undefined && open.endsMs <= endsMs) return open;
    open?.cancel();
    const window = open ?? { sums: new Map(), endsMs, cancel: () => {} };
    window.endsMs = endsMs;
    window.cancel = this.host.parts.clock.after(endsMs - nowMs, () => this.close(windowMs, window));
    this.windows.set(windowMs, window);
    return window;
  }

  private close(windowMs: number, window: Window): void {
    this.windows.delete(windowMs);
    const nowMs = this.host.parts.clock.nowMs();
    const ready: Sum[] = [];
    for (const sum of window.sums.values()) {
      if (this.mayGo(sum, nowMs)) ready.push(sum);
      else this.windowFor(windowMs, Math.min(nowMs + windowMs, sum.goesByMs), nowMs).sums.set(sum.name, sum);
    }
    this.writeSlice(ready, 0);
  }

  private mayGo({ name, goesByMs }: Sum, nowMs: number): boolean {
    return goesByMs <= nowMs || (this.underWay.get(name) ?? 0) < this.host.parts.limits.sumsPendingMax;
  }

  /** Many counters begin over several turns, as the items of a batch do; each turn's travel together. */
  private writeSlice(sums: readonly Sum[], first: number): void {
    const { parts } = this.host;
    const end = Math.min(first + parts.limits.batchTurnItemsMax, sums.length);
    const shared = together(parts);
    for (const sum of sums.slice(first, end)) this.writeSum(shared, sum);
    if (end < sums.length) parts.clock.after(0, () => this.writeSlice(sums, end));
  }

  private writeSum(parts: CoordinatorParts, { name, by, increments }: Sum): void {
    const nowMs = parts.clock.nowMs();
    const [first] = increments as [Increment];
    const untilMs = increments.reduce((latestMs, each) => Math.max(latestMs, each.untilMs), 0);
    const deadlineMs = Math.max(LEAST_DEADLINE_MS, untilMs - nowMs);
    const cancel = this.watch(increments, untilMs, nowMs);
    this.underWay.set(name, (this.underWay.get(name) ?? 0) + 1);
    write(parts, { ...first.request, op: { kind: "add", by }, deadlineMs }, (outcome) => {
      cancel();
      this.onWritten(name);
      const isTooLarge = !outcome.ok && outcome.failure.kind === "out-of-range" && increments.length > 1;
      if (isTooLarge) this.writeEach(increments);
      else this.tell(increments, () => outcome);
    });
  }

  private onWritten(name: string): void {
    const left = (this.underWay.get(name) ?? 0) - 1;
    if (left > 0) this.underWay.set(name, left);
    else this.underWay.delete(name);
  }

  private writeEach(increments: readonly Increment[]): void {
    const { parts } = this.host;
    const shared = together(parts);
    for (const increment of increments) {
      if (increment.done === undefined) continue;
      const deadlineMs = Math.max(LEAST_DEADLINE_MS, increment.untilMs - parts.clock.nowMs());
      write(shared, { ...increment.request, deadlineMs }, (outcome) => this.tell([increment], () => outcome));
    }
  }

  /** Those whose time ends before that of the others are told then. */
  private watch(increments: readonly Increment[], latestMs: number, nowMs: number): Cancel {
    const { clock } = this.host.parts;
    const sooner = increments.filter(({ done, untilMs }) => done !== undefined && untilMs < latestMs);
    if (sooner.length === 0) return () => {};
    const nextMs = sooner.reduce((least, { untilMs }) => Math.min(least, untilMs), Number.POSITIVE_INFINITY);
    let cancel = clock.after(Math.max(0, nextMs - nowMs), () => {
      const late = sooner.filter(({ untilMs }) => untilMs <= nextMs);
      this.tell(late, (request) => this.timeout(request));
      cancel = this.watch(sooner, latestMs, clock.nowMs());
    });
    return () => cancel();
  }

  private timeout(request: WriteRequest): WriteOutcome {
    const { parts } = this.host;
    const { level, deadlineMs } = request;
    const here = { self: parts.self, datacenter: parts.ring.datacenterOf(parts.self) };
    const plan = planFor(level, locate(parts, request).owners, here);
    const detail = `the write that this increment is part of was not acknowledged in ${Math.round(deadlineMs)} ms`;
    return { ok: false, failure: { ...refusedUnsent("timeout", level, detail, plan), mayHaveApplied: true } };
  }

  private tell(increments: readonly Increment[], outcomeFor: (request: WriteRequest) => WriteOutcome): void {
    for (const increment of increments) {
      const { done, request } = increment;
      if (done === undefined) continue;
      increment.done = undefined;
      this.heldBytes -= bytesOf(request);
      done(outcomeFor(request));
    }
  }
}

const STOPPING = { kind: "unavailable", detail: "this node is stopping; nothing was done: ask another" } as const;

function unsent({ kind, detail }: { readonly kind: "unavailable" | "overloaded"; readonly detail: string }) {
  return ({ level }: WriteRequest): WriteOutcome => ({ ok: false, failure: refusedUnsent(kind, level, detail) });
}

function amountOf({ op }: WriteRequest): number {
  return op.kind === "add" ? op.by : 0;
}

function bytesOf({ key }: WriteRequest): number {
  return key.length + INCREMENT_BYTES;
}

/** No bucket's name and no level has a slash. */
function nameOfSum({ bucket, key, level }: WriteRequest): string {
  return `${bucket}/${level}/${bytesToMapKey(key)}`;
}
