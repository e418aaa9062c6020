/** What the estimator learns, and what it must not. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { QUANTILE_ERROR } from "../../src/base/quantile.js";
import { fraction } from "../../src/base/random.js";
import { DEFAULT_LIMITS } from "../../src/config.js";
import { Latencies } from "../../src/coordinator/latency.js";
import { ChanceOfSeed } from "../../src/membership/chance.js";

const { hedgeMsMin, hedgeUnmeasuredMs, latencyHalfLifeMs, peerProbeIntervalMs } = DEFAULT_LIMITS;

/** Replicas called a1, a2, b1: the letter is the datacenter. */
function latenciesOf(): Latencies {
  return new Latencies(DEFAULT_LIMITS, (node) => node[0] as string);
}

/** So many questions, a millisecond apart, each answered after `durationMs`. Returns the time after. */
function answer(latencies: Latencies, node: string, durationMs: number, count = 200, startMs = 0): number {
  for (let index = 0; index < count; index++) {
    const askedMs = startMs + index;
    latencies.onAnswered(latencies.onAsked(node, askedMs), askedMs + durationMs);
  }
  return startMs + count + durationMs;
}

test("an unmeasured replica is given a fixed time", () => {
  assert.equal(latenciesOf().usualMs("a1", 0.95, 0), hedgeUnmeasuredMs);
});

test("a measured one is given its own quantile, and a millisecond at least", () => {
  const latencies = latenciesOf();
  const nowMs = answer(latencies, "a1", 6);
  const usualMs = latencies.usualMs("a1", 0.95, nowMs);
  assert.ok(usualMs >= 6 && usualMs <= 6 * QUANTILE_ERROR);
  answer(latencies, "a2", 0.1);
  assert.equal(latencies.usualMs("a2", 0.95, nowMs), hedgeMsMin);
});

test("no replica usually takes longer than three times its neighbours' median, however often it stalls", () => {
  const latencies = latenciesOf();
  answer(latencies, "a1", 2);
  answer(latencies, "a2", 2);
  const nowMs = answer(latencies, "a3", 150);
  const usualMs = latencies.usualMs("a3", 0.95, nowMs);
  assert.ok(usualMs >= 6 && usualMs <= 6 * QUANTILE_ERROR);
});

test("the neighbours are those of the same datacenter: the far are not late for being far", () => {
  const latencies = latenciesOf();
  answer(latencies, "a1", 1);
  answer(latencies, "a2", 1);
  answer(latencies, "b1", 80);
  const nowMs = answer(latencies, "b2", 80);
  assert.ok(latencies.usualMs("b2", 0.95, nowMs) >= 80);
  assert.equal(latencies.isAvoided("b2", nowMs, true), false);
});

test("a replica with a question older than usual is avoided, and its answer restores it", () => {
  const latencies = latenciesOf();
  answer(latencies, "a1", 2);
  const nowMs = answer(latencies, "a2", 2);
  const question = latencies.onAsked("a1", nowMs);
  assert.equal(latencies.isAvoided("a1", nowMs + 1, true), false);
  assert.equal(latencies.isAvoided("a1", nowMs + 10, true), true);
  assert.equal(latencies.isAvoided("a2", nowMs + 10, true), false);
  latencies.onAnswered(question, nowMs + 50);
  assert.equal(latencies.isAvoided("a1", nowMs + 50, true), false);
});

test("a replica that never answered is avoided until it does, but asked again now and then", () => {
  const latencies = latenciesOf();
  const nowMs = answer(latencies, "a1", 2);
  const lost = latencies.onAsked("a1", nowMs);
  latencies.onLost(lost, nowMs + 2000);
  assert.equal(latencies.isAvoided("a1", nowMs + 2000, true), false, "a probe is due");
  const probe = latencies.onAsked("a1", nowMs + 2000);
  assert.equal(latencies.isAvoided("a1", nowMs + 2001, true), true);
  assert.equal(latencies.isAvoided("a1", nowMs + 2000 + peerProbeIntervalMs, true), false, "the next probe");
  latencies.onAnswered(probe, nowMs + 2003);
  assert.equal(latencies.isAvoided("a1", nowMs + 2003, true), false);
});

