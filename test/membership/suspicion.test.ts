/** Lifeguard's formula of patience, and what a node's own health does to it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Awareness } from "../../src/membership/awareness.js";
import { confirmationsWanted, suspicionTimeoutMs } from "../../src/membership/suspicion.js";

const PERIOD_MS = 1000;
const OPTIONS = { members: 100, periodMs: PERIOD_MS, factor: 5, spread: 6 };

test("Lifeguard 4.2: each confirmation shortens the wait, the first of them most, down to the least", () => {
  const waits = [0, 1, 2, 3, 4].map((confirmations) => Math.round(suspicionTimeoutMs(OPTIONS, confirmations)));
  // log 2 / log 4 is a half, log 3 / log 4 is 0.79 of the way from 60 s to 10 s.
  assert.deepEqual(waits, [60_000, 35_000, 20_376, 10_000, 10_000]);
});

test("SWIM's fixed timeout is a spread of one, and grows with the logarithm of the cluster", () => {
  const least = (members: number) => suspicionTimeoutMs({ ...OPTIONS, members, spread: 1 }, 0) / PERIOD_MS;
  assert.deepEqual([3, 10, 100, 1000].map(least).map(Math.round), [5, 5, 10, 15]);
});

test("where nobody can confirm, nobody is waited for", () => {
  assert.deepEqual([2, 3, 4, 5, 1000].map(confirmationsWanted), [0, 1, 2, 3, 3]);
  assert.equal(suspicionTimeoutMs({ ...OPTIONS, members: 2 }, 0), 5000);
  assert.equal(suspicionTimeoutMs({ ...OPTIONS, members: 3 }, 0), 30_000);
  assert.equal(suspicionTimeoutMs({ ...OPTIONS, members: 3 }, 1), 5000);
});

test("Lifeguard 4.1: whoever misses answers waits longer, within bounds, and recovers by answers in time", () => {
  const awareness = new Awareness(8);
  assert.equal(awareness.stretched(500), 500);
  awareness.onAnswered();
  awareness.onMissed(3);
  assert.deepEqual([awareness.score, awareness.stretched(500)], [3, 2000]);
  awareness.onMissed(99);
  assert.equal(awareness.stretched(500), 4500);
  for (let answers = 0; answers < 8; answers++) awareness.onAnswered();
  assert.equal(awareness.score, 0);
});
