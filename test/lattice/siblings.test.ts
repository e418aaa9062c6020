import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { textOf, utf8 } from "../../src/base/bytes.js";
import { below, happens } from "../../src/base/random.js";
import { DEFAULT_LIMITS } from "../../src/config.js";
import { type Context, contextOfDot, contextUpTo, EMPTY_CONTEXT } from "../../src/lattice/context.js";
import { encodeContextToken } from "../../src/lattice/context-token.js";
import type { Op } from "../../src/lattice/op.js";
import { type Siblings, siblings } from "../../src/lattice/siblings.js";
import { at, changeOf, context, reachable, stamp } from "./arbitraries.js";
import { dotOf, type Facts, joinFacts, leftOf, NO_FACTS, superseding, toldOf } from "./dot-facts.js";
import { testHistories } from "./histories.js";
import { latticeLaws } from "./laws.js";

const DELETE: Op = { kind: "delete" };
const put = (text: string, expiresAtMs?: number): Op => ({
  ...{ kind: "put", contentType: "text/plain", value: utf8(text) },
  expiresAtMs,
});

const value = fc.uint8Array({ maxLength: 4 }).map((bytes) => Buffer.from(bytes));
const expiresAtMs = fc.option(fc.nat(), { nil: undefined });
const contentType = fc.constantFrom("", "text/plain");
const op: fc.Arbitrary<Op> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("put" as const), contentType, value, expiresAtMs }) },
  { weight: 1, arbitrary: fc.constant({ kind: "delete" as const }) },
);

latticeLaws(siblings, { state: reachable(siblings, op), op, stamp, context });

/** A value survives exactly unless a write that had read it replaced it. */
testHistories<Siblings, Facts<string>>(siblings, {
  op: (random) => (happens(random, 0.15) ? DELETE : put(String(below(random, 1000)))),
  oracle: {
    nothing: NO_FACTS,
    join: joinFacts,
    change(facts, change, seen) {
      if (change.op.kind !== "put") return superseding(facts, seen ?? facts);
      const left = superseding(facts, seen ?? NO_FACTS);
      return { ...left, brought: new Map([...left.brought, [dotOf(change), textOf(change.op.value) as string]]) };
    },
    told(after, change, seen = NO_FACTS) {
      const dot = dotOf(change);
      const own = [...after.brought].filter(([other]) => other === dot);
      return toldOf(after, { ...seen, brought: new Map([...seen.brought, ...own]) });
    },
    check(state, facts) {
      const values = siblings.view(state, 0).contents.map(({ value }) => textOf(value));
      assert.deepEqual(
        values,
        leftOf(facts).map(([, text]) => text),
      );
      assert.equal(siblings.isDead(state, 0), values.length === 0 && state !== siblings.bottom);
    },
  },
});

/** One owner of a key, and clients who change it there. */
class Owner {
  state: Siblings = siblings.bottom;
  private timeUs = 0;

  constructor(private readonly actor: bigint) {}

  /** Answers what the client has seen then. */
  change(op: Op, context: Context = EMPTY_CONTEXT): Context {
    const change = changeOf(op, at(++this.timeUs, this.actor), context);
    this.state = siblings.mutate(this.state, change);
    return siblings.seenBy(this.state, change);
  }

  learn(other: Owner): void {
    this.state = siblings.merge(this.state, other.state);
  }

  get context(): Context {
    return siblings.view(this.state, 0).context;
  }

  get values(): (string | undefined)[] {
    return siblings.view(this.state, 0).contents.map(({ value }) => textOf(value));
  }
}

const ADA = { bucket: "carts", key: utf8("ada") };

