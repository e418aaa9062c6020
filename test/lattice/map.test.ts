import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { MalformedBytes, textOf, utf8 } from "../../src/base/bytes.js";
import { below, between, happens, pick, type Random } from "../../src/base/random.js";
import { DEFAULT_LIMITS } from "../../src/config.js";
import { type Context, contextUpTo, EMPTY_CONTEXT } from "../../src/lattice/context.js";
import { MAP_DEPTH_MAX } from "../../src/lattice/fields.js";
import { type FieldMap, map } from "../../src/lattice/map.js";
import type { EditMap, Op } from "../../src/lattice/op.js";
import { at, changeOf, context, reachable, stamp } from "./arbitraries.js";
import { type Facts, joinFacts, NO_FACTS } from "./dot-facts.js";
import { testHistories } from "./histories.js";
import { latticeLaws } from "./laws.js";
import { type Brought, changeFields, jsonOfFacts, toldOfFields } from "./map-facts.js";

const DELETE: Op = { kind: "delete" };
const NOTHING: EditMap = { kind: "edit-map", set: [], counters: [], sets: [], maps: [], remove: [] };
const edit = (parts: Partial<EditMap>): EditMap => ({ ...NOTHING, ...parts });
const set = (name: string, json: string) => edit({ set: [[name, utf8(json)]] });
const count = (name: string, by: number) => edit({ counters: [[name, { kind: "add", by }]] });
const add = (name: string, add: string[], remove: string[] = []) =>
  edit({ sets: [[name, { kind: "edit-set", add, remove }]] });
const within = (name: string, inner: EditMap) => edit({ maps: [[name, inner]] });
const remove = (...names: string[]) => edit({ remove: names });

/** A few names, so that kinds clash; no name is in two parts of an edit. */
const NAMES = ["a", "b", "é", "__proto__"];

const single: fc.Arbitrary<EditMap> = fc.letrec<{ edit: EditMap }>((tie) => {
  const name = fc.constantFrom(...NAMES);
  const leaf = fc.oneof(
    fc.tuple(name, fc.constantFrom("1", '"x"')).map(([name, json]) => set(name, json)),
    fc.tuple(name, fc.integer({ min: -3, max: 3 })).map(([name, by]) => count(name, by)),
    fc
      .tuple(name, fc.constantFrom("x", "y"), fc.boolean())
      .map(([name, text, isAdd]) => (isAdd ? add(name, [text]) : add(name, [], [text]))),
    name.map((name) => remove(name)),
  );
  return {
    edit: fc.oneof(
      { maxDepth: 2 },
      leaf,
      fc.tuple(name, tie("edit")).map(([name, inner]) => within(name, inner)),
    ),
  };
}).edit;
const op: fc.Arbitrary<Op> = fc.oneof({ weight: 6, arbitrary: single }, { weight: 1, arbitrary: fc.constant(DELETE) });

latticeLaws(map, { state: reachable(map, op), op, stamp, context });

function randomEdit(random: Random, depth: number): EditMap {
  const name = pick(random, NAMES.slice(0, 3));
  const choice = below(random, depth < 2 ? 8 : 6);
  if (choice < 2) return set(name, String(below(random, 100)));
  if (choice === 2) return count(name, between(random, -3, 5));
  if (choice === 3) return add(name, [pick(random, ["x", "y"])]);
  if (choice === 4) return add(name, [], [pick(random, ["x", "y"])]);
  if (choice === 5) return remove(name);
  return within(name, randomEdit(random, depth + 1));
}

function textOfView(state: FieldMap): string | undefined {
  const [content] = map.view(state, 0).contents;
  return content === undefined ? undefined : textOf(content.value);
}

/** Each field is by itself what its kind makes of what happened to it. */
testHistories<FieldMap, Facts<Brought>>(map, {
  op: (random) => (happens(random, 0.1) ? DELETE : randomEdit(random, 0)),
  oracle: {
    nothing: NO_FACTS,
    join: joinFacts,
    change: changeFields,
    told: toldOfFields,
    check(state, facts) {
      const json = jsonOfFacts(facts);
      assert.equal(textOfView(state), json === "{}" ? undefined : `{"value":${json}}`);
      assert.equal(map.isDead(state, 0), json === "{}" && state !== map.bottom);
    },
  },
});

/** One owner of a key. */
class Owner {
  state: FieldMap = map.bottom;
  private timeUs = 0;

