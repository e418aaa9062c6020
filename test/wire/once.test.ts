/** Questions that must not be worked on twice, over a network that repeats them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { MalformedBytes } from "../../src/base/bytes.js";
import { SimRandom } from "../../src/sim/random.js";
import type { Message } from "../../src/wire/messages.js";
import { AtMostOnce } from "../../src/wire/once.js";

const MINT = { kind: "mint", wishes: [] } as const;
const WINDOW = 65_536;

function onceOf(seed: string): AtMostOnce {
  return new AtMostOnce(new SimRandom(seed));
}

test("of each question the first copy is looked at, in whatever order they come, and no other", () => {
  const arrivals = fc.array(fc.nat({ max: 60 }), { maxLength: 200 });
  fc.assert(
    fc.property(arrivals, (order) => {
      const [asker, answerer] = [onceOf("asker"), onceOf("answerer")];
      const frames = Array.from({ length: 61 }, () => asker.enclose("n2", MINT));
      const seen = new Set<number>();
      for (const index of order) {
        const isFirst = !seen.has(index);
        seen.add(index);
        assert.equal(answerer.open("n1", frames[index] as Message), isFirst ? MINT : undefined);
      }
    }),
    { numRuns: 300 },
  );
});

test("whether a question that fell far behind came before is not known: it is not looked at", () => {
  const [asker, answerer] = [onceOf("asker"), onceOf("answerer")];
  const [oldest, next] = [asker.enclose("n2", MINT), asker.enclose("n2", MINT)];
  for (let count = 3; count < 2 + WINDOW; count++) asker.enclose("n2", MINT);
  const newest = asker.enclose("n2", MINT);
  assert.equal(answerer.open("n1", newest), MINT);
  assert.equal(answerer.open("n1", oldest), undefined);
  assert.equal(answerer.open("n1", next), undefined);
  const later = asker.enclose("n2", MINT);
  assert.equal(answerer.open("n1", later), MINT);
  assert.equal(answerer.open("n1", later), undefined);
  assert.equal(answerer.open("n1", newest), undefined);
});

test("the window's edge moves with the highest number, over its end and over gaps", () => {
  const step = fc.integer({ min: 1, max: 2 * WINDOW });
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), (steps) => {
      const answerer = onceOf("answerer");
      let number = 0;
      for (const each of steps) {
        number += each;
        const frame = { kind: "once", serial: { life: 1n, number }, question: MINT } as const;
        const below = { ...frame, serial: { life: 1n, number: Math.max(1, number - each + 1) } };
        assert.equal(answerer.open("n1", frame), MINT);
        assert.equal(answerer.open("n1", frame), undefined);
        const isKnown = below.serial.number === number || each > WINDOW;
        assert.equal(answerer.open("n1", below), isKnown ? undefined : MINT);
      }
    }),
  );
});

test("askers, and lives of one asker, are apart: what a dead process asked last is told from what the next one asks", () => {
  const [former, present, other, answerer] = ["a", "b", "c", "answerer"].map(onceOf) as [
    ...[AtMostOnce, AtMostOnce, AtMostOnce, AtMostOnce],
  ];
  const last = former.enclose("n2", MINT);
  const first = present.enclose("n2", MINT);
  assert.equal(answerer.open("n1", first), MINT);
  assert.equal(answerer.open("n1", last), MINT);
  assert.equal(answerer.open("n1", last), undefined);
  assert.equal(answerer.open("n1", first), undefined);
  assert.equal(answerer.open("n3", other.enclose("n2", MINT)), MINT);
});

test("a Mint without an envelope is malformed, and all else passes as it is", () => {
  const once = onceOf("n1");
  assert.throws(() => once.open("n1", MINT), MalformedBytes);
  const reading = { kind: "read", rows: [] } as const;
  assert.equal(once.enclose("n2", reading), reading);
  assert.equal(once.open("n2", reading), reading);
});
