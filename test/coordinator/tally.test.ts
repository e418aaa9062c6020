import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { utf8 } from "../../src/base/bytes.js";
import type { Group } from "../../src/coordinator/plan.js";
import { ReadTally, WriteTally } from "../../src/coordinator/tally.js";
import { EMPTY_CONTEXT } from "../../src/lattice/context.js";
import { type Register, register } from "../../src/lattice/register.js";
import type { AnyLattice } from "../../src/lattice/registry.js";

const lattice = register as AnyLattice;

function group(needed: number, nodes: string): Group {
  return { needed, owners: nodes.split(" ").map((node) => ({ node, datacenter: "a", alive: true, avoided: false })) };
}

/** The register written at `timeUs`; 0 is absence. */
function written(timeUs: number): Register {
  if (timeUs === 0) return undefined;
  const op = { kind: "put", contentType: "", value: utf8(String(timeUs)), expiresAtMs: undefined } as const;
  return register.mutate(undefined, { op, stamp: { timeUs, actor: 1n }, context: EMPTY_CONTEXT });
}

test("equal answers are enough", () => {
  const tally = new ReadTally(lattice, [group(2, "n1 n2 n3")]);
  tally.onAnswered("n1", written(5), true);
  assert.ok(!tally.isEnough());
  tally.onAnswered("n2", written(5), true);
  assert.ok(tally.isEnough());
  assert.deepEqual(tally.behind(), []);
});

test("two who hold nothing agree: absence is an ordinary answer", () => {
  const tally = new ReadTally(lattice, [group(2, "n1 n2 n3")]);
  tally.onAnswered("n1", undefined, true);
  tally.onAnswered("n3", undefined, true);
  assert.ok(tally.isEnough() && tally.merged === undefined);
});

test("an answer that is behind counts once its mend is acknowledged", () => {
  const tally = new ReadTally(lattice, [group(2, "n1 n2 n3")]);
  tally.onAnswered("n1", written(5), true);
  tally.onAnswered("n2", written(7), true);
  assert.ok(tally.isAnswered() && !tally.isEnough());
  assert.deepEqual(tally.behind(), ["n1"]);
  tally.onHeld("n1", tally.merged, true);
  assert.ok(tally.isEnough());
});

test("a later, newer answer puts the earlier ones behind again", () => {
  const tally = new ReadTally(lattice, [group(2, "n1 n2 n3")]);
  for (const node of ["n1", "n2"]) tally.onAnswered(node, written(5), true);
  tally.onAnswered("n3", written(9), true);
  assert.deepEqual(tally.behind(), ["n1", "n2"]);
  assert.ok(!tally.isEnough());
});

test("an owner that rebuilds is merged and mended, and never counted", () => {
  const tally = new ReadTally(lattice, [group(2, "n1 n2 n3")]);
  tally.onAnswered("n1", undefined, false);
  tally.onAnswered("n2", written(5), true);
  assert.equal(tally.received, 1);
  assert.deepEqual(tally.behind(), ["n1"]);
  tally.onHeld("n1", written(5), false);
  assert.ok(!tally.isEnough());
  tally.onAnswered("n3", written(5), true);
  assert.ok(tally.isEnough());
});

test("the acknowledgement of a mend is no answer, even of an owner that votes by now", () => {
  // n1 rebuilt between its answer and its acknowledgement, and holds by now what n2 missed and n3 was asked for in vain.
  const tally = new ReadTally(lattice, [group(2, "n1 n2 n3")]);
  tally.onAnswered("n1", undefined, false);
  tally.onAnswered("n2", written(5), true);
  tally.onHeld("n1", written(5), true);
  assert.ok(!tally.isEnough());
  tally.onAnswered("n3", written(7), true);
  assert.equal(register.lastStamp(tally.merged as Register)?.timeUs, 7);
});

test("every group must have its own holders", () => {
  const tally = new ReadTally(lattice, [group(2, "a1 a2 a3"), group(2, "b1 b2 b3")]);
  for (const node of ["a1", "a2", "a3", "b1"]) tally.onAnswered(node, written(5), true);
  assert.ok(!tally.isEnough());
  assert.equal(tally.received, 3);
  tally.onAnswered("b2", written(5), true);
  assert.ok(tally.isEnough());
});

