import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { MalformedBytes, textOf } from "../../src/base/bytes.js";
import { below, happens, pick } from "../../src/base/random.js";
import { DEFAULT_LIMITS } from "../../src/config.js";
import { type Context, contextUpTo, EMPTY_CONTEXT } from "../../src/lattice/context.js";
import type { EditSet, Op } from "../../src/lattice/op.js";
import { set, type TextSet } from "../../src/lattice/set.js";
import { at, changeOf, context, reachable, stamp } from "./arbitraries.js";
import { dotOf, type Facts, joinFacts, leftOf, NO_FACTS, superseding, toldOf, without } from "./dot-facts.js";
import { testHistories } from "./histories.js";
import { latticeLaws } from "./laws.js";

const DELETE: Op = { kind: "delete" };
const edit = (add: readonly string[], remove: readonly string[] = []): EditSet => ({ kind: "edit-set", add, remove });

const NAMES = ["", "a", "b", "é", "\u{1f426}", "\uffee"];
const names = fc.uniqueArray(fc.constantFrom(...NAMES), { maxLength: 3 });
const op: fc.Arbitrary<Op> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.tuple(names, names).map(([a, b]) =>
      edit(
        a,
        b.filter((name) => !a.includes(name)),
      ),
    ),
  },
  { weight: 1, arbitrary: fc.constant(DELETE) },
);

latticeLaws(set, { state: reachable(set, op), op, stamp, context });

function elementsOf(state: TextSet): string[] {
  const [content] = set.view(state, 0).contents;
  return content === undefined ? [] : JSON.parse(textOf(content.value) as string).value;
}

const byBytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));

/** An element is there exactly when an add of it is that no remove had seen, and no later add stands for. */
testHistories<TextSet, Facts<string>>(set, {
  op(random) {
    if (happens(random, 0.1)) return DELETE;
    const [one, other] = [pick(random, NAMES), pick(random, NAMES)];
    if (one === other || happens(random, 0.3)) return edit([one]);
    return happens(random, 0.5) ? edit([], [one]) : edit(below(random, 2) === 0 ? [one] : [], [other]);
  },
  oracle: {
    nothing: NO_FACTS,
    join: joinFacts,
    change(facts, change, seen) {
      if (change.op.kind !== "edit-set") return superseding(facts, seen ?? facts);
      const { add, remove } = change.op;
      const removed = without(facts, seen ?? facts, (name) => remove.includes(name));
      const left = without(removed, facts, (name) => add.includes(name));
      const brought = add.map((name): [string, string] => [`${dotOf(change)} ${name}`, name]);
      return { ...left, brought: new Map([...left.brought, ...brought]) };
    },
    told: (after, change, seen) => (change.op.kind === "delete" ? toldOf(after, seen ?? NO_FACTS) : after),
    check(state, facts) {
      const present = new Set(leftOf(facts).map(([, name]) => name));
      assert.deepEqual(elementsOf(state), [...present].sort(byBytes));
      assert.equal(set.isDead(state, 0), present.size === 0 && state !== set.bottom);
    },
  },
});

/** One owner of a key. */
class Owner {
  state: TextSet = set.bottom;
  private timeUs = 0;

  constructor(private readonly actor: bigint) {}

  change(op: Op, context: Context = EMPTY_CONTEXT): void {
    this.state = set.mutate(this.state, changeOf(op, at(++this.timeUs, this.actor), context));
  }

  learn(other: Owner): void {
    this.state = set.merge(this.state, other.state);
  }

  get context(): Context {
    return set.view(this.state, 0).context;
  }

  get elements(): string[] {
    return elementsOf(this.state);
  }
}

