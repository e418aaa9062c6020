/**
 * Which lattice a bucket's `type` names. The one place that knows them all;
 * everyone else holds a `Lattice` and does not ask which.
 */
import { counter } from "./counter.js";
import type { Lattice } from "./lattice.js";
import { map } from "./map.js";
import { register } from "./register.js";
import { set } from "./set.js";
import { siblings } from "./siblings.js";
import { type LatticeWithIds, withIds } from "./with-ids.js";

/** A lattice whose state only it understands. */
export type AnyLattice = LatticeWithIds<unknown>;

const BUILT: readonly AnyLattice[] = [register, siblings, counter, set, map].map((each) =>
  withIds(each as Lattice<unknown>),
);

/** What a row's cells may be. */
export const CELL_TYPES: readonly string[] = BUILT.map((lattice) => lattice.name);

/** A row (row.ts) is the lattice of a whole partition key; what is stored of it are its cells. */
export const ROW = "row";

export const BUILT_TYPES: readonly string[] = [...CELL_TYPES, ROW];

export function latticeNamed(name: string): AnyLattice | undefined {
  return BUILT.find((lattice) => lattice.name === name);
}
