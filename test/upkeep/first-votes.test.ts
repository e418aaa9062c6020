import assert from "node:assert/strict";
import { test } from "node:test";
import { FirstVotes } from "../../src/upkeep/first-votes.js";

const dead = (row: number, digest = row, upToUs = 0) => ({
  row: Uint8Array.of(row),
  digest: Uint8Array.of(digest),
  upToUs,
});
const both = new Map([
  ["n1", 1n],
  ["n2", 2n],
]);

test("a row is due only after the wait, and is settled by the same owners in the same lives", () => {
  const cases = [
    { second: both, agreed: true },
    { second: new Map([...both, ["n2", 3n]]), agreed: false },
    { second: new Map([["n1", 1n]]), agreed: false },
    { second: undefined, agreed: false },
  ] as const;
  for (const { second, agreed } of cases) {
    const votes = new FirstVotes(100, 10);
    votes.note(dead(1), 1000, both);
    assert.equal(votes.stageOf(dead(1), 1100), "waiting");
    assert.equal(votes.stageOf(dead(1), 1101), "due");
    assert.equal(votes.settle(dead(1), second), agreed);
    assert.equal(votes.stageOf(dead(1), 2000), "unknown");
    assert.equal(votes.settle(dead(1), both), false);
  }
});

test("first votes are bounded, and what a whole pass did not meet is let go", () => {
  const votes = new FirstVotes(100, 2);
  for (let index = 0; index < 3; index++) votes.note(dead(index), 1000, both);
  assert.ok(votes.isFull);
  assert.equal(votes.stageOf(dead(2), 5000), "unknown");
  votes.endPass(1100);
  assert.ok(votes.isFull);
  votes.endPass(1101);
  assert.ok(!votes.isFull);
});

test("a vote on another state, or on ids up to another time, is another vote", () => {
  const votes = new FirstVotes(100, 10);
  votes.note(dead(1, 1, 50), 1000, both);
  assert.equal(votes.upToUs(Uint8Array.of(1)), 50);
  assert.equal(votes.upToUs(Uint8Array.of(2)), undefined);
  for (const other of [dead(1, 2, 50), dead(1, 1, 51), dead(1, 1)]) assert.equal(votes.stageOf(other, 2000), "unknown");
  assert.equal(votes.stageOf(dead(1, 1, 50), 2000), "due");
  assert.ok(!votes.settle(dead(1, 2, 50), both));
  assert.equal(votes.upToUs(Uint8Array.of(1)), undefined);
});
