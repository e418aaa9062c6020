/**
 * The row: many cells under one partition key, in the order of their sort keys (a wide row, as in Bigtable and
 * Cassandra).
 *
 * It is the pointwise map of another lattice over sort keys: a cell that is not
 * there is that lattice's bottom. Each cell is stored under an address of its
 * own, so that writes, trees and hints know cells only; a row as a whole is
 * never changed. It is what a range read puts together, cell by cell.
 */
import { compareBytes, MalformedBytes, Reader, Writer } from "../base/bytes.js";
import { joinSorted } from "./join-sorted.js";
import type { Lattice } from "./lattice.js";

export interface Cell<State> {
  readonly sort: Uint8Array;
  /** Never bottom. */
  readonly state: State;
}

/** In ascending order of sort keys, by their bytes, none twice. */
export type Row<State> = readonly Cell<State>[];

export type RowLattice<State> = Pick<Lattice<Row<State>>, "name" | "tag" | "bottom" | "merge" | "encode" | "decode">;

const TAG = 6;

/** The row of cells that are states of `cells`. */
export function rowOf<State>(cells: Pick<Lattice<State>, "name" | "merge" | "encode" | "decode">): RowLattice<State> {
  return {
    name: `row of ${cells.name}`,
    tag: TAG,
    bottom: [],
    merge: (a, b) => merge(a, b, cells.merge),
    encode: (row) => {
      if (row.length === 0) throw new TypeError("bottom is not encoded");
      return encodeCells(row.map(({ sort, state }) => ({ sort, state: cells.encode(state) })));
    },
    decode: (bytes) => decodeCells(bytes).map(({ sort, state }) => ({ sort, state: cells.decode(state) })),
  };
}

/** The encoding of a row, from its cells' encoded states: whoever stores them does not look into them. */
export function encodeCells(cells: Row<Uint8Array>): Uint8Array {
  const writer = new Writer().u8(TAG);
  for (const { sort, state } of cells) writer.u16(sort.length).raw(sort).long(state);
  return writer.finish();
}

function decodeCells(bytes: Uint8Array): Row<Uint8Array> {
  const reader = new Reader(bytes);
  if (reader.u8() !== TAG || reader.remaining === 0) throw new MalformedBytes("not a row");
  const cells: Cell<Uint8Array>[] = [];
  while (reader.remaining > 0) {
    const sort = reader.raw(reader.u16());
    const last = cells.at(-1);
    if (last !== undefined && compareBytes(last.sort, sort) >= 0) throw new MalformedBytes("cells out of order");
    cells.push({ sort, state: reader.long() });
  }
  return cells;
}

/** Where cells of both are joined, cells of either are kept. Returns `a` ITSELF when `b` adds nothing. */
function merge<State>(a: Row<State>, b: Row<State>, join: (a: State, b: State) => State): Row<State> {
  if (a === b || b.length === 0) return a;
  return joinSorted(a, b, compareSorts, (ours, theirs) => {
    if (ours === undefined || theirs === undefined) return ours ?? theirs;
    const state = join(ours.state, theirs.state);
    return state === ours.state ? ours : { sort: ours.sort, state };
  });
}

function compareSorts(a: Pick<Cell<unknown>, "sort">, b: Pick<Cell<unknown>, "sort">): number {
  return compareBytes(a.sort, b.sort);
}
