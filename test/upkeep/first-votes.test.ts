import assert from "node:assert/strict";
import { test } from "node:test";
import { FirstVotes } from "../../src/upkeep/first-votes.js";

const digest = Uint8Array.of(1, 2, 3);
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
    votes.note(digest, 1000, both);
    assert.equal(votes.stageOf(digest, 1100), "waiting");
    assert.equal(votes.stageOf(digest, 1101), "due");
    assert.equal(votes.settle(digest, second), agreed);
    assert.equal(votes.stageOf(digest, 2000), "unknown");
    assert.equal(votes.settle(digest, both), false);
  }
});

test("first votes are bounded, and what a whole pass did not meet is let go", () => {
  const votes = new FirstVotes(100, 2);
  for (let index = 0; index < 3; index++) votes.note(Uint8Array.of(index), 1000, both);
  assert.ok(votes.isFull);
  assert.equal(votes.stageOf(Uint8Array.of(2), 5000), "unknown");
  votes.endPass(1100);
  assert.ok(votes.isFull);
  votes.endPass(1101);
  assert.ok(!votes.isFull);
});