  constructor(private readonly actor: bigint) {}

  change(op: Op, context: Context = EMPTY_CONTEXT): this {
    this.timeUs = Math.max(this.timeUs, map.lastStamp(this.state)?.timeUs ?? 0) + 1;
    this.state = map.mutate(this.state, changeOf(op, at(this.timeUs, this.actor), context));
    return this;
  }

  learn(other: Owner): this {
    this.state = map.merge(this.state, other.state);
    return this;
  }

  refusal(op: Op, limits = DEFAULT_LIMITS): string | undefined {
    return map.refusal(this.state, changeOf(op, at(1000, this.actor)), limits)?.kind;
  }

  get context(): Context {
    return map.view(this.state, 0).context;
  }

  get value(): unknown {
    const text = textOfView(this.state);
    return text === undefined ? undefined : JSON.parse(text).value;
  }
}

const owners = () => [new Owner(1n), new Owner(2n)] as const;

describe("a map", () => {
  test("changes several fields at once", () => {
    const [owner] = owners();
    const profile = edit({
      set: [["name", utf8('"Ada"')]],
      counters: [["visits", { kind: "add", by: 2 }]],
      sets: [["tags", { kind: "edit-set", add: ["x", "y"], remove: [] }]],
      maps: [["address", set("city", '{"at":[1]}')]],
    });
    owner.change(profile).change(edit({ ...profile, set: [], remove: ["name"] }));
    assert.deepEqual(owner.value, { address: { city: { at: [1] } }, tags: ["x", "y"], visits: 4 });
  });

  test("keeps concurrent changes of different fields, and of the parts of one", () => {
    const [one, two] = owners();
    one.change(within("m", set("a", "1"))).change(count("n", 1));
    two
      .change(within("m", set("b", "2")))
      .change(count("n", 2))
      .change(set("c", "3"));
    assert.deepEqual(one.learn(two).value, { c: 3, m: { a: 1, b: 2 }, n: 3 });
    assert.deepEqual(map.encode(two.learn(one).state), map.encode(one.state));
  });

  test("shows of a register that was set concurrently the last value, and setting it again replaces all", () => {
    const [one, two] = owners();
    one.change(set("a", "1"));
    two.change(set("b", "0")).change(set("a", "2"));
    assert.deepEqual(one.learn(two).value, { a: 2, b: 0 });
    one.change(set("a", "3"));
    assert.deepEqual(one.value, { a: 3, b: 0 });
    assert.equal(one.state.store.find(({ name }) => name === "ra")?.store.length, 1);
  });

  test("keeps of a removed field what was changed concurrently", () => {
    const [one, two] = owners();
    one
      .change(add("s", ["x"]))
      .change(within("m", set("a", "1")))
      .change(count("n", 5));
    two
      .learn(one)
      .change(add("s", ["y"]))
      .change(within("m", set("b", "2")))
      .change(count("n", 1));
    one.change(remove("s", "m", "n"));
    assert.equal(one.value, undefined);
    assert.deepEqual(one.learn(two).value, { m: { b: 2 }, n: 1, s: ["y"] });
  });

  test("loses what a client has seen and removes, though the owner meets it only later, at any depth", () => {
    const [one, two] = owners();
    one.change(within("m", within("m", set("a", "1")))).change(within("m", set("b", "2")));
    two.change(within("m", remove("m")), one.context).learn(one);
    assert.deepEqual(two.value, { m: { b: 2 } });
    two.change(remove("m"));
    assert.ok(map.isDead(two.state, 0));
  });

  test("refuses another kind under a name that has one, until that is removed", () => {
    const [one, two] = owners();
    one.change(set("a", "1"));
    assert.equal(one.refusal(count("a", 1)), "type-mismatch");
    assert.equal(one.refusal(within("b", count("a", 1))), undefined);
    assert.equal(one.refusal(set("a", "2")), undefined);
    two.change(set("b", "0")).change(count("a", 7));
    one.learn(two);
    assert.deepEqual(one.value, { a: 7, b: 0 }, "of two that were created concurrently the last one is shown");
    assert.equal(one.refusal(set("a", "2")), "type-mismatch");
    one.change(remove("a"));
    assert.deepEqual(one.value, { b: 0 }, "and both are removed by their name");
    assert.equal(one.refusal(add("a", ["x"])), undefined);
  });

  test("refuses what is too deep, too long or too much, and sums that no counter has", () => {
    const [owner] = owners();
    const nested = (depth: number): EditMap => (depth === 1 ? set("a", "1") : within("m", nested(depth - 1)));
    assert.equal(owner.refusal(nested(MAP_DEPTH_MAX)), undefined);
    assert.equal(owner.refusal(nested(MAP_DEPTH_MAX + 1)), "too-large");
    owner.change(nested(MAP_DEPTH_MAX));
    assert.deepEqual(map.decode(map.encode(owner.state)), owner.state);
    assert.equal(owner.refusal(set("12345", "1"), { ...DEFAULT_LIMITS, elementBytesMax: 4 }), "too-large");
    assert.equal(owner.refusal(add("s", ["12345"]), { ...DEFAULT_LIMITS, elementBytesMax: 4 }), "too-large");
    assert.equal(owner.refusal(set("a", "1"), { ...DEFAULT_LIMITS, stateBytesMax: 10 }), "too-large");
    assert.equal(owner.refusal(remove("m"), { ...DEFAULT_LIMITS, stateBytesMax: 10 }), undefined);
    owner.change(count("n", Number.MAX_SAFE_INTEGER));
    assert.equal(owner.refusal(count("n", 1)), "out-of-range");
  });

  test("reads first what it is to take away", () => {
    const reads = [set("a", "1"), count("n", -1), remove("a"), add("s", ["x"]), add("s", [], ["x"])];
    assert.deepEqual(
      [...reads, within("m", remove("a")), DELETE].map((op) => map.readsFirst(op, contextUpTo(at(1)))),
      [false, false, true, false, true, true, true],
    );
  });

  test("does not grow with the fields that were in it, but for counters", () => {
    const [owner] = owners();
    owner.change(set("kept", "1"));
    const before = map.encode(owner.state).length;
    for (let round = 0; round < 300; round++) {
      owner.change(within(`${round}`, add("s", ["x"]))).change(set(`r${round}`, "1"));
      owner.change(remove(`${round}`, `r${round}`));
    }
    assert.ok(map.encode(owner.state).length <= before + 4, "distances from the earliest time have grown");
  });
});

