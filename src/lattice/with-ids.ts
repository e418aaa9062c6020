/**
 * Any lattice, with the ids of its changes: a change that a client names counts once, whoever minted it.
 *
 * The ids lie beside the state that they are about, in one row, and merge with
 * it. So there is no moment at which a change is made and not known, or known
 * and not made. Who knows an id makes no second change of it. Two owners that
 * did not know of each other may both make it: when they merge, the earlier
 * stamp is the one that counts, and what lies under the later one is renamed to
 * it (`rename`), wherever it has come to since. So the two become one, together
 * with all that was done to either. A register has no such past to look into:
 * there the second change is one more.
 *
 * Ids are forgotten in an agreed way (replica/reaper.ts). `floorUs` tells up to
 * which stamps that was done; a state with a lower floor is raised to the same one before
 * it is merged. This holds only because all owners held the same of those ids.
 *
 * Without ids and floor, a state is the inner state itself, and so are its bytes.
 */
import { MalformedBytes, NO_BYTES, Reader, Writer } from "../base/bytes.js";
import { type Context, covers } from "./context.js";
import {
  findId,
  type Ids,
  idsAfter,
  joinIds,
  NO_IDS,
  type Renaming,
  readIds,
  seenUnderAnyStamp,
  timeOfAllBut,
  withId,
  writeIds,
} from "./ids.js";
import type { ChangedBytes, GrowthLimits, Lattice, MergedBytes, PackedLattice } from "./lattice.js";
import type { Change, OpRefusal } from "./op.js";

const TAG = 7;

/** A state that has ids, or had some that were forgotten. */
class Identified<State> {
  constructor(
    /** Ids of changes first made up to this time are forgotten; 0: none. */
    readonly floorUs: number,
    readonly ids: Ids,
    readonly inner: State,
  ) {}
}

export type WithIds<State> = State | Identified<State>;

/** What forgetting ids needs of a lattice. */
export interface Forgetting<State> {
  /** Up to which time ids are to be forgotten: of what was made up to `beforeUs`, and of all but the last `idsKept`. 0: none. */
  forgettableUs(state: State, beforeUs: number, idsKept: number): number;
  /** All that `forget` would change, as bytes: what owners must agree on. */
  forgettable(state: State, upToUs: number): Uint8Array;
  /** Without the ids of changes first made up to then. Not a move up: see replica/reaper.ts. */
  forget(state: State, upToUs: number): State;
}

/** Whether an encoded state may have ids, at a glance: most have none. */
export function mayHaveIds(encoded: Uint8Array): boolean {
  return encoded[0] === TAG;
}

export interface LatticeWithIds<State> extends Lattice<State>, Forgetting<State> {
  /** Whether nothing is left to be shown, though ids may be remembered. */
  isAbsent(state: State, nowMs: number): boolean;
}

export function withIds<State>(inner: Lattice<State>): LatticeWithIds<WithIds<State>> {
  return {
    name: inner.name,
    tag: inner.tag,
    blind: inner.blind,
    bottom: inner.bottom,
    merge: (a, b) => merge(inner, a, b),
    accepts: (kind) => inner.accepts(kind),
    readsFirst: (op, context) => inner.readsFirst(op, context),
    isRepeatable: (op, context) => inner.isRepeatable(op, context),
    refusal: (state, change, limits) => refusal(inner, state, change, limits),
    mutate: (state, change) => mutate(inner, state, change),
    seenBy: (after, change) => inner.seenBy(innerOf(after), withAllSeen(idsOf(after), asFirstMade(after, change))),
    view: (state, nowMs) => inner.view(innerOf(state), nowMs),
    isAbsent: (state, nowMs) => inner.isDead(innerOf(state), nowMs),
    // A delete that is asked for again must not find that nobody remembers it.
    isDead: (state, nowMs) => idsOf(state).length === 0 && inner.isDead(innerOf(state), nowMs),
    lastStamp: (state) => inner.lastStamp(innerOf(state)),
    encode: (state) => encode(inner, state),
    decode: (bytes) => decode(inner, bytes),
    forgettableUs: (state, beforeUs, idsKept) => forgettableUs(idsOf(state), beforeUs, idsKept),
    forgettable: (state, upToUs) => forgettable(inner, state, upToUs),
    forget: (state, upToUs) => raised(inner, state, upToUs),
    ...(inner.packed === undefined ? {} : { packed: packedWithIds(inner.packed) }),
  };
}

