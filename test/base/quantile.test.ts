import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { QUANTILE_ERROR, Quantiles } from "../../src/base/quantile.js";

const HALF_LIFE_MS = 1000;

function of(durationsMs: readonly number[], nowMs = 0): Quantiles {
  const quantiles = new Quantiles(HALF_LIFE_MS);
  for (const durationMs of durationsMs) quantiles.record(durationMs, nowMs);
  return quantiles;
}

/** The smallest that so large a share does not exceed: what sorting says. */
function sortedQuantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.ceil(share * sorted.length - 1e-9) - 1] as number;
}

const durations = fc.array(fc.double({ min: 0.05, max: 60_000, noNaN: true }), { minLength: 100, maxLength: 400 });

test("a quantile is what sorting gives, never below it and at most the bucket's width above", () => {
  fc.assert(
    fc.property(durations, fc.constantFrom(0.5, 0.9, 0.95, 0.99), (values, share) => {
      const exact = sortedQuantile(values, share);
      const estimate = of(values).quantile(share) as number;
      assert.ok(estimate >= exact * (1 - 1e-9) && estimate <= exact * QUANTILE_ERROR * (1 + 1e-9));
    }),
  );
});

test("too few samples tell nothing: a p95 needs twenty, a p99 a hundred", () => {
  assert.equal(new Quantiles(HALF_LIFE_MS).quantile(0.5), undefined);
  assert.equal(of(new Array(19).fill(1)).quantile(0.95), undefined);
  assert.notEqual(of(new Array(20).fill(1)).quantile(0.95), undefined);
  assert.equal(of(new Array(99).fill(1)).quantile(0.99), undefined);
  assert.notEqual(of(new Array(100).fill(1)).quantile(0.99), undefined);
});

test("a duration given up counts as longer than its age, so giving up does not make the estimate sink", () => {
  const givenUp = new Quantiles(HALF_LIFE_MS);
  const quickOnly = new Quantiles(HALF_LIFE_MS);
  const asIfEnded = new Quantiles(HALF_LIFE_MS);
  // Eight of ten take 1 ms, one 10 ms, one 100 ms; some of the slow ones are given up at 2 ms.
  for (let round = 0; round < 100; round++) {
    for (let quick = 0; quick < 8; quick++) for (const each of [givenUp, quickOnly, asIfEnded]) each.record(1, 0);
    for (const slowMs of [10, 100]) {
      if (round % 2 === 0) {
        givenUp.recordCensored(2, 0);
        asIfEnded.record(2, 0);
      } else for (const each of [givenUp, quickOnly, asIfEnded]) each.record(slowMs, 0);
    }
  }
  const truth = 100;
  const estimate = givenUp.quantile(0.95) as number;
  assert.ok(estimate >= truth && estimate <= truth * QUANTILE_ERROR);
  // What must not be done: both of these are far below.
  assert.ok((quickOnly.quantile(0.94) as number) < truth / 2);
  assert.ok((asIfEnded.quantile(0.94) as number) < truth / 2);
});

test("if the longest were all given up, the estimate is the greatest age known", () => {
  const quantiles = of(new Array(80).fill(1));
  for (let count = 0; count < 20; count++) quantiles.recordCensored(30, 0);
  const estimate = quantiles.quantile(0.95) as number;
  assert.ok(estimate >= 30 && estimate <= 30 * QUANTILE_ERROR);
});

test("what is old counts less, and a long idle time does not lose precision", () => {
  const quantiles = of(new Array(1000).fill(100));
  for (let count = 0; count < 100; count++) quantiles.record(1, 10 * HALF_LIFE_MS);
  assert.ok((quantiles.quantile(0.9) as number) < 2);
  for (let count = 0; count < 100; count++) quantiles.record(7, 10_000 * HALF_LIFE_MS);
  assert.ok(Math.abs(quantiles.samples - 100) < 1);
  assert.ok((quantiles.quantile(0.5) as number) >= 7);
});

test("durations beyond both ends are kept within them", () => {
  assert.ok((of([0, 0, 0]).quantile(0.5) as number) <= 0.05);
  assert.ok((of([1e12, 1e12, 1e12]).quantile(0.5) as number) > 100_000);
});
