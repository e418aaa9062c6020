import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { MalformedBytes, textOf } from "../../src/base/bytes.js";
import { between, happens } from "../../src/base/random.js";
import { DEFAULT_LIMITS } from "../../src/config.js";
import { type Counter, counter } from "../../src/lattice/counter.js";
import type { Op } from "../../src/lattice/op.js";
import { at, changeOf, context, stamp } from "./arbitraries.js";
import { testHistories } from "./histories.js";
import { latticeLaws } from "./laws.js";

const LAST = Number.MAX_SAFE_INTEGER;
const DELETE: Op = { kind: "delete" };
const add = (by: number): Op => ({ kind: "add", by });

const op: fc.Arbitrary<Op> = fc.oneof(
  fc.oneof(fc.integer({ min: -2, max: 2 }), fc.maxSafeInteger()).map(add),
  fc.constant(DELETE),
);

/** Changes of several replicas that know of each other by chance; equal times of one actor among them. */
const state: fc.Arbitrary<Counter> = fc
  .array(fc.tuple(op, stamp, fc.nat({ max: 2 }), fc.boolean()), { maxLength: 5 })
  .map((changes) => {
    const replicas: Counter[] = [counter.bottom, counter.bottom, counter.bottom];
    for (const [change, when, replica, isSent] of changes) {
      const after = counter.mutate(replicas[replica] as Counter, changeOf(change, when));
      replicas[replica] = after;
      if (isSent) replicas[0] = counter.merge(replicas[0] as Counter, after);
    }
    return replicas[0] as Counter;
  });

latticeLaws(counter, { state, op, stamp, context });

function shown(counted: Counter): bigint | undefined {
  const [content] = counter.view(counted, 0).contents;
  return content === undefined
    ? undefined
    : BigInt(/^\{"value":(-?\d+)\}$/.exec(textOf(content.value) ?? "")?.[1] ?? "");
}

/** Every addition is an event; a delete takes away those that its replica knew. */
interface Facts {
  readonly added: ReadonlyMap<string, bigint>;
  readonly gone: ReadonlySet<string>;
}

testHistories<Counter, Facts>(counter, {
  op: (random) => (happens(random, 0.2) ? DELETE : add(between(random, -3, 5))),
  oracle: {
    nothing: { added: new Map(), gone: new Set() },
    join: (a, b) => ({ added: new Map([...a.added, ...b.added]), gone: new Set([...a.gone, ...b.gone]) }),
    change({ added, gone }, { op: change, stamp: { timeUs, actor } }) {
      if (change.kind !== "add") return { added, gone: new Set(added.keys()) };
      return { added: new Map([...added, [`${timeUs} ${actor}`, BigInt(change.by)]]), gone };
    },
    told: (after) => after,
    check(counted, { added, gone }) {
      const left = [...added].filter(([event]) => !gone.has(event));
      const value = left.length === 0 ? undefined : left.reduce((sum, [, by]) => sum + by, 0n);
      assert.equal(shown(counted), value);
      assert.equal(counter.isDead(counted, 0), value === undefined && counted !== counter.bottom);
    },
  },
});

const grow = (counted: Counter, change: Op, timeUs: number, actor = 1n) =>
  counter.mutate(counted, changeOf(change, at(timeUs, actor)));

test("additions of all owners count once each", () => {
  const one = grow(counter.bottom, add(5), 1, 1n);
  const both = counter.merge(one, grow(counter.bottom, add(-7), 1, 2n));
  assert.equal(shown(both), -2n);
  assert.equal(counter.merge(both, one), both);
});

test("additions that cancel out are 0, and a deleted counter is absent", () => {
  const zero = grow(grow(counter.bottom, add(5), 1), add(-5), 2);
  assert.equal(shown(zero), 0n);
  const deleted = grow(zero, DELETE, 3);
  assert.equal(shown(deleted), undefined);
  assert.ok(counter.isDead(deleted, 0) && !counter.isDead(zero, 0));
  assert.equal(shown(grow(deleted, add(1), 4)), 1n);
});

