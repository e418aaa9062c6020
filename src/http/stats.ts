/**
 * What a node did in the last while, in figures: the `stats` event.
 *
 * The counters of the meter are read and told as rates; request times and the
 * lag of the event loop are recorded only between `start` and `stop`, so that
 * nobody pays for a figure that nobody looks at.
 */
import { createHistogram } from "node:perf_hooks";
import type { NodeId } from "../ports.js";
import type { Edge, Scraped } from "./edge.js";

/** By result or outcome; what did not happen is left out. */
export type Rates = Readonly<Record<string, number>>;

export interface StatsEvent {
  /** When the interval ended, in milliseconds since 1970, and how long it was. */
  readonly at: number;
  readonly intervalMs: number;
  readonly node: NodeId;
  readonly perSecond: {
    /** What this node coordinated, by result: `ok`, `not-found`, or the code of a problem. */
    readonly reads: Rates;
    readonly writes: Rates;
    /** By outcome: sent, won, wasted, refused. */
    readonly hedges: Rates;
    readonly mends: number;
  };
  /** Under way now; and those answered in the interval, with the times they took if there were any. */
  readonly requests: {
    readonly pending: number;
    readonly answered: number;
    readonly p50Ms?: number;
    readonly p99Ms?: number;
    readonly maxMs?: number;
  };
  /** Rows of this node's own replica. */
  readonly rows: number;
  /** Writes kept for owners that are down. */
  readonly hintsPending: number;
  /** Owned partitions in which this node does not vote yet. */
  readonly rebuilding: number;
  /** Why this node does not coordinate; left out when it does. */
  readonly refusing?: string;
  /** The longest that a timer had to wait for its turn. */
  readonly loopLagMs: number;
  readonly rssBytes: number;
  readonly heapBytes: number;
}

/** Counters by kind and label, such as `reads not-found`. */
type Counted = ReadonlyMap<string, number>;

const LAG_CHECK_MS = 20;
const US_PER_MS = 1000;
const MS_PER_SECOND = 1000;
const RATES = {
  reads: ["murmur_reads_total", "result"],
  writes: ["murmur_writes_total", "result"],
  hedges: ["murmur_hedges_total", "outcome"],
} as const;

export class Stats {
  /** Of request times, in microseconds. */
  private readonly times = createHistogram({ lowest: 1, highest: 10 * 60 * MS_PER_SECOND * US_PER_MS, figures: 3 });
  private counted: Counted = new Map();
  private sinceMs = 0;
  private loopLagMs = 0;
  private lagCheck: NodeJS.Timeout | undefined;

  constructor(
    private readonly edge: Edge,
    private readonly meter: Scraped,
  ) {}

  /** From now on there is something to sum up. */
  start(): void {
    this.edge.onRecorded = (durationMs) => this.times.record(Math.max(1, Math.round(durationMs * US_PER_MS)));
    let checkedMs = performance.now();
    this.lagCheck = setInterval(() => {
      const nowMs = performance.now();
      this.loopLagMs = Math.max(this.loopLagMs, nowMs - checkedMs - LAG_CHECK_MS);
      checkedMs = nowMs;
    }, LAG_CHECK_MS);
    this.begin(this.countAll());
  }

  stop(): void {
    this.edge.onRecorded = undefined;
    clearInterval(this.lagCheck);
  }

  /** What happened since the last one, or since `start`. */
  take(): StatsEvent {
    const { store } = this.edge;
    const intervalMs = Math.max(1, performance.now() - this.sinceMs);
    const counted = this.countAll();
    const { rows, rebuilding, refusing } = store.condition();
    const { rss, heapUsed } = process.memoryUsage();
    const event = {
      at: this.edge.wallMs(),
      intervalMs: Math.round(intervalMs),
      node: store.self,
      perSecond: this.rates(counted, intervalMs),
      requests: { pending: this.edge.pending, ...this.requestTimes() },
      ...{ rows, hintsPending: this.sum("murmur_hints_pending"), rebuilding },
      ...(refusing === undefined ? {} : { refusing }),
      loopLagMs: round(this.loopLagMs),
      rssBytes: rss,
      heapBytes: heapUsed,
    };
    this.begin(counted);
    return event;
  }

  private begin(counted: Counted): void {
    this.counted = counted;
    this.sinceMs = performance.now();
    this.loopLagMs = 0;
    this.times.reset();
  }

  private rates(counted: Counted, intervalMs: number): StatsEvent["perSecond"] {
    const rate = (name: string) =>
      round((((counted.get(name) ?? 0) - (this.counted.get(name) ?? 0)) * MS_PER_SECOND) / intervalMs);
    const ratesOf = (kind: keyof typeof RATES): Rates => {
      const names = [...counted.keys()].filter((name) => name.startsWith(`${kind} `) && rate(name) > 0);
      return Object.fromEntries(names.map((name) => [name.slice(kind.length + 1), rate(name)]));
    };
    return { reads: ratesOf("reads"), writes: ratesOf("writes"), hedges: ratesOf("hedges"), mends: rate("mends") };
  }

  private requestTimes(): Omit<StatsEvent["requests"], "pending"> {
    const { times } = this;
    if (times.count === 0) return { answered: 0 };
    const ms = (us: number) => round(us / US_PER_MS);
    return {
      answered: times.count,
      p50Ms: ms(times.percentile(50)),
      p99Ms: ms(times.percentile(99)),
      maxMs: ms(times.max),
    };
  }

  /** All that is counted for rates; levels are summed up. */
  private countAll(): Counted {
    const counted = new Map([["mends", this.sum("murmur_mends_total")]]);
    for (const [kind, [metric, label]] of Object.entries(RATES)) {
      for (const { labels, value } of this.meter.readings(metric)) {
        const name = `${kind} ${labels[label]}`;
        counted.set(name, (counted.get(name) ?? 0) + value);
      }
    }
    return counted;
  }

  private sum(metric: string): number {
    return this.meter.readings(metric).reduce((sum, { value }) => sum + value, 0);
  }
}

/** To three digits behind the point: figures for people. */
function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
