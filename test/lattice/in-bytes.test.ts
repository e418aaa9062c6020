/** Large states, of which only what changes is read; and bytes from outside that are no states. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { equalBytes, MalformedBytes, utf8 } from "../../src/base/bytes.js";
import { DEFAULT_LIMITS } from "../../src/config.js";
import { StateInBytes } from "../../src/lattice/in-bytes.js";
import type { Lattice } from "../../src/lattice/lattice.js";
import { map } from "../../src/lattice/map.js";
import type { EditMap, EditSet, Op } from "../../src/lattice/op.js";
import { set } from "../../src/lattice/set.js";
import { withIds } from "../../src/lattice/with-ids.js";
import { at, changeOf } from "./arbitraries.js";

const NAMES = Array.from({ length: 200 }, (_, index) => `name ${String(index).padStart(3, "0")}`);
const NOTHING: EditMap = { kind: "edit-map", set: [], counters: [], sets: [], maps: [], remove: [] };

const elements = (add: readonly string[], remove: readonly string[] = []): EditSet => ({
  kind: "edit-set",
  add,
  remove,
});
const fields = (edit: Partial<EditMap>): EditMap => ({ ...NOTHING, ...edit });
const registers = (names: readonly string[], json = "1") => fields({ set: names.map((name) => [name, utf8(json)]) });
const count = (name: string) => fields({ counters: [[name, { kind: "add", by: 1 }]] });

/** All that there may be in a map. */
const MIXED: readonly EditMap[] = [
  registers(NAMES),
  count("counted"),
  fields({ sets: [["many", elements(NAMES)]] }),
  fields({ maps: [["within", registers(NAMES)]] }),
];

interface Subject {
  readonly lattice: Lattice<unknown>;
  readonly grow: readonly Op[];
  /** Each changes a few of many entries. */
  readonly changes: readonly Op[];
}

const SUBJECTS: readonly Subject[] = [
  {
    lattice: withIds(set) as Lattice<unknown>,
    grow: [elements(NAMES), elements(["of the second"])],
    changes: [
      elements(["a first one"]),
      elements(["name 100a", "name 100"]),
      elements(["zuletzt ä"]),
      elements([], ["name 000", "name 077", "name 199"]),
      elements(["name 001"], ["name 002", "nobody has it"]),
    ],
  },
  {
    lattice: withIds(map) as Lattice<unknown>,
    grow: MIXED,
    changes: [
      registers(["a first one", "name 100", "zuletzt ä"], '"other"'),
      count("counted"),
      count("new"),
      fields({ sets: [["many", elements(["one more"], ["name 003"])]] }),
      fields({ maps: [["within", registers(["name 004"])]] }),
      fields({ remove: ["name 005", "many", "nobody has it"] }),
    ],
  },
];

/** As two owners made it, each of whom has seen the other's, and one before them. */
function grown({ lattice, grow }: Subject): unknown {
  return grow.reduce<unknown>(
    (state, op, index) => lattice.mutate(state, changeOf(op, at(10 + index, BigInt(1 + (index % 2))))),
    lattice.mutate(lattice.bottom, changeOf(grow[0] as Op, at(5, 3n))),
  );
}

for (const subject of SUBJECTS) {
  const { lattice, changes } = subject;
  const { packed } = lattice;
  const before = grown(subject);
  const bytes = lattice.encode(before);

  test(`${lattice.name}: no more is read than what changes`, () => {
    for (const [index, op] of changes.entries()) {
      const change = changeOf(op, at(100 + index, 1n));
      const changed = packed?.change(bytes, change, DEFAULT_LIMITS);
      assert.ok(changed !== undefined && "state" in changed, `change ${index}`);
      const after = lattice.encode(lattice.mutate(before, change));
      assert.ok(equalBytes(changed.state, after), `change ${index}`);
      assert.ok(equalBytes(packed?.merge(bytes, after)?.state ?? bytes, after), `merge ${index}`);
      assert.equal(packed?.merge(after, bytes)?.state, after, `stale ${index}`);
    }
  });

  test(`${lattice.name}: what two owners changed at once comes together, and no more is read`, () => {
    const [one, two] = [1n, 2n].map((actor) =>
      changes.reduce((state, op, index) => {
        const isMine = index % 2 === Number(actor % 2n);
        return isMine ? lattice.mutate(state, changeOf(op, at(100 + index, actor))) : state;
      }, before),
    );
    const merged = packed?.merge(lattice.encode(one), lattice.encode(two));
    assert.deepEqual(merged?.theirLast, lattice.lastStamp(two));
    assert.ok(equalBytes(merged?.state ?? bytes, lattice.encode(lattice.merge(one, two))));
  });

  test(`${lattice.name}: what is no state is refused, or brings nothing that is none`, () => {
    const theirs = lattice.encode(
      changes.reduce((state, op) => lattice.mutate(state, changeOf(op, at(200, 2n))), before),
    );
    const damage = fc.record({ at: fc.nat(theirs.length - 1), byte: fc.nat(255), cut: fc.boolean() });
    fc.assert(
      fc.property(fc.array(damage, { minLength: 1, maxLength: 3 }), (damages) => {
        const broken = Buffer.from(theirs);
        for (const { at, byte } of damages) broken[at] = byte;
        const end = damages[0]?.cut === true ? damages[0].at : broken.length;
        try {
          const { both } = StateInBytes.of(lattice, bytes).merge(StateInBytes.of(lattice, broken.subarray(0, end)));
          assert.ok(equalBytes(lattice.encode(lattice.decode(both.bytes)), both.bytes));
        } catch (error) {
          assert.ok(error instanceof MalformedBytes, `${error}`);
        }
      }),
      { numRuns: 3000, includeErrorInReport: true },
    );
  });
}

test("entries out of order, twice, or of another number are refused", () => {
  const headUpTo = (dot: string) => `040100000000000000010000000000000001${"01"}${dot}${"00"}`;
  const element = (name: string, dot: string) => `02${name}01${dot}`;
  const ours = `${headUpTo("0001")}02${element("62", "0000")}${element("64", "0001")}`;
  const merge = (theirs: string) =>
    StateInBytes.of(set, Buffer.from(ours, "hex")).merge(StateInBytes.of(set, Buffer.from(theirs, "hex")));
  const more = [element("61", "0002"), element("63", "0003"), element("65", "0004")] as const;
  const [first, last] = [element("62", "0000"), element("64", "0001")];
  assert.equal(merge(`${headUpTo("0005")}03${first}${more[1]}${last}`).both.state.store.length, 3);
  for (const entries of [
    `03${first}${more[0]}${last}`,
    `03${more[1]}${first}${last}`,
    `03${first}${last}${more[1]}`,
    `03${first}${element("62", "0003")}${last}`,
    `03${first}${last}${last}`,
    `03${first}${last}`,
    `01${first}${last}`,
  ]) {
    assert.throws(() => merge(headUpTo("0005") + entries), MalformedBytes, entries);
  }
});
