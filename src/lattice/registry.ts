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

/** The types of DESIGN that are still to come: refused by name, not as a misspelling. */
export const PLANNED_TYPES = ["row"] as const;

export const BUILT_TYPES: readonly string[] = BUILT.map((lattice) => lattice.name);

export function latticeNamed(name: string): AnyLattice | undefined {
  return BUILT.find((lattice) => lattice.name === name);
}