function merge<State>(inner: Lattice<State>, a: WithIds<State>, b: WithIds<State>): WithIds<State> {
  if (!(a instanceof Identified) && !(b instanceof Identified)) return inner.merge(a, b);
  if (a === b || b === inner.bottom) return a;
  if (a === inner.bottom) return b;
  const floorUs = Math.max(floorOf(a), floorOf(b));
  const [ours, theirs] = [raised(inner, a, floorUs), raised(inner, b, floorUs)];
  const { ids, inOurs, inTheirs } = joinIds(ours.ids, theirs.ids);
  const state = inner.merge(renamed(inner, ours.inner, inOurs), renamed(inner, theirs.inner, inTheirs));
  const isOurs = ours === a && ids === ours.ids && state === ours.inner;
  return isOurs ? a : new Identified(floorUs, ids, state);
}

/** As if up to that time ids had been forgotten; `state` ITSELF when they are. */
function raised<State>(inner: Lattice<State>, state: WithIds<State>, floorUs: number): Identified<State> {
  if (state instanceof Identified && state.floorUs >= floorUs) return state;
  const held = innerOf(state);
  return new Identified(floorUs, idsAfter(idsOf(state), floorUs), inner.fold?.(held, floorUs) ?? held);
}

function renamed<State>(inner: Lattice<State>, state: State, renamings: readonly Renaming[]): State {
  if (inner.rename === undefined) return state;
  let after = state;
  for (const renaming of renamings) after = inner.rename(after, renaming);
  return after;
}

function refusal<State>(
  inner: Lattice<State>,
  state: WithIds<State>,
  change: Change,
  limits: GrowthLimits,
): OpRefusal | undefined {
  const refused = refusalOfId(idsOf(state), change, limits);
  if (refused !== undefined) return refused;
  // What was made once is not refused for what came of it.
  if (isMade(idsOf(state), change)) return undefined;
  return inner.refusal(innerOf(state), asMade(state, change), limits);
}

function refusalOfId(ids: Ids, { id }: Change, limits: GrowthLimits): OpRefusal | undefined {
  const known = id === undefined ? undefined : findId(ids, id);
  if (known === "other-body") {
    return { kind: "id-reused", detail: "another operation was made of this key under the same Idempotency-Key" };
  }
  if (id !== undefined && known === undefined && ids.length >= 2 * limits.keptIdsMax) {
    const detail = `the key remembers ${ids.length} changes by their Idempotency-Key, twice as many as it keeps (keptIdsMax); wait until some are forgotten`;
    return { kind: "too-many-ids", detail };
  }
  return undefined;
}

function isMade(ids: Ids, { id }: Change): boolean {
  return id !== undefined && findId(ids, id) !== undefined;
}

function mutate<State>(inner: Lattice<State>, state: WithIds<State>, change: Change): WithIds<State> {
  const { id, stamp } = change;
  const ids = idsOf(state);
  if (isMade(ids, change)) return state;
  const after = inner.mutate(innerOf(state), asMade(state, change));
  if (id === undefined && !(state instanceof Identified)) return after;
  return new Identified(floorOf(state), id === undefined ? ids : withId(ids, id, stamp), after);
}

/** A change as the state within gets it. */
function asMade<State>(state: WithIds<State>, change: Change): Change {
  const told = withAllSeen(idsOf(state), change);
  return told.id === undefined ? told : { ...told, floorUs: floorOf(state) };
}

/** Whoever has seen a change under one stamp has seen it under that which counts. */
function withAllSeen(ids: Ids, change: Change): Change {
  const context = seenUnderAnyStamp(ids, change.context);
  return context === change.context ? change : { ...change, context };
}

/** The change as it was made when it was asked for the first time. */
function asFirstMade<State>(after: WithIds<State>, change: Change): Change {
  const first = change.id === undefined ? undefined : findId(idsOf(after), change.id);
  return first === undefined || first === "other-body" ? change : { ...change, stamp: first };
}

function encode<State>(inner: Lattice<State>, state: WithIds<State>): Uint8Array {
  return state instanceof Identified ? bytesOf({ ...state, inner: inner.encode(state.inner) }) : inner.encode(state);
}

function decode<State>(inner: Lattice<State>, bytes: Uint8Array): WithIds<State> {
  const opened = open(bytes);
  if (!(opened instanceof Identified)) return inner.decode(opened);
  return new Identified(opened.floorUs, opened.ids, inner.decode(opened.inner));
}

