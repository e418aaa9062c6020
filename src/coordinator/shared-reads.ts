/**
 * Identical reads of one key share one question to its owners.
 *
 * A read may not be answered with what was asked for before it came: another
 * client's write may have been acknowledged in between, and its owners said what they
 * held before it. So nobody joins a read that runs. Whoever comes meanwhile
 * waits for the next one, which all of them share, and which begins when the
 * running one has its answer, or soon in any case: a slow owner must not
 * hold up those who would find a quick one. So a key costs its owners a bounded number of
 * questions, however many ask for it.
 *
 * The cache goes further and is off by default (`hotKeyCacheMs`): a read at ONE, which
 * promises least, of a key that is hot may be answered with what was found for
 * one that began at most so many milliseconds ago, whatever was written since.
 */
import { bytesToMapKey } from "../base/bytes.js";
import type { Hedge } from "../cluster-config.js";
import type { Limits } from "../config.js";
import type { Clock, Meter } from "../ports.js";
import { hedgePolicyText } from "./hedge-policy.js";
import { type HotKeys, nameOf } from "./hot-keys.js";
import type { ReadOutcome, ReadRequest } from "./outcome.js";

type OnOutcome = (outcome: ReadOutcome) => void;

export interface SharedReadsHost {
  readonly clock: Clock;
  readonly meter: Meter;
  readonly limits: Pick<Limits, "coalesceWaitMs" | "hotKeyCacheMs">;
  readonly hotKeys: HotKeys;
  /** Asks the owners; `done` comes exactly once. */
  read(request: ReadRequest, done: OnOutcome): void;
}

/** Reads that ask for the same. */
interface Shared {
  readonly request: ReadRequest;
  running: number;
  /** They came while one ran; the next one is theirs. */
  waiting: OnOutcome[];
  waitingSinceMs: number;
}

interface Cached {
  readonly outcome: ReadOutcome;
  readonly askedMs: number;
}

const CACHED_KEYS_MAX = 256;

export class SharedReads {
  /** By the name of their cell: mostly one. */
  private readonly shared = new Map<string, Shared[]>();
  private readonly cached = new Map<string, Cached>();

  constructor(private readonly host: SharedReadsHost) {}

  /** Reads one key; `done` comes exactly once, with what owners held when the read had come. */
  read(request: ReadRequest, done: OnOutcome): void {
    this.host.hotKeys.record(nameOf(request.bucket, request.key), "read");
    const name = nameOfCell(request);
    const cached = this.cachedFor(name, request);
    if (cached !== undefined) {
      this.host.meter.count("murmur_reads_cached_total");
      return done(cached);
    }
    const alike = this.shared.get(name);
    const shared = alike?.find((each) => asksTheSame(each.request, request));
    if (shared !== undefined) return this.wait(name, shared, done);
    const first = { request, running: 0, waiting: [], waitingSinceMs: 0 };
    if (alike === undefined) this.shared.set(name, [first]);
    else alike.push(first);
    this.start(name, first, request, [done]);
  }

  private wait(name: string, shared: Shared, done: OnOutcome): void {
    shared.waiting.push(done);
    if (shared.waiting.length > 1) return this.host.meter.count("murmur_reads_coalesced_total");
    const sinceMs = this.host.clock.nowMs();
    shared.waitingSinceMs = sinceMs;
    this.host.clock.after(this.host.limits.coalesceWaitMs, () => {
      if (shared.waiting.length > 0 && shared.waitingSinceMs === sinceMs) this.startWaiting(name, shared);
    });
  }

  private startWaiting(name: string, shared: Shared): void {
    const { request, waiting, waitingSinceMs } = shared;
    shared.waiting = [];
    const waitedMs = this.host.clock.nowMs() - waitingSinceMs;
    this.start(name, shared, { ...request, deadlineMs: Math.max(1, request.deadlineMs - waitedMs) }, waiting);
  }

  private start(name: string, shared: Shared, request: ReadRequest, sharers: readonly OnOutcome[]): void {
    const askedMs = this.host.clock.nowMs();
    shared.running++;
    this.host.read(request, (outcome) => {
      shared.running--;
      this.keep(name, request, { outcome, askedMs });
      for (const done of sharers) done(outcome);
      if (shared.waiting.length > 0) this.startWaiting(name, shared);
      else if (shared.running === 0) this.forget(name, shared);
    });
  }

  private forget(name: string, shared: Shared): void {
    const left = (this.shared.get(name) ?? []).filter((each) => each !== shared);
    if (left.length > 0) this.shared.set(name, left);
    else this.shared.delete(name);
  }

  private cachedFor(name: string, request: ReadRequest): ReadOutcome | undefined {
    const { hotKeyCacheMs } = this.host.limits;
    if (hotKeyCacheMs === 0 || request.level !== "ONE") return undefined;
    const cached = this.cached.get(name);
    if (cached === undefined) return undefined;
    if (this.host.clock.nowMs() - cached.askedMs <= hotKeyCacheMs) return cached.outcome;
    this.cached.delete(name);
    return undefined;
  }

  private keep(name: string, { bucket, key, level }: ReadRequest, cached: Cached): void {
    const { hotKeys, limits } = this.host;
    if (limits.hotKeyCacheMs === 0 || level !== "ONE" || !cached.outcome.ok) return;
    if (!hotKeys.isHot(nameOf(bucket, key))) return;
    if (this.cached.size >= CACHED_KEYS_MAX) this.cached.clear();
    this.cached.set(name, cached);
  }
}

/** A key is as hot as all of its cells, but only reads of one cell are identical. Its length tells where the sort key begins. */
function nameOfCell({ bucket, key, sort }: ReadRequest): string {
  const name = nameOf(bucket, key);
  return sort === undefined ? name : `${name}\n${bytesToMapKey(sort)}\n${sort.length}`;
}

/** The cell is the same already. */
function asksTheSame(a: ReadRequest, b: ReadRequest): boolean {
  return a.level === b.level && a.mend === b.mend && a.deadlineMs === b.deadlineMs && isSameHedge(a.hedge, b.hedge);
}

/** Mostly their bucket's; a request that names one has it anew. */
function isSameHedge(a: Hedge, b: Hedge): boolean {
  if (a === b) return true;
  return a.budgetPercent === b.budgetPercent && hedgePolicyText(a.after) === hedgePolicyText(b.after);
}