test("a write counts voters' acknowledgements, and knows when it is hopeless", () => {
  const tally = new WriteTally([group(2, "n1 n2 n3")], false);
  tally.onAcknowledged("n1");
  assert.ok(!tally.isEnough() && tally.canBeEnough());
  tally.onRefused("n2");
  assert.ok(tally.canBeEnough());
  tally.onRefused("n3");
  assert.ok(!tally.canBeEnough());
  tally.onAcknowledged("n9");
  assert.equal(tally.received, 1);
});

for (const needed of [1, 2, 3]) {
  test(`a hint never counts toward ${needed} of three owners`, () => {
    const tally = new WriteTally([group(needed, "n1 n2 n3")], false);
    for (let hints = 0; hints < 3; hints++) {
      tally.onHintAsked();
      tally.onHint(true);
    }
    tally.onHeldUncounted();
    assert.ok(!tally.isEnough());
    assert.equal(tally.received, 0);
    for (const node of ["n1", "n2", "n3"].slice(0, needed)) {
      assert.ok(!tally.isEnough());
      tally.onAcknowledged(node);
    }
    assert.ok(tally.isEnough());
  });
}

test("hints that are awaited do not keep a level alive that its owners have refused", () => {
  const tally = new WriteTally([group(2, "n1 n2 n3")], false);
  tally.onHintAsked();
  for (const node of ["n1", "n2"]) tally.onRefused(node);
  assert.ok(!tally.canBeEnough());
});

/** What happens to a write at ANY, and whether it is then `enough`, can still be (`open`), or never will (`lost`). */
const ANY_TABLE: readonly (readonly [events: string, expected: "enough" | "open" | "lost"])[] = [
  ["", "open"],
  ["ack n2", "enough"],
  ["asked", "open"],
  ["asked kept", "enough"],
  ["asked refused", "open"],
  ["held", "enough"],
  ["no n1, no n2", "open"],
  ["no n1, no n2, no n3", "lost"],
  ["asked, no n1, no n2, no n3", "open"],
  ["asked, no n1, no n2, no n3, refused", "lost"],
  ["asked, no n1, no n2, no n3, kept", "enough"],
  ["asked, asked, refused, no n1, no n2, no n3", "open"],
];

for (const [events, expected] of ANY_TABLE) {
  test(`ANY after [${events}] is ${expected}`, () => {
    const tally = new WriteTally([group(1, "n1 n2 n3")], true);
    for (const word of events.replaceAll(",", "").split(/(?<!no|ack) /)) {
      const [event, node = ""] = word.split(" ");
      if (event === "ack") tally.onAcknowledged(node);
      if (event === "no") tally.onRefused(node);
      if (event === "asked") tally.onHintAsked();
      if (event === "kept" || event === "refused") tally.onHint(event === "kept");
      if (event === "held") tally.onHeldUncounted();
    }
    assert.equal(tally.isEnough() ? "enough" : tally.canBeEnough() ? "open" : "lost", expected);
  });
}

test("the tally agrees with a slow and obvious count over any sequence of answers", () => {
  const nodes = ["n1", "n2", "n3", "n4", "n5"];
  const answer = fc.tuple(fc.constantFrom(...nodes), fc.nat({ max: 3 }), fc.boolean());
  fc.assert(
    fc.property(fc.array(answer, { maxLength: 12 }), fc.integer({ min: 1, max: 5 }), (answers, needed) => {
      const tally = new ReadTally(lattice, [group(needed, nodes.join(" "))]);
      const newest = new Map<string, number>();
      const votes = new Map<string, boolean>();
      for (const [node, timeUs, vote] of answers) {
        tally.onAnswered(node, written(timeUs), vote);
        newest.set(node, Math.max(timeUs, newest.get(node) ?? 0));
        votes.set(node, vote);
      }
      const top = Math.max(0, ...newest.values());
      const holders = [...newest].filter(([node, timeUs]) => votes.get(node) && timeUs === top);
      assert.equal(tally.isEnough(), holders.length >= needed);
      assert.deepEqual(
        tally.behind().sort(),
        [...newest]
          .filter(([, timeUs]) => timeUs < top)
          .map(([node]) => node)
          .sort(),
      );
      assert.equal(register.lastStamp(tally.merged as Register)?.timeUs ?? 0, top);
    }),
    { numRuns: 2000 },
  );
});
