/**
 * A causal state: what is kept, beside the context of all that was seen. Siblings, sets and maps are such, and differ
 * in what they keep.
 *
 * A change is joined like a state of its own that has seen its own dot and what
 * it takes away, and nothing else (a delta, as in the paper that dots.ts names).
 * So it can only move up, whatever it says. Then the dot goes into the vector:
 * the minter holds all that its actor minted before.
 */
import { type Context, contextOfDot, contextUpTo, joinContexts } from "./context.js";
import { renameSeen, type Sight, sightOf } from "./dots.js";
import type { Renaming } from "./ids.js";
import type { Change } from "./op.js";
import type { Stamp } from "./stamp.js";

/** Most are of values that were replaced long ago: a client has read those that are left, or wrote them last. */
const LONE_DOTS_TOLD_MAX = 64;

export interface Causal<Store> {
  readonly context: Context;
  readonly store: Store;
}

/** How a kind of store is joined. */
export interface Stores<Store> {
  readonly empty: Store;
  /** Returns `a` ITSELF when `b` changes nothing. */
  join(a: Store, b: Store, sight: Sight): Store;
  /** What is kept, once it is known that one change was minted under several stamps; `store` ITSELF when that changes nothing. */
  rename(store: Store, seen: Context, renaming: Renaming): Store;
  /** Whether nothing is kept: only what was removed may be remembered. */
  isNone(store: Store): boolean;
}

/** Returns `a` ITSELF when `b` adds nothing new. */
export function mergeCausal<Store>(stores: Stores<Store>, a: Causal<Store>, b: Causal<Store>): Causal<Store> {
  if (a === b) return a;
  const sight = sightOf(a.context, b.context);
  const store = stores.join(a.store, b.store, sight);
  return sight.both === a.context && store === a.store ? a : { context: sight.both, store };
}

/** See `rename` of a lattice. */
export function renameCausal<Store>(stores: Stores<Store>, state: Causal<Store>, renaming: Renaming): Causal<Store> {
  const context = renameSeen(state.context, renaming);
  const store = stores.rename(state.store, state.context, renaming);
  return context === state.context && store === state.store ? state : { context, store };
}

/** With a change that takes away what is in `taken`, and brings `brought` under the dot `stamp`. */
export function changeCausal<Store>(
  stores: Stores<Store>,
  { context, store }: Causal<Store>,
  stamp: Stamp,
  taken: Context,
  brought: Store,
): Causal<Store> {
  const both = joinContexts(joinContexts(context, taken), contextUpTo(stamp));
  const sight = { ours: context, theirs: joinContexts(taken, contextOfDot(stamp)), both };
  return { context: both, store: stores.join(store, brought, sight) };
}

/**
 * What a client has seen that was not shown what its change led to: all, unless something is left that it never saw.
 * Its own context stays in it: a change that was known already has not joined that context to the state, and without it
 * the client's next change would leave what the client had read. Of lone dots only the newest are told, or a client that
 * always sends what its last change answered would carry more and more; to have seen less takes nothing away.
 */
export function seenUnshown<Store>(stores: Stores<Store>, after: Causal<Store>, { context, stamp }: Change): Context {
  const seen = joinContexts(context, contextOfDot(stamp));
  const sight = { ours: after.context, theirs: seen, both: after.context };
  return stores.isNone(stores.join(after.store, stores.empty, sight))
    ? joinContexts(after.context, seen)
    : newestDots(seen);
}

function newestDots({ vector, dots }: Context): Context {
  return { vector, dots: dots.slice(-LONE_DOTS_TOLD_MAX) };
}
