/**
 * What a run measured, in the form in which it leaves the generator's process,
 * and how several of them are one.
 */
import { type Counts, Histogram } from "./histogram.js";

export interface LoadReport {
  readonly reads: Counts;
  readonly writes: Counts;
  readonly waits: Counts;
  readonly errors: ReadonlyArray<readonly [code: string, count: number]>;
  readonly answered: number;
  readonly seconds: number;
  /** The generator's own: what it used, and how late its event loop was at its latest but one in a hundred. */
  readonly cpuMicros: number;
  readonly loopLagMs: number;
}

/** How far a run is. */
export interface LoadProgress {
  readonly elapsedMs: number;
  readonly answered: number;
  readonly failed: number;
}

/** The percentiles that are told, where there are samples enough. */
export const PERCENTILES: ReadonlyArray<readonly [name: string, share: number]> = [
  ["p50", 0.5],
  ["p90", 0.9],
  ["p95", 0.95],
  ["p99", 0.99],
  ["p99.9", 0.999],
  ["p99.99", 0.9999],
];

export function merged(counts: readonly Counts[]): Histogram {
  const histogram = new Histogram();
  for (const each of counts) histogram.add(each);
  return histogram;
}

/** The errors of all runs, the most frequent first. */
export function allErrors(reports: readonly LoadReport[]): Map<string, number> {
  const errors = new Map<string, number>();
  for (const [code, count] of reports.flatMap((report) => report.errors)) {
    errors.set(code, (errors.get(code) ?? 0) + count);
  }
  return new Map([...errors].sort(([, one], [, other]) => other - one));
}
