/**
 * The laws of a lattice as properties. Every lattice is held to all of them by a few lines of generators.
 *
 * Shapiro and others, "Conflict-free Replicated Data Types", 2011, section 2:
 * a state-based object converges if its states form a join-semilattice, merge is
 * the join, and updates only move up.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { compareBytes, equalBytes, MalformedBytes } from "../../src/base/bytes.js";
import { hash128 } from "../../src/base/hash.js";
import { DEFAULT_LIMITS } from "../../src/config.js";
import { type Context, covers, includes, joinContexts, lastStampOf } from "../../src/lattice/context.js";
import type { Lattice } from "../../src/lattice/lattice.js";
import type { Op } from "../../src/lattice/op.js";
import { type Row, rowOf } from "../../src/lattice/row.js";
import { compareStamps, type Stamp } from "../../src/lattice/stamp.js";
import { checkChangeInBytes, checkMergeInBytes } from "./in-bytes.js";

export interface LatticeArbitraries<State> {
  /** Any state that some history leads to, bottom among them. */
  readonly state: fc.Arbitrary<State>;
  readonly op: fc.Arbitrary<Op>;
  readonly stamp: fc.Arbitrary<Stamp>;
  /** What a client may have seen, or make believe. */
  readonly context: fc.Arbitrary<Context>;
}

/** What converges, whoever changes it: states, their join, and their bytes. */
export type Join<State> = Pick<Lattice<State>, "name" | "bottom" | "merge" | "encode" | "decode"> &
  Partial<Pick<Lattice<State>, "tag">>;

type Law = (name: string, property: fc.IRawProperty<unknown>) => void;

const RUNS = { numRuns: 1000 };

function lawOf(subject: string): Law {
  return (name, property) => void test(`${subject}: ${name}`, () => fc.assert(property as fc.IProperty<unknown>, RUNS));
}

/** Holds `join` to the laws of a join-semilattice with canonical bytes. */
export function joinLaws<State>(join: Join<State>, state: fc.Arbitrary<State>): void {
  const { merge, bottom, encode, decode } = join;
  const bytes = (value: State) => (value === bottom ? new Uint8Array(0) : encode(value));
  const same = (a: State, b: State) => compareBytes(bytes(a), bytes(b)) === 0;
  const law = lawOf(join.name);

  law(
    "merge is associative",
    fc.property(state, state, state, (a, b, c) => same(merge(merge(a, b), c), merge(a, merge(b, c)))),
  );
  law(
    "merge is commutative",
    fc.property(state, state, (a, b) => same(merge(a, b), merge(b, a))),
  );
  law(
    "merge is idempotent, and returns its first argument itself",
    fc.property(state, (a) => merge(a, a) === a),
  );
  law(
    "merge returns its first argument itself when the second adds nothing",
    fc.property(state, state, (a, b) => {
      const join = merge(a, b);
      assert.equal(merge(join, b), join);
      assert.equal(merge(join, a), join);
      if (same(join, a)) assert.equal(join, a);
    }),
  );
  law(
    "an equal state decoded from bytes adds nothing",
    fc.property(state, (a) => a === bottom || merge(a, decode(encode(a))) === a),
  );
  law(
    "bottom is the unit",
    fc.property(state, (a) => merge(a, bottom) === a && same(merge(bottom, a), a)),
  );
  law(
    "any order and repetition of deliveries gives one state",
    fc.property(fc.array(state, { maxLength: 6 }), fc.array(fc.nat(), { maxLength: 12 }), (states, repeats) => {
      const again = states.length === 0 ? [] : repeats.map((index) => states[index % states.length] as State);
      const forward = states.reduce(merge, bottom);
      const shuffled = [...again, ...states.toReversed()].reduce(merge, bottom);
      assert.ok(same(forward, shuffled));
    }),
  );
  law(
    "the encoding is canonical: equal states are equal bytes, and decoding gives the state back",
    fc.property(state, state, (a, b) => {
      if (a !== bottom) assert.ok(same(decode(encode(a)), a));
      if (merge(a, b) === a && merge(b, a) === b) assert.ok(same(a, b));
    }),
  );
  law(
    "equal hashes are equal states",
    fc.property(state, state, (a, b) => {
      fc.pre(a !== bottom && b !== bottom);
      const isSameState = merge(a, b) === a && merge(b, a) === b;
      assert.equal(equalBytes(hash128(1, encode(a)), hash128(1, encode(b))), isSameState);
    }),
  );
  law(
    "decoding arbitrary bytes gives a canonical state or MalformedBytes, never anything else",
    fc.property(fc.uint8Array({ maxLength: 64 }), (noise) => {
      try {
        const decoded = decode(Uint8Array.from([...(join.tag === undefined ? [] : [join.tag]), ...noise]));
        assert.ok(same(decode(encode(decoded)), decoded));
      } catch (error) {
        assert.ok(error instanceof MalformedBytes);
      }
    }),
  );
}

