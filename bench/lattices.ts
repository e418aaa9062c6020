/**
 * Lattices: what a state takes in bytes and in time, by its size; and that it does not grow with what was done to it.
 *
 * Whole states are stored, sent and merged. So a change costs its minter to
 * decode, change and encode the state, and every other owner to decode two,
 * merge and encode. Time is that of the CPU, for the machine has other things
 * to do; it includes the collection of garbage.
 */
import { utf8 } from "../src/base/bytes.js";
import { hash128 } from "../src/base/hash.js";
import { below } from "../src/base/random.js";
import { SeededRandom } from "../src/base/seeded.js";
import { counter } from "../src/lattice/counter.js";
import type { Lattice } from "../src/lattice/lattice.js";
import { map } from "../src/lattice/map.js";
import { BODY_BYTES, type ChangeId, type Op } from "../src/lattice/op.js";
import { set } from "../src/lattice/set.js";
import { siblings } from "../src/lattice/siblings.js";
import { withIds } from "../src/lattice/with-ids.js";
import type { BenchOptions, Column, Result, Row, Table } from "./report.js";
import { type Spread, spreadOf } from "./spread.js";

interface Subject<State> {
  readonly lattice: Lattice<State>;
  readonly sizes: readonly number[];
  /** Makes more of what the state is large by, one for each index. */
  grow(indices: readonly number[]): readonly Op[];
  /** A change as clients make them all the time, with the context of what is there. */
  change(index: number): Op;
  /** Whether each change has an Idempotency-Key of its own. */
  readonly isNamed?: boolean;
}

interface Plan {
  readonly sizeMax: number;
  readonly updates: number;
  readonly rounds: number;
  /** How often something small is done in one round. */
  readonly repeats: number;
}

const OWNERS = 3;
const FIRST_US = 1_790_000_000_000_000;

const put = (index: number): Op => {
  return { kind: "put", contentType: "text/plain", value: utf8(`value ${index}`), expiresAtMs: undefined };
};
const edit = (add: string[], remove: string[] = []): Op => ({ kind: "edit-set", add, remove });
const assign = (name: string, index: number) => [name, utf8(String(index))] as const;
const editMap = (set: (readonly [string, Uint8Array])[]): Op => {
  return { kind: "edit-map", set, counters: [], sets: [], maps: [], remove: [] };
};
const element = (index: number) => `element ${String(index).padStart(6, "0")}`;

const SIBLINGS = subject({ lattice: siblings, sizes: [10, 100], grow: (indices) => indices.map(put), change: put });
const COUNTER = subject({
  lattice: counter,
  sizes: [10],
  grow: (indices) => indices.map(() => ({ kind: "add", by: 1 })),
  change: () => ({ kind: "add", by: 1 }),
});
const NAMED = subject({
  lattice: withIds(counter),
  sizes: [100, 1000, 10_000],
  grow: COUNTER.grow,
  change: COUNTER.change,
  isNamed: true,
});
const SET = subject({
  lattice: set,
  sizes: [10, 1000, 100_000],
  grow: (indices) => [edit(indices.map(element))],
  change: (index) => (index % 2 === 0 ? edit(["guest"]) : edit([], ["guest"])),
});
const MAP = subject({
  lattice: map,
  sizes: [10, 1000, 100_000],
  grow: (indices) => [editMap(indices.map((index) => assign(element(index), index)))],
  change: (index) => editMap([assign(element(index % 10), index)]),
});

function subject<State>(it: Subject<State>): Subject<unknown> {
  return it as Subject<unknown>;
}

export async function run({ quick, tiny, onProgress }: BenchOptions): Promise<Result> {
  const plan: Plan = tiny
    ? { sizeMax: 10, updates: 100, rounds: 1, repeats: 10 }
    : { sizeMax: 100_000, updates: quick ? 30_000 : 1_000_000, rounds: quick ? 3 : 7, repeats: 10_000 };
  const subjects = [SIBLINGS, COUNTER, SET, MAP];
  const rows = [SIBLINGS, COUNTER, NAMED, SET, MAP].flatMap((each) => {
    return each.sizes
      .filter((size) => size <= plan.sizeMax)
      .map((size) => {
        onProgress?.(`${nameOf(each)} of ${size}`);
        return measure(each, size, plan);
      });
  });
  return {
    name: "lattices",
    command: "npm run bench -- lattices",
    title: "Lattices: bytes of a state, and CPU time of what is done to it",
    columns: [
      { name: "lattice", isLabel: true },
      { name: "of", isLabel: true, digits: 0 },
      { name: "bytes", digits: 0 },
      { name: "bytes each", digits: 1 },
      ...["mint us", "merge us", "encode us", "decode us", "join us", "change us"].map((name): Column => ({ name })),
    ],
    rows,
    more: [growth(subjects, plan, onProgress)],
    notes: [
      "mint: decode, change, encode, as the owner does that is asked. merge: decode two, join, encode, as the other owners do.",
      "Of: siblings, actors that count, Idempotency-Keys, elements of 14 bytes, registers with names of 14 bytes; written by three actors.",
    ],
    charted: "mint us",
  };
}