test("without a token to hedge it, a probe is rarer", () => {
  const latencies = latenciesOf();
  const nowMs = answer(latencies, "a1", 2);
  latencies.onLost(latencies.onAsked("a1", nowMs), nowMs + 1);
  assert.equal(latencies.isAvoided("a1", nowMs + peerProbeIntervalMs, true), false);
  assert.equal(latencies.isAvoided("a1", nowMs + 10 * peerProbeIntervalMs, false), true);
  assert.equal(latencies.isAvoided("a1", nowMs + 100 * peerProbeIntervalMs, false), false);
});

test("a refusal shows that a replica is there, but not how long its answers take", () => {
  const latencies = latenciesOf();
  const question = latencies.onAsked("a1", 0);
  latencies.onLost(latencies.onAsked("a1", 0), 10);
  latencies.onRefused(question, 11);
  const { samples, overdue, unanswered } = latencies.describe("a1", 11);
  assert.deepEqual({ samples, overdue, unanswered }, { samples: 1, overdue: false, unanswered: 0 });
});

test("a replica much slower than its neighbours is avoided, and restored when it is quick again", () => {
  const latencies = latenciesOf();
  answer(latencies, "a1", 2);
  answer(latencies, "a2", 2);
  const nowMs = answer(latencies, "a3", 30);
  assert.equal(latencies.isAvoided("a3", nowMs, true), true);
  // Probes alone restore it, in some half-lives.
  let probeMs = nowMs;
  while (latencies.describe("a3", probeMs).overdue) {
    assert.ok(probeMs < nowMs + 20 * latencyHalfLifeMs, "it is never restored");
    probeMs += peerProbeIntervalMs;
    for (const node of ["a1", "a2", "a3"]) latencies.onAnswered(latencies.onAsked(node, probeMs - 2), probeMs);
  }
});

/**
 * A replica answers in 1 ms, but for `slowShare` of its answers, which take `slowMs`. Whatever is late is hedged: the
 * answer is waited for no longer, and the question recalled or not. Returns the share of questions that were hedged.
 */
function hedgedShare(seed: number, slowShare: number, slowMs: number, recalls: boolean): number {
  const latencies = latenciesOf();
  const random = new ChanceOfSeed(seed);
  answer(latencies, "a2", 1, 5000);
  const warmUp = 1000;
  const asked = 5000;
  let hedged = 0;
  for (let index = 0; index < asked + warmUp; index++) {
    const nowMs = 10 * index;
    const durationMs = fraction(random) < slowShare ? slowMs : 1;
    const question = latencies.onAsked("a1", nowMs);
    const afterMs = latencies.usualMs("a1", 0.95, nowMs);
    if (durationMs > afterMs && index >= warmUp) hedged++;
    if (durationMs > afterMs && recalls) {
      question.recalledAtAgeMs = afterMs;
      latencies.onRefused(question, nowMs + durationMs);
    } else latencies.onAnswered(question, nowMs + durationMs);
  }
  return hedged / asked;
}

const slowness = [
  fc.integer(),
  fc.double({ min: 0, max: 0.4, noNaN: true }),
  fc.integer({ min: 10, max: 300 }),
] as const;

test("no spiral: answers that are recalled do not make the estimator hedge ever more", () => {
  fc.assert(
    fc.property(...slowness, (seed, slowShare, slowMs) => {
      const hedged = hedgedShare(seed, slowShare, slowMs, true);
      assert.ok(hedged <= slowShare + 0.03, `${hedged} hedged of ${slowShare} slow`);
    }),
    { numRuns: 30 },
  );
});

test("no poisoning: stalls seen to their end do not make the estimator wait for them", () => {
  fc.assert(
    fc.property(...slowness, (seed, slowShare, slowMs) => {
      const hedged = hedgedShare(seed, slowShare, slowMs, false);
      assert.ok(hedged >= slowShare - 0.03, `${hedged} hedged of ${slowShare} slow`);
    }),
    { numRuns: 30 },
  );
});

test("what came to its end is forgotten: nothing grows with the number of questions", () => {
  const latencies = latenciesOf();
  const nowMs = answer(latencies, "a1", 1, 10_000);
  assert.equal(latencies.describe("a1", nowMs).unanswered, 0);
});