test("an encoding is frozen for ever under its tag", () => {
  const [one] = owners();
  one.change(edit({ set: [["é", utf8("1")]], counters: [["n", { kind: "add", by: 3 }]] }));
  one.change(
    edit({ sets: [["s", { kind: "edit-set", add: ["x"], remove: ["y"] }]], maps: [["m", set("a", "2")]] }),
    contextUpTo(at(1, 2n)),
  );
  const [actor1, actor2] = ["0000000000000001", "0000000000000002"];
  const golden = [
    "05",
    // Two actors, the earliest time, the vector.
    ...["02", actor1, actor2, actor1, "01", "0001", "00"],
    // The counter n: its bytes, as shards are written.
    ...[
      "04",
      "04636e",
      "29",
      actor1,
      "0000000000000001",
      "0000000000000003",
      "02",
      "0000000000000000",
      "0000000000000000",
    ],
    // The map m with the register a.
    ...["046d6d", "01", "047261", "01", "0001", "0132"],
    // The register é, and the set s with x, and y removed.
    ...["0672c3a9", "01", "0000", "0131"],
    ...["047373", "02", "0278", "01", "0001", "0379", "01", "0100", "00", "00"],
  ];
  assert.equal(Buffer.from(map.encode(one.state)).toString("hex"), golden.join(""));
});

test("bytes that no map has are malformed", () => {
  const head = "05" + "01" + "0000000000000001" + "0000000000000001" + "01" + "0000" + "00";
  const sound = `${head}01${"047261"}01${"0000"}0131`;
  assert.equal(map.decode(Buffer.from(sound, "hex")).store.length, 1);
  const deep = `${head}${"01026d".repeat(MAP_DEPTH_MAX + 1)}01047261010000${"0131"}`;
  const malformed = [
    `04${sound.slice(2)}`,
    `${sound}00`,
    `${head}01${"047861"}01${"0000"}0131`,
    `${head}01${"00"}01${"0000"}0131`,
    `${head}01${"047261"}00`,
    `${head}01${"047261"}01${"0000"}01ff`,
    deep,
  ];
  for (const hex of malformed) assert.throws(() => map.decode(Buffer.from(hex, "hex")), MalformedBytes, hex);
});
