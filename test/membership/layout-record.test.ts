/** What a layout answers, what it refuses, and what is persisted of it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { MalformedBytes, utf8 } from "../../src/base/bytes.js";
import { tokenOf } from "../../src/base/hash.js";
import {
  computeLayout,
  decodeLayout,
  describeDifference,
  encodeLayout,
  isRefusal,
  type Layout,
  type LayoutMember,
  type LayoutSpec,
  PARTITIONS_MAX,
  partitionOf,
} from "../../src/membership/layout.js";
import { partitionTokens } from "../../src/replica/merkle.js";
import { encodeRow, orderedToken, partitionOfRow } from "../../src/replica/rows.js";

function member(id: string, rack = "r1", datacenter = "dc1", capacity = 1): LayoutMember {
  return { id, rack, datacenter, capacity };
}

const SPEC: LayoutSpec = {
  partitions: 16,
  members: [member("n1"), member("n2", "r2"), member("n3", "r3"), member("n4", "r1", "dc2")],
  placements: [{ replication: 3 }, { replication: { dc2: 1, dc1: 2 } }],
};

function layoutOf(spec: LayoutSpec): Layout {
  const layout = computeLayout(undefined, spec);
  if (isRefusal(layout)) assert.fail(layout.refusal);
  return layout;
}

function withMember(id: string, change: Partial<LayoutMember>): LayoutSpec {
  return { ...SPEC, members: SPEC.members.map((known) => (known.id === id ? { ...known, ...change } : known)) };
}

const tokens = fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n });
const powers = fc.integer({ min: 0, max: 16 }).map((power) => 2 ** power);

test("a token lies in the range of its partition, and partitions keep the order of tokens", () => {
  fc.assert(
    fc.property(powers, tokens, tokens, (partitions, a, b) => {
      const { from, to } = partitionTokens(partitions, partitionOf(partitions, a));
      assert.ok(from <= orderedToken(a) && orderedToken(a) <= to);
      if (a <= b) assert.ok(partitionOf(partitions, a) <= partitionOf(partitions, b));
    }),
  );
});

test("the partitions cover the ring without gaps", () => {
  let next = 0n;
  for (let partition = 0; partition < 64; partition++) {
    const { from, to } = partitionTokens(64, partition);
    assert.equal(from, next);
    next = to + 1n;
  }
  assert.equal(next, 1n << 64n);
});

test("a row lies in the partition of its token", () => {
  fc.assert(
    fc.property(powers, tokens, (partitions, token) => {
      const address = { placement: 0, token: orderedToken(token), bucket: "b", key: utf8("k"), sort: utf8("") };
      assert.equal(partitionOfRow(encodeRow(address), partitions), partitionOf(partitions, token));
    }),
  );
});

test("hello has lain in the same partition ever since", () => {
  assert.equal(partitionOf(4096, tokenOf(utf8("hello"))), 1213);
});

const REFUSALS: readonly (readonly [sentence: RegExp, spec: LayoutSpec])[] = [
  [/partitions is a power of two up to 65536, not 12$/, { ...SPEC, partitions: 12 }],
  [/partitions is a power of two up to 65536, not 0$/, { ...SPEC, partitions: 0 }],
  [/partitions is a power of two up to 65536, not 131072$/, { ...SPEC, partitions: PARTITIONS_MAX * 2 }],
  [/two members have the id n2/, { ...SPEC, members: [...SPEC.members, member("n2")] }],
  [/capacity of n2 is positive, not 0/, withMember("n2", { capacity: 0 })],
  [/capacity of n2 is positive, not NaN/, withMember("n2", { capacity: Number.NaN })],
  [/5 replicas need 5 members, and there are 4/, { ...SPEC, placements: [{ replication: 5 }] }],
  [/1 replicas need 1 members, and there are 0/, { ...SPEC, members: [], placements: [{ replication: 1 }] }],
  [/replicas is at least 1, not 0/, { ...SPEC, placements: [{ replication: 0 }] }],
  [/replicas is at least 1, not 1.5/, { ...SPEC, placements: [{ replication: 1.5 }] }],
  [/no member is in datacenter dc3/, { ...SPEC, placements: [{ replication: { dc1: 1, dc3: 1 } }] }],
  [
    /2 replicas in datacenter dc2 need 2 members, and there are 1/,
    { ...SPEC, placements: [{ replication: { dc2: 2 } }] },
  ],
  [/names at least one datacenter/, { ...SPEC, placements: [{ replication: {} }] }],
];

for (const [sentence, spec] of REFUSALS) {
  test(`refused: ${sentence.source}`, () => {
    const refused = computeLayout(undefined, spec);
    assert.ok(isRefusal(refused));
    assert.match(refused.refusal, sentence);
  });
}

test("the number of partitions never changes", () => {
  const refused = computeLayout(layoutOf(SPEC), { ...SPEC, partitions: 32 });
  assert.ok(isRefusal(refused));
  assert.match(refused.refusal, /fixed at creation as 16, it cannot become 32/);
});

const DIFFERENCES: readonly (readonly [sentence: string | undefined, spec: LayoutSpec])[] = [
  [undefined, SPEC],
  [undefined, { ...SPEC, members: SPEC.members.toReversed(), placements: SPEC.placements.toReversed() }],
  [undefined, { ...SPEC, placements: [{ replication: { dc1: 2, dc2: 1 } }, { replication: 3 }] }],
  ["partitions: the layout has 16, the file 32", { ...SPEC, partitions: 32 }],
  ["members: the layout has n2, the file has not", { ...SPEC, members: SPEC.members.filter(({ id }) => id !== "n2") }],
  ["members: the file has n5, the layout has not", { ...SPEC, members: [...SPEC.members, member("n5")] }],
  ["rack of n3: the layout has r3, the file r9", withMember("n3", { rack: "r9" })],
  ["datacenter of n3: the layout has dc1, the file dc2", withMember("n3", { datacenter: "dc2" })],
  ["capacity of n3: the layout has 1, the file 2", withMember("n3", { capacity: 2 })],
  ["replication: the layout has dc1:2, dc2:1, the file has not", { ...SPEC, placements: [{ replication: 3 }] }],
  [
    "replication: the file has 2, the layout has not",
    { ...SPEC, placements: [...SPEC.placements, { replication: 2 }] },
  ],
];

for (const [sentence, spec] of DIFFERENCES) {
  test(`a file and a layout differ: ${sentence ?? "not at all"}`, () => {
    assert.equal(describeDifference(layoutOf(SPEC), spec), sentence);
  });
}

test("a layout survives being stored", () => {
  const layout = layoutOf(SPEC);
  assert.deepEqual(decodeLayout(encodeLayout(layout)), layout);
});

test("what is stored has not changed: a stored layout must be readable for ever", () => {
  const placements = [{ replication: { dc2: 1, dc1: 1 } }];
  const spec = { partitions: 2, members: [member("a"), member("b", "r2", "dc2", 2)], placements };
  const stored = Buffer.from(encodeLayout(layoutOf(spec)));
  const members = '[["a","dc1","r1",1],["b","dc2","r2",2]]';
  const form = `[2,${members},[[["dc1",1],["dc2",1]]],[[[1,0],[0,1]]]]`;
  assert.equal(stored.toString(), `[1,"d1b068f58d1a5c51f485762af8664d18",1,${form}]`);
});

test("a damaged layout is refused, whatever bit fell over", () => {
  const bytes = encodeLayout(layoutOf(SPEC));
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.nat(7), (at, bit) => {
      const damaged = Uint8Array.from(bytes);
      damaged[at] = (damaged[at] as number) ^ (1 << bit);
      assert.throws(() => decodeLayout(damaged), MalformedBytes);
    }),
    { numRuns: 1000 },
  );
});

test("what is no layout is refused", () => {
  for (const text of ["", "{}", "[]", "null", "[1]", '[1,1,"",[]]', "[2,1,0,0]"]) {
    assert.throws(() => decodeLayout(utf8(text)), MalformedBytes);
  }
  fc.assert(fc.property(fc.uint8Array(), (bytes) => assert.throws(() => decodeLayout(bytes), MalformedBytes)));
});
