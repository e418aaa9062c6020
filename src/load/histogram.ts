/**
 * Durations counted in buckets that grow geometrically, 64 to each doubling: a
 * percentile is at most 0.55 % off, whatever its size, and memory does not grow.
 *
 * Histograms add up, so those of several rounds and processes make one. That is
 * why this is not `perf_hooks.createHistogram`, which no message to another
 * process can carry. Nothing is forgotten here; the estimator that decides about
 * hedges (base/quantile.ts) forgets, and knows of durations it never saw end.
 */
import { assert } from "../base/assert.js";

const LEAST_MS = 0.001;
const BUCKETS_PER_DOUBLING = 64;
/** Up to some 70 minutes. */
const BUCKETS = 32 * BUCKETS_PER_DOUBLING;
/** A percentile with fewer samples above it is an anecdote. */
const SAMPLES_ABOVE_MIN = 10;

/** The greatest factor between a duration and what is told of it. */
export const HISTOGRAM_ERROR: number = 2 ** (0.5 / BUCKETS_PER_DOUBLING);

/** Position and count of each bucket that is not empty: how a histogram travels. */
export type Counts = ReadonlyArray<readonly [bucket: number, count: number]>;

/** A point of the distribution: this share of all took longer than that. */
export interface Step {
  readonly ms: number;
  readonly shareAbove: number;
}

export class Histogram {
  private readonly counts = new Float64Array(BUCKETS);
  private total = 0;

  static of(counts: Counts): Histogram {
    const histogram = new Histogram();
    histogram.add(counts);
    return histogram;
  }

  get count(): number {
    return this.total;
  }

  record(durationMs: number): void {
    this.addTo(bucketOf(durationMs), 1);
  }

  add(counts: Counts): void {
    for (const [bucket, count] of counts) this.addTo(bucket, count);
  }

  /** The duration that so large a share does not exceed. Undefined where too few samples lie above it to tell. */
  quantile(share: number): number | undefined {
    const rank = Math.ceil(share * this.total - 1e-9);
    return this.total - rank < SAMPLES_ABOVE_MIN ? undefined : this.atRank(rank);
  }

  /** The longest; undefined when there is none. */
  get mostMs(): number | undefined {
    return this.total === 0 ? undefined : this.atRank(this.total);
  }

  toCounts(): Counts {
    const result: Array<readonly [number, number]> = [];
    for (const [bucket, count] of this.counts.entries()) if (count > 0) result.push([bucket, count]);
    return result;
  }

  /** The distribution from its short end to its long one. */
  steps(): Step[] {
    let above = this.total;
    return this.toCounts().map(([bucket, count]) => {
      above -= count;
      return { ms: middleMs(bucket), shareAbove: above / this.total };
    });
  }

  private addTo(bucket: number, count: number): void {
    this.counts[bucket] = (this.counts[bucket] as number) + count;
    this.total += count;
  }

  private atRank(rank: number): number {
    let passed = 0;
    for (const [bucket, count] of this.counts.entries()) {
      passed += count;
      if (passed >= rank && count > 0) return middleMs(bucket);
    }
    assert(false, "a rank is at most the count");
  }
}

function bucketOf(durationMs: number): number {
  const bucket = Math.floor(Math.log2(durationMs / LEAST_MS) * BUCKETS_PER_DOUBLING);
  return Math.min(BUCKETS - 1, Math.max(0, bucket));
}

/** Its geometric middle, so that the error is the same to either side. */
function middleMs(bucket: number): number {
  return LEAST_MS * 2 ** ((bucket + 0.5) / BUCKETS_PER_DOUBLING);
}
