import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { HeavyHitters } from "../../src/base/heavy-hitters.js";
import { below } from "../../src/base/random.js";
import { SimRandom } from "../../src/sim/random.js";

/** What came how often, and how often it was marked, by the obvious way. */
function exact(events: readonly { name: string; isMarked: boolean }[]): Map<string, { all: number; marked: number }> {
  const counts = new Map<string, { all: number; marked: number }>();
  for (const { name, isMarked } of events) {
    const { all, marked } = counts.get(name) ?? { all: 0, marked: 0 };
    counts.set(name, { all: all + 1, marked: marked + Number(isMarked) });
  }
  return counts;
}

describe("the most frequent names", () => {
  test("are told exactly while there is a place for each", () => {
    const hitters = new HeavyHitters(3);
    for (const name of ["a", "b", "a", "c", "a", "b"]) hitters.record(name, name === "a");
    assert.deepEqual(hitters.top(2), [
      { name: "a", count: 3, error: 0, marked: 3 },
      { name: "b", count: 2, error: 0, marked: 0 },
    ]);
    assert.equal(hitters.leastOf("c"), 1);
    assert.equal(hitters.leastOf("nobody"), 0);
  });

  test("against exact counts: never too small, too large by the error at most, and whoever is frequent is there", () => {
    const event = fc.record({ name: fc.integer({ min: 0, max: 30 }).map(String), isMarked: fc.boolean() });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 12 }), fc.array(event, { maxLength: 400 }), (places, events) => {
        const hitters = new HeavyHitters(places);
        for (const { name, isMarked } of events) hitters.record(name, isMarked);
        const counts = exact(events);
        const top = hitters.top(places);
        for (const [index, { name, count, error, marked }] of top.entries()) {
          const truth = counts.get(name);
          assert.ok(truth !== undefined && count >= truth.all && count - error <= truth.all);
          assert.ok(error <= events.length / places);
          assert.ok(marked <= truth.marked && marked <= count - error);
          assert.equal(hitters.leastOf(name), count - error);
          assert.ok(index === 0 || (top[index - 1]?.count as number) >= count, "in order");
        }
        const names = new Set(top.map(({ name }) => name));
        for (const [name, { all }] of counts) assert.ok(all <= events.length / places || names.has(name));
        assert.equal(
          top.reduce((sum, { count }) => sum + count, 0),
          events.length,
        );
      }),
    );
  });

  test("of a skewed stream of a hundred thousand names, the ten hottest are found with 256 places", () => {
    const random = new SimRandom("hot");
    const hitters = new HeavyHitters(256);
    for (let event = 0; event < 50_000; event++) {
      const isHot = below(random, 2) === 0;
      hitters.record(isHot ? `hot ${below(random, 10)}` : `cold ${below(random, 100_000)}`, true);
    }
    const names = hitters.top(10).map(({ name }) => name);
    assert.ok(names.every((name) => name.startsWith("hot")));
  });
});
