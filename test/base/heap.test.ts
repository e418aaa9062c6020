import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Heap } from "../../src/base/heap.js";

interface Item {
  readonly rank: number;
  readonly sequence: number;
}

const byRankThenSequence = (a: Item, b: Item): number => a.rank - b.rank || a.sequence - b.sequence;

test("an empty heap has nothing to give", () => {
  const heap = new Heap<number>((a, b) => a - b);
  assert.equal(heap.size, 0);
  assert.equal(heap.peek(), undefined);
  assert.equal(heap.pop(), undefined);
});

test("a heap agrees with a sorted array under any pushes and pops", () => {
  const steps = fc.array(fc.option(fc.nat(20), { nil: undefined }), { maxLength: 200 });
  fc.assert(
    fc.property(steps, (ranks) => {
      const heap = new Heap<Item>(byRankThenSequence);
      const model: Item[] = [];
      for (const [sequence, rank] of ranks.entries()) {
        if (rank === undefined) {
          assert.deepEqual(heap.pop(), model.shift());
        } else {
          heap.push({ rank, sequence });
          model.push({ rank, sequence });
          model.sort(byRankThenSequence);
        }
        assert.equal(heap.size, model.length);
        assert.deepEqual(heap.peek(), model[0]);
      }
    }),
  );
});
