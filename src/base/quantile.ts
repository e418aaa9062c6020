/**
 * Quantiles of a stream of durations, of which some were never seen to end.
 *
 * A request that was given up tells only that it would have taken longer:
 * it is right-censored. Left out, the estimate learns from the quick ones alone
 * and sinks with every request given up; taken at its age, the same. So the
 * quantile is that of the product-limit estimator (Kaplan and Meier 1958), which
 * counts a censored duration among those at risk up to its age and not beyond.
 *
 * What is old counts less: weights double every half-life, which is decay turned
 * round, so that nothing stored need be touched (forward decay: Cormode and
 * others 2009). Buckets grow geometrically: the relative error is bounded, and
 * so is the memory.
 */
import { assert } from "./assert.js";

const LEAST_MS = 0.05;
const BUCKETS_PER_DOUBLING = 8;
/** Up to some 200 s: longer than any request may live. */
const BUCKETS = 22 * BUCKETS_PER_DOUBLING;
/** Weights are scaled back to 1 before their sums lose precision. */
const WEIGHT_MAX = 2 ** 20;

/** The greatest factor by which a quantile is above the true one. */
export const QUANTILE_ERROR = 2 ** (1 / BUCKETS_PER_DOUBLING);

export class Quantiles {
  private readonly ended = new Float64Array(BUCKETS);
  private readonly censored = new Float64Array(BUCKETS);
  /** The first bucket in use and the one behind the last: most of them never are. */
  private first = BUCKETS;
  private end = 0;
  private total = 0;
  private weight = 1;
  private landmarkMs: number | undefined;
  /** Quantiles by their share, until the next duration: whoever is compared with many is asked by each of them. */
  private readonly known = new Map<number, number | undefined>();

  /** After `halfLifeMs` a duration counts half. */
  constructor(private readonly halfLifeMs: number) {
    assert(halfLifeMs > 0, "a half-life is longer than nothing");
  }

  /** A duration seen to its end. `nowMs` never goes back. */
  record(durationMs: number, nowMs: number): void {
    this.add(this.ended, durationMs, nowMs);
  }

  /** A duration that had not ended at this age, and of which no more will be heard. */
  recordCensored(ageMs: number, nowMs: number): void {
    this.add(this.censored, ageMs, nowMs);
  }

  /** How many durations the estimate rests on, each counted as the last one was. */
  get samples(): number {
    return this.total / this.weight;
  }

  /** The duration that so large a share does not exceed, at most 9 % too high; undefined while too few were seen to tell. */
  quantile(share: number): number | undefined {
    assert(share > 0 && share < 1, "a share is between nothing and all");
    if (this.known.has(share)) return this.known.get(share);
    const durationMs = this.estimate(share);
    this.known.set(share, durationMs);
    return durationMs;
  }

  private estimate(share: number): number | undefined {
    // Summed weights are fractions: one sample in twenty must not be missed for a rounding.
    if (this.samples + 1e-6 < 1 / (1 - share)) return undefined;
    let atRisk = this.total;
    let survival = 1;
    let last = 0;
    for (let bucket = this.first; bucket < this.end; bucket++) {
      const ended = this.ended[bucket] as number;
      const leaving = ended + (this.censored[bucket] as number);
      if (leaving === 0) continue;
      last = bucket;
      if (ended > 0) survival *= Math.max(0, 1 - ended / atRisk);
      if (survival <= 1 - share + 1e-9) break;
      atRisk -= leaving;
    }
    return upperEdgeMs(last);
  }

  private add(to: Float64Array, durationMs: number, nowMs: number): void {
    this.known.clear();
    this.landmarkMs ??= nowMs;
    this.weight = 2 ** ((nowMs - this.landmarkMs) / this.halfLifeMs);
    if (this.weight > WEIGHT_MAX) this.rescale(nowMs);
    const bucket = bucketOf(durationMs);
    to[bucket] = (to[bucket] as number) + this.weight;
    this.first = Math.min(this.first, bucket);
    this.end = Math.max(this.end, bucket + 1);
    this.total += this.weight;
  }

  private rescale(nowMs: number): void {
    this.total = 0;
    for (const weights of [this.ended, this.censored]) {
      for (let bucket = 0; bucket < BUCKETS; bucket++) {
        weights[bucket] = (weights[bucket] as number) / this.weight;
        this.total += weights[bucket] as number;
      }
    }
    this.landmarkMs = nowMs;
    this.weight = 1;
  }
}

function bucketOf(durationMs: number): number {
  const bucket = Math.ceil(Math.log2(Math.max(durationMs, LEAST_MS) / LEAST_MS) * BUCKETS_PER_DOUBLING);
  return Math.min(bucket, BUCKETS - 1);
}

function upperEdgeMs(bucket: number): number {
  return LEAST_MS * 2 ** (bucket / BUCKETS_PER_DOUBLING);
}
