/**
 * The heart: every stored value is an element of a join-semilattice.
 *
 * `merge` is associative, commutative and idempotent, and every replica holds a
 * state that only moves up. From that alone follow convergence, read repair,
 * hints, hand-off and anti-entropy: they all send states and merge them, in any
 * order, any number of times. Nobody above this folder asks which lattice a
 * bucket has. The laws are in laws.ts; every lattice is held to them.
 *
 * Absence is `bottom`. Failure is not a state: an error, a timeout or an
 * unreadable row is never merged and never counts.
 */
import type { Limits } from "../config.js";
import type { Context } from "./context.js";
import type { Renaming } from "./ids.js";
import type { Change, Op, OpRefusal } from "./op.js";
import type { Stamp } from "./stamp.js";

/** One value as a client gets it. */
export interface Content {
  readonly contentType: string;
  readonly value: Uint8Array;
}

/** What a client sees of a state: no content is "not found", several are siblings. */
export interface View {
  readonly contents: readonly Content[];
  /** What a client sends back to supersede all that it saw. It outlives a delete. */
  readonly context: Context;
}

/** What a client may make of a key. */
export type GrowthLimits = Pick<Limits, "siblingsMax" | "elementBytesMax" | "stateBytesMax" | "keptIdsMax">;

export interface Lattice<State> {
  /** As in cluster.yaml. */
  readonly name: string;
  /** First byte of every encoded state; an encoding is frozen for ever under its tag. */
  readonly tag: number;
  /** True when `mutate` does not look at the present state, so that a coordinator may mint by itself. */
  readonly blind: boolean;
  /** What a replica that holds nothing answers. */
  readonly bottom: State;
  /** The join. Returns `a` ITSELF when `b` adds nothing new. */
  merge(a: State, b: State): State;
  /** Whether this lattice knows `kind`; a client's other wishes are 409 type-mismatch. */
  accepts(kind: Op["kind"]): boolean;
  /** Whether the coordinator must read first what this change is to act on: a QUORUM of the owners, not the minter alone. */
  readsFirst(op: Op, context: Context): boolean;
  /**
   * Whether two owners may each make it, if it has an id, and one of them late. Not if it takes away what its minter
   * holds rather than what its client has seen: the later one would take what was acknowledged in between.
   */
  isRepeatable(op: Op, context: Context): boolean;
  /** Why `state` does not take this change; undefined when it does. Merges are never refused. */
  refusal(state: State, change: Change, limits: GrowthLimits): OpRefusal | undefined;
  /** The state after a change, never below `state`. Runs only where the stamp is minted. */
  mutate(state: State, change: Change): State;
  /** What a client has seen once its change made `after`: never more than it was shown, or may supersede. */
  seenBy(after: State, change: Change): Context;
  /** What a client sees at `nowMs` (milliseconds since 1970). */
  view(state: State, nowMs: number): View;
  /** True when nothing but a tombstone is left: the reaper may look at it. */
  isDead(state: State, nowMs: number): boolean;
  /** The highest stamp in `state`; undefined for bottom. It raises the clock of whoever sees it. */
  lastStamp(state: State): Stamp | undefined;
  /** Canonical: equal states <=> equal bytes. Bottom is never encoded. */
  encode(state: State): Uint8Array;
  /** Throws MalformedBytes on what `encode` cannot have written. */
  decode(bytes: Uint8Array): State;
  /**
   * The same state, had it known that one change was minted under several stamps. Absent where nobody can tell a change
   * from what it replaced: there a change that is minted twice is made twice.
   */
  rename?(state: State, renaming: Renaming): State;
  /** What of the changes up to `upToUs` is kept apart by their stamps for `rename` alone, as bytes; none: nothing. */
  apartUpTo?(state: State, upToUs: number): Uint8Array;
  /** The same state, with that put together under the last of these stamps. */
  fold?(state: State, upToUs: number): State;
  /** Absent where reading a whole state costs little, whatever there is in it. */
  readonly packed?: PackedLattice;
}

/** What is done to encoded states without reading all of them. Each gives what the lattice would, or undefined where it has to be asked. */
export interface PackedLattice {
  /** What has been seen by whoever saw the state. */
  context(state: Uint8Array): Context;
  lastStamp(state: Uint8Array): Stamp | undefined;
  merge(a: Uint8Array, b: Uint8Array): MergedBytes | undefined;
  change(state: Uint8Array, change: Change, limits: GrowthLimits): OpRefusal | ChangedBytes | undefined;
}

/** What two encoded states came to. */
export interface MergedBytes {
  /** The first ITSELF when the second adds nothing. */
  readonly state: Uint8Array;
  readonly theirLast: Stamp | undefined;
}

/** What an encoded state was changed to: ITSELF, if the change had been made. */
export interface ChangedBytes {
  readonly state: Uint8Array;
  /** As `seenBy`. */
  readonly seen: Context;
}