describe("siblings", () => {
  test("that nobody has read stay, all of them", () => {
    const owner = new Owner(1n);
    for (const text of ["a", "b", "c"]) owner.change(put(text));
    assert.deepEqual(owner.values, ["a", "b", "c"]);
  });

  test("that a write has read are replaced by it, and others stay", () => {
    const owner = new Owner(1n);
    owner.change(put("a"));
    const seen = owner.context;
    owner.change(put("b"));
    owner.change(put("c"), seen);
    assert.deepEqual(owner.values, ["b", "c"]);
    owner.change(put("d"), owner.context);
    assert.deepEqual(owner.values, ["d"]);
  });

  test("of another client are not seen by a blind write, through whichever owner they came", () => {
    const owner = new Owner(1n);
    owner.change(put("theirs"));
    const seen = owner.change(put("ours"));
    assert.deepEqual(seen, contextOfDot(at(2)));
    owner.change(put("ours again"), seen);
    assert.deepEqual(owner.values, ["theirs", "ours again"]);
  });

  test("are told of as a whole when the client has seen them all: its context stays short", () => {
    const owner = new Owner(1n);
    assert.deepEqual(owner.change(put("first")), contextUpTo(at(1)));
    assert.deepEqual(owner.change(put("second"), owner.context), contextUpTo(at(2)));
    assert.deepEqual(owner.change(DELETE), contextUpTo(at(3)));
  });

  test("replaced at one owner do not come back from another", () => {
    const [one, two] = [new Owner(1n), new Owner(2n)];
    one.change(put("old"));
    two.learn(one);
    two.change(put("new"), two.context);
    one.learn(two);
    assert.deepEqual([one.values, two.values], [["new"], ["new"]]);
  });

  test("are replaced at an owner that has not met them yet", () => {
    const [one, two] = [new Owner(1n), new Owner(2n)];
    one.change(put("old"));
    two.change(put("new"), one.context);
    two.learn(one);
    assert.deepEqual(two.values, ["new"]);
  });

  test("written while a delete is under way survive it", () => {
    const [one, two] = [new Owner(1n), new Owner(2n)];
    one.change(put("read"));
    const seen = one.context;
    two.change(put("concurrent"));
    one.learn(two);
    one.change(DELETE, seen);
    assert.deepEqual(one.values, ["concurrent"]);
    assert.ok(!siblings.isDead(one.state, 0));
    one.change(DELETE);
    assert.deepEqual(one.values, [], "a delete without a context covers all that its owner holds");
    assert.ok(siblings.isDead(one.state, 0));
  });

  test("do not multiply when two clients write in turn, each with what its own last write answered", () => {
    const owner = new Owner(1n);
    let [ada, bob] = [EMPTY_CONTEXT, EMPTY_CONTEXT];
    for (let round = 0; round < 100; round++) {
      ada = owner.change(put(`ada ${round}`), ada);
      bob = owner.change(put(`bob ${round}`), bob);
      assert.ok(owner.values.length <= 2, `${owner.values.length} siblings`);
    }
    assert.deepEqual(owner.values, ["ada 99", "bob 99"]);
  });

  test("that nobody reads cost no context more and more: a client sends what its last write answered, 1,000 times", () => {
    const owner = new Owner(1n);
    owner.change(put("nobody reads this"));
    let seen = EMPTY_CONTEXT;
    for (let count = 0; count < 1000; count++) {
      seen = owner.change(put(`mine ${count}`), seen);
      assert.ok(encodeContextToken(ADA, seen).length < 2048);
      assert.deepEqual(owner.values, ["nobody reads this", `mine ${count}`]);
    }
  });

  test("expire one by one, and are dead when all have", () => {
    const owner = new Owner(1n);
    owner.change(put("brief", 1000));
    owner.change(put("longer", 2000));
    assert.deepEqual(
      [999, 1000, 2000].map((nowMs) => siblings.view(owner.state, nowMs).contents.length),
      [2, 1, 0],
    );
    assert.ok(!siblings.isDead(owner.state, 1999) && siblings.isDead(owner.state, 2000));
  });
});

describe("too many siblings", () => {
  const owner = new Owner(1n);
  const context = owner.change(put("0"));
  for (let count = 1; count < DEFAULT_LIMITS.siblingsMax; count++) owner.change(put(`${count}`));
  const refusal = (op: Op, context = EMPTY_CONTEXT) =>
    siblings.refusal(owner.state, changeOf(op, at(1000), context), DEFAULT_LIMITS)?.kind;

  test("refuse a write that replaces none, and take one that does", () => {
    assert.equal(refusal(put("one more")), "too-many-siblings");
    assert.equal(refusal(put("instead"), context), undefined);
    assert.equal(refusal(put("instead"), owner.context), undefined);
    assert.equal(refusal(DELETE), undefined);
  });

  test("are merged nevertheless", () => {
    const other = new Owner(2n);
    other.change(put("concurrent"));
    other.learn(owner);
    assert.equal(other.values.length, DEFAULT_LIMITS.siblingsMax + 1);
  });

  test("in bytes are refused as well, but never a value that replaces all", () => {
    const limits = { ...DEFAULT_LIMITS, stateBytesMax: 10 };
    const state = siblings.mutate(siblings.bottom, changeOf(put("12345"), at(1)));
    const refusalOf = (text: string, context?: Context) =>
      siblings.refusal(state, changeOf(put(text), at(2), context), limits)?.kind;
    assert.equal(refusalOf("12345"), undefined);
    assert.equal(refusalOf("123456"), "too-large");
    assert.equal(refusalOf("more than ten bytes", contextUpTo(at(1))), undefined);
  });
});

test("the context of 100 siblings by 30 actors stays under 4 KiB as clients carry it", () => {
  const owners = Array.from({ length: 30 }, (_, index) => new Owner(2n ** 64n - 1n - BigInt(index)));
  const all = new Owner(0n);
  for (let count = 0; count < 100; count++) {
    const owner = owners[count % owners.length] as Owner;
    owner.change(put(`${count}`));
    all.learn(owner);
  }
  assert.equal(all.values.length, 100);
  const token = encodeContextToken(ADA, all.context);
  assert.ok(Buffer.from(token).toString("base64url").length < 1024);
});

test("an encoding is frozen for ever under its tag", () => {
  const [one, two] = [new Owner(1n), new Owner(0x0102030405060708n)];
  two.change(put("old"));
  one.change(put("hi"), contextOfDot(at(3, 0x0102030405060708n)));
  two.change(put("ho", 77), two.context);
  one.learn(two);
  const golden =
    "02" +
    // Two actors; the earliest time; the vector of each; one lone dot.
    "02" +
    "0000000000000001" +
    "0102030405060708" +
    "0000000000000001" +
    "02" +
    "0000" +
    "0101" +
    "01" +
    "0102" +
    // Two values: under (0, 0) and (1, 1), the latter with an expiry.
    "02" +
    "0000" +
    "00" +
    "0a746578742f706c61696e" +
    "02" +
    "6869" +
    "0101" +
    "01" +
    "000000000000004d" +
    "0a746578742f706c61696e" +
    "02" +
    "686f";
  assert.equal(Buffer.from(siblings.encode(one.state)).toString("hex"), golden);
});