describe("a set", () => {
  test("has its elements once each, in the order of their bytes", () => {
    const owner = new Owner(1n);
    owner.change(edit(["b", "\u{1f426}", "a", "a"]));
    owner.change(edit(["\uffee", "b", ""]));
    assert.deepEqual(owner.elements, ["", "a", "b", "\uffee", "\u{1f426}"]);
  });

  test("keeps an add that a concurrent remove has not seen", () => {
    const [one, two] = [new Owner(1n), new Owner(2n)];
    one.change(edit(["x", "y"]));
    two.learn(one);
    one.change(edit([], ["x", "y"]));
    two.change(edit(["x"]));
    two.learn(one);
    assert.deepEqual(two.elements, ["x"]);
  });

  test("loses what a client has seen and removes, though the owner meets it only later", () => {
    const [one, two] = [new Owner(1n), new Owner(2n)];
    one.change(edit(["x", "y"]));
    two.change(edit(["z"], ["x"]), one.context);
    two.learn(one);
    assert.deepEqual(two.elements, ["y", "z"], "and nothing else that the client has seen");
    one.learn(two);
    assert.deepEqual(set.encode(one.state), set.encode(two.state));
  });

  test("remembers such a removal until its context has caught up, and not longer", () => {
    const [one, two, three] = [new Owner(1n), new Owner(2n), new Owner(3n)];
    one.change(edit(["x"]));
    two.change(edit(["x"], []));
    three.change(edit([], ["x"]), one.context);
    const waiting = set.encode(three.state).length;
    three.learn(two);
    assert.deepEqual(three.elements, ["x"], "of another add, nobody has seen anything");
    three.learn(one);
    three.change(edit([], ["x"]));
    assert.ok(set.encode(three.state).length > waiting, "three actors instead of two");
    assert.equal(three.state.store.length, 0);
    assert.ok(set.isDead(three.state, 0));
  });

  test("takes its dots away from what a delete has seen, and from nothing else", () => {
    const owner = new Owner(1n);
    owner.change(edit(["a"]));
    const seen = owner.context;
    owner.change(edit(["b"]));
    owner.change(DELETE, seen);
    assert.deepEqual(owner.elements, ["b"]);
    owner.change(DELETE);
    assert.deepEqual(set.view(owner.state, 0).contents, []);
  });

  test("does not grow with what was added and removed", () => {
    const owner = new Owner(1n);
    owner.change(edit(["kept"]));
    const before = set.encode(owner.state).length;
    for (let round = 0; round < 1000; round++) {
      owner.change(edit([`${round}`]));
      owner.change(edit([], [`${round}`]));
    }
    assert.ok(set.encode(owner.state).length <= before + 4, "distances from the earliest time have grown");
  });

  test("reads first what is to be removed, unless the client says what it has seen", () => {
    const seen = contextUpTo(at(1));
    assert.deepEqual(
      [edit(["a"]), edit(["a"], ["b"]), DELETE].map((op) => [
        set.readsFirst(op, EMPTY_CONTEXT),
        set.readsFirst(op, seen),
      ]),
      [
        [false, false],
        [true, false],
        [true, false],
      ],
    );
  });

  test("refuses elements too long, and more than fit, and never a removal", () => {
    const owner = new Owner(1n);
    const limits = { ...DEFAULT_LIMITS, elementBytesMax: 4, stateBytesMax: 40 };
    const refusal = (op: Op) => set.refusal(owner.state, changeOf(op, at(9)), limits)?.kind;
    assert.equal(refusal(edit(["\u{1f426}"])), undefined);
    assert.equal(refusal(edit(["12345"])), "too-large");
    owner.change(edit(["1", "2", "3"]));
    assert.equal(refusal(edit(["4"])), "too-large");
    assert.equal(refusal(edit([], ["12345"])), undefined);
  });

  test("is as large as its dots, and as the removals that it remembers", () => {
    const limits = { ...DEFAULT_LIMITS, stateBytesMax: 40 };
    const refusalAt = ({ state }: Owner) => set.refusal(state, changeOf(edit(["b"]), at(9)), limits)?.kind;
    const adders = [1n, 2n, 3n].map((actor) => new Owner(actor));
    for (const adder of adders) adder.change(edit(["a"]));
    const [first, ...others] = adders as [Owner, ...Owner[]];
    assert.equal(refusalAt(first), undefined);
    for (const other of others) first.learn(other);
    assert.equal(refusalAt(first), "too-large");
    const remover = new Owner(4n);
    remover.change(edit([], ["a", "c", "d"]), first.context);
    assert.equal(refusalAt(remover), "too-large");
  });
});

test("an encoding is frozen for ever under its tag", () => {
  const [one, two] = [new Owner(1n), new Owner(0x0102030405060708n)];
  two.change(edit(["é", "a"]));
  two.change(edit(["b"]));
  one.change(edit(["c"], ["d"]), contextUpTo(at(3, 0x0102030405060708n)));
  one.learn(two);
  const golden = [
    "04",
    // Two actors, the earliest time, the vector.
    ...["02", "0000000000000001", "0102030405060708", "0000000000000001", "02", "0000", "0101", "00"],
    // Five entries: four elements with a dot each, and what was removed of d.
    ...["05", "0261", "01", "0100", "0262", "01", "0101", "0263", "01", "0000"],
    ...["0364", "01", "0102", "00", "00", "04c3a9", "01", "0100"],
  ];
  assert.equal(Buffer.from(set.encode(one.state)).toString("hex"), golden.join(""));
});

test("bytes that no set has are malformed", () => {
  const head = "04" + "01" + "0000000000000001" + "0000000000000001" + "01" + "0001" + "00";
  const element = (name: string, dot = "0000") => `${name}01${dot}`;
  const sound = `${head}02${element("0261")}${element("0262", "0001")}`;
  assert.equal(set.decode(Buffer.from(sound, "hex")).store.length, 2);
  const malformed = [
    `05${sound.slice(2)}`,
    `${sound}00`,
    `${head}02${element("0262")}${element("0261", "0001")}`,
    `${head}01${element("02ff")}`,
    `${head}01${element("0261", "0002")}`,
    `${head}01${element("0261", "0001")}`,
    `${head}01${element("0261", "0100")}`,
    `${head}02${element("0261")}026200`,
    `${head}02${element("0261")}${`0362${"01" + "0001" + "00"}`}00`,
  ];
  for (const hex of malformed) assert.throws(() => set.decode(Buffer.from(hex, "hex")), MalformedBytes, hex);
});