/** Rows of few cells, so that equal sort keys are common. */
function rowArbitrary<State>(state: fc.Arbitrary<State>, bottom: State, empty: Row<State>): fc.Arbitrary<Row<State>> {
  const sort = fc.uint8Array({ max: 2, maxLength: 2 });
  const selector = (cell: { sort: Uint8Array }) => Buffer.from(cell.sort).toString("hex");
  const cell = fc.record({ sort, state: state.filter((each) => each !== bottom) }, { noNullPrototype: true });
  return fc
    .uniqueArray(cell, { selector, maxLength: 3 })
    .map((cells) => (cells.length === 0 ? empty : cells.toSorted((a, b) => compareBytes(a.sort, b.sort))));
}

/** Holds `lattice` to the laws: those of its join, and those of its changes; and the row of it to those of a join. */
export function latticeLaws<State>(lattice: Lattice<State>, arbitraries: LatticeArbitraries<State>): void {
  const { state, op, stamp, context } = arbitraries;
  const { merge, mutate, bottom, encode } = lattice;
  const law = lawOf(lattice.name);
  const isAbove = (when: Stamp, before: State, seen: Context) =>
    [lattice.lastStamp(before), lastStampOf(seen)].every((last) => last === undefined || compareStamps(when, last) > 0);
  joinLaws(lattice, state);
  const row = rowOf(lattice);
  joinLaws(row, rowArbitrary(state, bottom, row.bottom));

  law(
    "mutate only moves up",
    fc.property(state, op, stamp, context, (before, change, when, seen) => {
      fc.pre(lattice.accepts(change.kind));
      const after = mutate(before, { op: change, stamp: when, context: seen });
      assert.equal(merge(after, before), after);
    }),
  );
  law(
    "mutate with a stamp above all others is seen",
    fc.property(state, op, stamp, context, (before, change, when, seen) => {
      fc.pre(lattice.accepts(change.kind) && isAbove(when, before, seen));
      const after = mutate(before, { op: change, stamp: when, context: seen });
      assert.deepEqual(lattice.lastStamp(after), when);
      assert.ok(covers(lattice.view(after, 0).context, when));
    }),
  );
  law(
    "who made a change has seen it, and no more than the state holds",
    fc.property(state, op, stamp, context, (before, change, when, seen) => {
      fc.pre(lattice.accepts(change.kind) && isAbove(when, before, seen));
      const made = { op: change, stamp: when, context: seen };
      const after = mutate(before, made);
      const shown = lattice.seenBy(after, made);
      assert.ok(covers(shown, when));
      assert.ok(includes(joinContexts(lattice.view(after, 0).context, seen), shown));
    }),
  );
  law(
    "a refusal is a function of state and change, and changes neither",
    fc.property(state, op, stamp, context, (before, change, when, seen) => {
      fc.pre(lattice.accepts(change.kind));
      const made = { op: change, stamp: when, context: seen };
      const bytes = before === bottom ? undefined : encode(before);
      const refusal = lattice.refusal(before, made, DEFAULT_LIMITS);
      assert.deepEqual(lattice.refusal(before, made, DEFAULT_LIMITS), refusal);
      if (bytes !== undefined) assert.deepEqual(encode(before), bytes);
      assert.equal(lattice.readsFirst(change, seen), lattice.readsFirst(change, seen));
    }),
  );
  law(
    "states in bytes are joined as states are",
    fc.property(state, state, (a, b) => checkMergeInBytes(lattice, a, b)),
  );
  law(
    "states in bytes are changed as states are, and refused for the same reasons",
    fc.property(state, op, stamp, context, fc.integer({ min: 1, max: 400 }), (before, change, when, seen, most) => {
      fc.pre(lattice.accepts(change.kind) && isAbove(when, before, seen));
      const limits = { ...DEFAULT_LIMITS, stateBytesMax: most };
      checkChangeInBytes(lattice, before, { op: change, stamp: when, context: seen }, limits);
    }),
  );
  law(
    "the first byte of an encoding is the lattice's tag",
    fc.property(state, (a) => a === bottom || encode(a)[0] === lattice.tag),
  );
  law(
    "a view is a function of state and time, and the dead show nothing",
    fc.property(state, fc.nat(), (a, nowMs) => {
      assert.deepEqual(lattice.view(a, nowMs), lattice.view(a, nowMs));
      if (lattice.isDead(a, nowMs)) assert.deepEqual(lattice.view(a, nowMs).contents, []);
    }),
  );
}
