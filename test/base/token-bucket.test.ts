import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { TokenBucket } from "../../src/base/token-bucket.js";

test("a bucket lends what was saved, then only the agreed share", () => {
  const budget = new TokenBucket(3);
  const spent = () => Array.from({ length: 10 }, () => budget.spend()).filter(Boolean).length;
  assert.equal(spent(), 3);
  for (let count = 0; count < 6; count++) budget.earn(20);
  assert.equal(spent(), 1);
  for (let count = 0; count < 1000; count++) budget.earn(20);
  assert.equal(spent(), 3);
});

test("however late everybody is, no more is asked twice than the percentage and what was banked", () => {
  const percent = fc.double({ min: 0, max: 100, noNaN: true });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 500 }), percent, fc.integer({ min: 1, max: 5000 }), (bank, budget, reads) => {
      const tokens = new TokenBucket(bank);
      let hedges = 0;
      for (let read = 0; read < reads; read++) {
        tokens.earn(budget);
        if (tokens.spend()) hedges++;
      }
      assert.ok(hedges <= (reads * budget) / 100 + bank + 1e-6);
      // A bank of one token has no room for the fraction beyond it.
      if (bank > 1) assert.ok(hedges >= Math.min(reads, Math.floor((reads * budget) / 100)) - 1);
    }),
  );
});

test("quiet times bank no more than the limit", () => {
  const tokens = new TokenBucket(3);
  for (let read = 0; read < 1000; read++) tokens.earn(50);
  assert.deepEqual([tokens.spend(), tokens.spend(), tokens.spend(), tokens.spend()], [true, true, true, false]);
  tokens.earn(50);
  assert.equal(tokens.spend(), false);
  tokens.earn(50);
  assert.equal(tokens.spend(), true);
});
