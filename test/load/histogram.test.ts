/** A percentile is as exact as promised, sums over rounds, and is not told where it would be an anecdote. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { HISTOGRAM_ERROR, Histogram } from "../../src/load/histogram.js";
import { merged } from "../../src/load/report.js";

const durations = fc.array(fc.double({ min: 0.001, max: 100_000, noNaN: true }), { minLength: 11, maxLength: 500 });

function histogramOf(values: readonly number[]): Histogram {
  const histogram = new Histogram();
  for (const value of values) histogram.record(value);
  return histogram;
}

function isNear(told: number | undefined, exact: number | undefined): boolean {
  const ratio = (told ?? Number.NaN) / (exact ?? Number.NaN);
  return ratio <= HISTOGRAM_ERROR * 1.000_001 && ratio >= 1 / HISTOGRAM_ERROR / 1.000_001;
}

test("every quantile that is told is within the error of the exact one", () => {
  assert.ok(HISTOGRAM_ERROR < 1.006);
  fc.assert(
    fc.property(durations, fc.double({ min: 0.01, max: 0.999, noNaN: true }), (values, share) => {
      const sorted = values.toSorted((a, b) => a - b);
      const rank = Math.ceil(share * sorted.length - 1e-9);
      const told = histogramOf(values).quantile(share);
      if (sorted.length - rank < 10) assert.equal(told, undefined);
      else assert.ok(isNear(told, sorted[rank - 1]), `${told} for ${sorted[rank - 1]}`);
    }),
  );
});

test("histograms of several rounds are one of all of them", () => {
  fc.assert(
    fc.property(durations, durations, (one, other) => {
      const both = merged([histogramOf(one).toCounts(), histogramOf(other).toCounts()]);
      assert.deepEqual(both.toCounts(), histogramOf([...one, ...other]).toCounts());
      assert.equal(both.count, one.length + other.length);
      assert.ok(isNear(both.mostMs, Math.max(...one, ...other)));
    }),
  );
});

test("the steps go down to nothing above, and name the share above each", () => {
  const steps = histogramOf([1, 1, 10, 100]).steps();
  assert.deepEqual(
    steps.map(({ shareAbove }) => shareAbove),
    [0.5, 0.25, 0],
  );
  assert.ok([1, 10, 100].every((ms, index) => isNear(steps[index]?.ms, ms)));
});

test("what is shorter or longer than the histogram knows is counted at its end", () => {
  const histogram = histogramOf([0, 1e-9, 1e12]);
  assert.equal(histogram.count, 3);
  assert.equal(histogram.toCounts().length, 2);
  assert.equal(new Histogram().mostMs, undefined);
});