test("a delete takes away what it saw, and a concurrent addition by the same owner stays", () => {
  const first = grow(counter.bottom, add(10), 1, 1n);
  const deletedElsewhere = grow(first, DELETE, 2, 2n);
  const countedOn = grow(first, add(3), 2, 1n);
  assert.equal(shown(counter.merge(deletedElsewhere, countedOn)), 3n);
  assert.equal(shown(counter.merge(countedOn, deletedElsewhere)), 3n);
});

test("no client counts beyond what a double tells exactly, and a merge may", () => {
  const full = grow(counter.bottom, add(LAST), 1, 1n);
  const refusal = (counted: Counter, by: number, actor = 1n) =>
    counter.refusal(counted, changeOf(add(by), at(9, actor)), DEFAULT_LIMITS);
  assert.equal(refusal(full, 0), undefined);
  assert.equal(refusal(full, -1), undefined);
  assert.equal(refusal(full, 1)?.kind, "out-of-range");
  assert.equal(refusal(full, 1, 2n)?.kind, "out-of-range");
  assert.equal(refusal(grow(counter.bottom, add(-LAST), 1), -1)?.kind, "out-of-range");
  assert.equal(counter.refusal(full, changeOf(DELETE, at(9)), DEFAULT_LIMITS), undefined);
  const beyond = counter.merge(full, grow(counter.bottom, add(LAST), 1, 2n));
  assert.equal(shown(beyond), 2n * BigInt(LAST));
  assert.equal(refusal(beyond, 1)?.kind, "out-of-range");
  assert.equal(refusal(beyond, -1), undefined);
});

test("one actor's sum ends at 64 bits, though others count against it", () => {
  let counted: Counter = counter.bottom;
  let timeUs = 0;
  const counts = (by: number, actor: bigint) => {
    const change = changeOf(add(by), at(++timeUs, actor));
    if (counter.refusal(counted, change, DEFAULT_LIMITS) !== undefined) return false;
    counted = counter.mutate(counted, change);
    return true;
  };
  while (counts(LAST, 1n)) assert.ok(counts(-LAST, 2n));
  assert.equal(shown(counted), 0n);
  assert.deepEqual(counter.decode(counter.encode(counted)), counted);
  assert.ok(counts(LAST, 3n));
});

test("who counts anew without a record is not brought below zero by an owner that has not forgotten yet", () => {
  const tombstone = grow(grow(counter.bottom, add(10), 5, 9n), DELETE, 8, 9n);
  const anew = grow(counter.bottom, add(1), 20, 9n);
  for (const merged of [counter.merge(tombstone, anew), counter.merge(anew, tombstone)]) {
    assert.equal(textOf(counter.view(merged, 0).contents[0]?.value as Uint8Array), '{"value":1}');
  }
});

test("an encoding is frozen for ever under its tag", () => {
  const counted = grow(grow(counter.bottom, add(300), 2 ** 40 + 5, 0x0102030405060708n), add(-2), 7, 9n);
  const part = counter.merge(grow(counted, DELETE, 8, 9n), grow(counted, add(1), 9, 9n));
  const actor9 = "0000000000000009";
  const hex = (counted: Counter) => Buffer.from(counter.encode(counted)).toString("hex");
  const old = `03${actor9}0000000000000007fffffffffffffffe0001020304050607080000010000000005000000000000012c00`;
  assert.equal(hex(counter.decode(Buffer.from(old, "hex"))), old, "before a shard began with a base of its own");
  assert.equal(
    hex(counted),
    `03${actor9}0000000000000007fffffffffffffffe0200000000000000060000000000000000` +
      `01020304050607080000010000000005000000000000012c0200000100000000040000000000000000`,
  );
  assert.equal(
    hex(part),
    `03${actor9}0000000000000009ffffffffffffffff020000000000000008fffffffffffffffe` +
      `01020304050607080000010000000005000000000000012c01`,
  );
});

test("bytes that no counter has are malformed", () => {
  const shard = "0000000000000001" + "0000000000000007" + "0000000000000005";
  const malformed = ["03", `04${shard}00`, `03${shard}03`, `03${shard}02${shard.slice(16)}`, `03${shard}00${shard}00`];
  for (const hex of malformed) assert.throws(() => counter.decode(Buffer.from(hex, "hex")), MalformedBytes, hex);
});