function bytesOf({ floorUs, ids, inner }: Identified<Uint8Array>): Uint8Array {
  const writer = new Writer(16 + 40 * ids.length + inner.length).u8(TAG).u53(floorUs);
  writeIds(writer, ids);
  return writer.raw(inner).finish();
}

/** What of an encoded state is not of the lattice within. */
function open(bytes: Uint8Array): WithIds<Uint8Array> {
  if (!mayHaveIds(bytes)) return bytes;
  const reader = new Reader(bytes);
  reader.u8();
  const floorUs = reader.u53();
  const ids = readIds(reader);
  if (floorUs === 0 && ids.length === 0) throw new MalformedBytes("ids, and none of them");
  if (idsAfter(ids, floorUs) !== ids) throw new MalformedBytes("an id that is forgotten");
  return new Identified(floorUs, ids, reader.rest());
}

function packedWithIds(inner: PackedLattice): PackedLattice {
  return {
    context: (state) => inner.context(innerOf(open(state))),
    lastStamp: (state) => inner.lastStamp(innerOf(open(state))),
    merge: (a, b) => mergePacked(inner, a, b),
    change: (state, change, limits) => changePacked(inner, state, change, limits),
  };
}

function mergePacked(inner: PackedLattice, a: Uint8Array, b: Uint8Array): MergedBytes | undefined {
  const [ours, theirs] = [open(a), open(b)];
  if (floorOf(ours) !== floorOf(theirs)) return undefined;
  const { ids, inOurs, inTheirs } = joinIds(idsOf(ours), idsOf(theirs));
  if (!isNew(inOurs, inner.context(innerOf(ours))) || !isNew(inTheirs, inner.context(innerOf(theirs))))
    return undefined;
  const merged = inner.merge(innerOf(ours), innerOf(theirs));
  if (merged === undefined || (merged.state === innerOf(ours) && ids === idsOf(ours))) {
    return merged && { ...merged, state: a };
  }
  const hasIds = ours instanceof Identified || theirs instanceof Identified;
  return hasIds ? { ...merged, state: bytesOf(new Identified(floorOf(ours), ids, merged.state)) } : merged;
}

/** Whether nobody who has seen so much has met any of these changes, under whatever stamp: then nothing is renamed. */
function isNew(renamings: readonly Renaming[], seen: Context): boolean {
  return renamings.every(({ from, learnt }) => from === undefined && !learnt.some((dot) => covers(seen, dot)));
}

function changePacked(
  inner: PackedLattice,
  state: Uint8Array,
  change: Change,
  limits: GrowthLimits,
): OpRefusal | ChangedBytes | undefined {
  const opened = open(state);
  const ids = idsOf(opened);
  const refused = refusalOfId(ids, change, limits);
  if (refused !== undefined || isMade(ids, change)) return refused;
  const changed = inner.change(innerOf(opened), asMade(opened, change), limits);
  if (changed === undefined || "kind" in changed) return changed;
  const { id, stamp } = change;
  if (id === undefined && !(opened instanceof Identified)) return changed;
  const after = id === undefined ? ids : withId(ids, id, stamp);
  return { ...changed, state: bytesOf(new Identified(floorOf(opened), after, changed.state)) };
}

function forgettableUs(ids: Ids, beforeUs: number, idsKept: number): number {
  const upToUs = Math.max(timeOfAllBut(ids, idsKept), beforeUs);
  return idsAfter(ids, upToUs) === ids ? 0 : upToUs;
}

function forgettable<State>(inner: Lattice<State>, state: WithIds<State>, upToUs: number): Uint8Array {
  const writer = new Writer().u53(upToUs);
  writeIds(
    writer,
    idsOf(state).filter(({ dots }) => dots[0].timeUs <= upToUs),
  );
  return writer.raw(inner.apartUpTo?.(innerOf(state), upToUs) ?? NO_BYTES).finish();
}

function innerOf<State>(state: WithIds<State>): State {
  return state instanceof Identified ? state.inner : state;
}

function idsOf<State>(state: WithIds<State>): Ids {
  return state instanceof Identified ? state.ids : NO_IDS;
}

function floorOf<State>(state: WithIds<State>): number {
  return state instanceof Identified ? state.floorUs : 0;
}
