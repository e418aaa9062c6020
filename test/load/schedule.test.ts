/** Requests come as those of many independent clients do, for keys as popular as Zipf says. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "../../src/base/seeded.js";
import { type LoadPlan, ZIPF_EXPONENT } from "../../src/load/plan.js";
import { drawKey } from "../../src/load/popularity.js";
import { poisson, type Schedule, scheduleOf } from "../../src/load/schedule.js";

const PER_SECOND = 1000;
const LASTING_MS = 60_000;
const dueMs = allOf(poisson(new SeededRandom("schedule"), PER_SECOND, LASTING_MS));
const gapsMs = dueMs.map((due, index) => due - (dueMs[index - 1] ?? 0));

function allOf(schedule: Schedule): number[] {
  const all: number[] = [];
  for (let due = schedule.next(0); due !== undefined; due = schedule.next(0)) all.push(due);
  return all;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

test("the gaps of a Poisson schedule are exponential: mean, variance and the whole distribution", () => {
  assert.ok(gapsMs.every((gap) => gap >= 0));
  assert.ok((dueMs.at(-1) as number) < LASTING_MS);
  const average = mean(gapsMs);
  const variance = mean(gapsMs.map((gap) => (gap - average) ** 2));
  assert.ok(Math.abs(average - 1) < 0.02, `mean ${average}`);
  assert.ok(Math.abs(variance - 1) < 0.05, `variance ${variance}`);
  const sorted = gapsMs.toSorted((a, b) => a - b);
  const distance = Math.max(
    ...sorted.map((gap, index) => Math.abs(1 - Math.exp(-gap) - (index + 0.5) / sorted.length)),
  );
  // Kolmogorov and Smirnov: one seed in a thousand is farther off than this.
  assert.ok(distance < 1.95 / Math.sqrt(sorted.length), `distance ${distance}`);
});

test("as many requests fall into one second as into any other, give or take what chance does", () => {
  const perSecond = new Array<number>(LASTING_MS / 1000).fill(0);
  for (const due of dueMs) perSecond[Math.floor(due / 1000)] = (perSecond[Math.floor(due / 1000)] ?? 0) + 1;
  const dispersion = mean(perSecond.map((count) => (count - PER_SECOND) ** 2)) / PER_SECOND;
  assert.ok(dispersion > 0.5 && dispersion < 1.6, `variance ${dispersion} of the mean: neither bunched nor even`);
});

test("neighbouring gaps know nothing of each other", () => {
  const products = gapsMs.slice(1).map((gap, index) => (gap - 1) * ((gapsMs[index] as number) - 1));
  assert.ok(Math.abs(mean(products)) < 0.02, `covariance ${mean(products)}`);
});

test("a seed repeats its schedule, another makes another", () => {
  const again = allOf(poisson(new SeededRandom("schedule"), PER_SECOND, LASTING_MS));
  assert.deepEqual(again, dueMs);
  assert.notDeepEqual(allOf(poisson(new SeededRandom("other"), PER_SECOND, LASTING_MS)), dueMs);
});

test("a closed loop is due at once until its time is up, and each key is due once", () => {
  const random = new SeededRandom(1);
  const plan = { lastingMs: 10, keys: 3 } as LoadPlan;
  const closed = scheduleOf({ ...plan, arrivals: { kind: "closed" } }, random);
  assert.deepEqual([closed.next(0), closed.next(9.5), closed.next(10)], [0, 9.5, undefined]);
  const each = scheduleOf({ ...plan, arrivals: { kind: "each" } }, random);
  assert.deepEqual([each.next(0), each.next(0), each.next(20), each.next(20)], [0, 0, 20, undefined]);
});

for (const distribution of ["uniform", "zipfian"] as const) {
  test(`keys are drawn as often as ${distribution} says`, () => {
    const [keys, draws] = [1000, 200_000];
    const draw = drawKey(distribution, keys);
    const random = new SeededRandom(distribution);
    const counts = new Array<number>(keys).fill(0);
    for (let index = 0; index < draws; index++) {
      const rank = draw(random);
      counts[rank] = (counts[rank] as number) + 1;
    }
    const weight = (rank: number) => (distribution === "uniform" ? 1 : (rank + 1) ** -ZIPF_EXPONENT);
    const weights = counts.map((_, rank) => weight(rank));
    const total = weights.reduce((sum, each) => sum + each, 0);
    const chiSquare = counts.reduce((sum, count, rank) => {
      const expected = (draws * (weights[rank] as number)) / total;
      return sum + (count - expected) ** 2 / expected;
    }, 0);
    // With 999 degrees of freedom: 999, and four standard deviations of 45 to either side.
    assert.ok(Math.abs(chiSquare - (keys - 1)) < 180, `chi-square ${chiSquare}`);
  });
}