function nameOf({ lattice, isNamed }: Subject<unknown>): string {
  return isNamed === true ? `${lattice.name}, named` : lattice.name;
}

/** Of the change with this number, as if each had been asked for under a text of its own. */
function idOf({ isNamed }: Subject<unknown>, index: number): ChangeId | undefined {
  const hash = hash128(1, utf8(String(index)));
  return isNamed === true ? { id: hash, body: hash.subarray(0, BODY_BYTES) } : undefined;
}

function measure(it: Subject<unknown>, size: number, plan: Plan): Row {
  const { lattice, change } = it;
  const state = grown(it, size);
  const bytes = lattice.encode(state);
  const { context } = lattice.view(state, 0);
  const stamp = { timeUs: FIRST_US + size * 1000, actor: 1n };
  const id = idOf(it, size);
  const changed = () => lattice.mutate(state, { op: change(0), stamp, context, id });
  const theirs = lattice.encode(changed());
  const timed = (work: () => unknown) => cpuMicros(work, plan, size);
  return {
    ...{ lattice: nameOf(it), of: size, bytes: bytes.length, "bytes each": bytes.length / size },
    "mint us": timed(() => {
      const held = lattice.decode(bytes);
      lattice.encode(lattice.mutate(held, { op: change(0), stamp, context, id }));
    }),
    "merge us": timed(() => lattice.encode(lattice.merge(lattice.decode(bytes), lattice.decode(theirs)))),
    "encode us": timed(() => lattice.encode(state)),
    "decode us": timed(() => lattice.decode(bytes)),
    "join us": timed(() => lattice.merge(state, lattice.decode(theirs))),
    "change us": timed(changed),
  };
}

/** A state of this size, to which each owner contributed; nobody saw another's last writes. */
function grown(it: Subject<unknown>, size: number): unknown {
  const { lattice, grow } = it;
  const owners = lattice === COUNTER.lattice ? size : OWNERS;
  const { context } = lattice.view(lattice.bottom, 0);
  let all = lattice.bottom;
  for (let owner = 0; owner < owners; owner++) {
    const indices = Array.from({ length: size }, (_, index) => index).filter((index) => index % owners === owner);
    let part = lattice.bottom;
    grow(indices).forEach((op, at) => {
      const stamp = { timeUs: FIRST_US + (at * owners + owner) * 1000, actor: BigInt(owner) << 58n };
      part = lattice.mutate(part, { op, stamp, context, id: idOf(it, at * owners + owner) });
    });
    all = lattice.merge(all, part);
  }
  return all;
}

function cpuMicros(work: () => unknown, { rounds, repeats }: Plan, size: number): Spread {
  const times = Math.max(1, Math.floor(repeats / size));
  const micros: number[] = [];
  for (let round = 0; round <= rounds; round++) {
    const before = process.cpuUsage();
    for (let time = 0; time < times; time++) work();
    const { user, system } = process.cpuUsage(before);
    // The first round warms up.
    if (round > 0) micros.push(Math.max(1, user + system) / times);
  }
  return spreadOf(micros);
}

/** Bytes of one key after many updates: by one of a few actors each, on top of what one of the others holds. */
function growth(subjects: readonly Subject<unknown>[], { updates }: Plan, onProgress?: (text: string) => void): Table {
  const rows = subjects.flatMap((each) =>
    [3, 30].map((actors) => {
      onProgress?.(`${each.lattice.name}: ${updates} updates by ${actors} actors`);
      const [early, late] = [after(each, actors, Math.floor(updates / 10)), after(each, actors, updates)];
      return { lattice: each.lattice.name, actors, updates, bytes: late, "after a tenth": early };
    }),
  );
  return {
    title: "Bytes of a key after many updates, by clients who had read it",
    columns: [
      { name: "lattice", isLabel: true },
      ...["actors", "updates"].map((name): Column => ({ name, isLabel: true, digits: 0 })),
      ...["bytes", "after a tenth"].map((name): Column => ({ name, digits: 0 })),
    ],
    rows,
  };
}

function after({ lattice, change }: Subject<unknown>, actors: number, updates: number): number {
  const random = new SeededRandom(1);
  const owners = new Array<unknown>(actors).fill(lattice.bottom);
  for (let index = 0; index < updates; index++) {
    const [owner, other] = [below(random, actors), below(random, actors)];
    const held = lattice.merge(owners[owner], owners[other]);
    const { context } = lattice.view(held, 0);
    const stamp = { timeUs: FIRST_US + index * 1000, actor: BigInt(owner) << 58n };
    owners[owner] = lattice.mutate(held, { op: change(index), stamp, context });
  }
  const all = owners.reduce((merged, owner) => lattice.merge(merged, owner));
  return lattice.encode(all).length;
}
