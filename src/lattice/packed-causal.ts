/**
 * Changes and joins of packed states (set, map), of which only those entries are read that are looked at.
 *
 * A state of 100,000 elements takes a tenth of a second to read and write, and a
 * change is about one of them; two owners' states differ in a few. Entries stand
 * in the order of their names, and what the bytes of one mean depends on nothing
 * but the table of stamps. So the bytes of all others are copied, and what comes
 * out is the very encoding that a join of whole states would have given.
 *
 * It gives up, and everything is read, where entries beyond those looked at may change: when the
 * table would be another one (an actor's first change, the end of the earliest
 * one), and while removals are remembered beside entries.
 */
import type { Causal } from "./causal.js";
import { type Context, lastStampOf } from "./context.js";
import { type Entries, entryAt, type Store, sightOf } from "./dots.js";
import type { ChangedBytes, MergedBytes } from "./lattice.js";
import type { Change, OpRefusal } from "./op.js";
import { differenceOf } from "./packed-difference.js";
import type { StampUnpacker } from "./packed-stamps.js";
import { Packed, type Packing, type Slot } from "./packed-state.js";
import type { Stamp } from "./stamp.js";

export function contextPacked<Inner extends Store>(packing: Packing<Inner>, state: Uint8Array): Context {
  return new Packed(packing, state).context;
}

/** As `lastStamp` of a lattice; undefined when that takes reading it all. */
export function lastStampPacked<Inner extends Store>(packing: Packing<Inner>, state: Uint8Array): Stamp | undefined {
  const { skimmer, context, count } = new Packed(packing, state);
  for (let left = count; left > 0; left--) skimmer.entry(packing.skim);
  return skimmer.metRemoved ? undefined : lastStampOf(context);
}

/** How a change is refused, or made, of some entries beside others of so many bytes in all. */
export interface ChangePart<Inner extends Store> {
  refusal(part: Causal<Entries<Inner>>, elsewhereBytes: number): OpRefusal | undefined;
  mutate(part: Causal<Entries<Inner>>): Causal<Entries<Inner>>;
}

export function changePacked<Inner extends Store>(
  packing: Packing<Inner>,
  state: Uint8Array,
  change: Change,
  { refusal, mutate }: ChangePart<Inner>,
): OpRefusal | ChangedBytes | undefined {
  const names = packing.namesIn(change.op);
  if (names === undefined) return undefined;
  const packed = new Packed(packing, state);
  const found = find(packed, names);
  if (found === undefined) return undefined;
  const store = found.slots.flatMap((slot) => packed.read(slot) ?? []);
  const before = { context: packed.context, store };
  const refused = refusal(before, found.elsewhereBytes);
  if (refused !== undefined) return refused;
  const after = mutate(before);
  const patches = found.slots.map((slot, index) => ({ slot, entry: entryAt(after.store, names[index] as string) }));
  const bytes = packed.patched(after.context, patches, found.keepsEarliest);
  return bytes === undefined ? undefined : { state: bytes, seen: after.context };
}

/** Where entries of these names are, or would be; undefined when some remember removals. */
function find<Inner extends Store>({ packing, skimmer, count, start, end }: Packed<Inner>, names: readonly string[]) {
  const slots: Slot[] = [];
  let [elsewhereBytes, keepsEarliest, from] = [0, false, start];
  for (let left = count; left > 0; left--, from = skimmer.position) {
    skimmer.metEarliest = false;
    const entry = skimmer.entry(packing.skim);
    let order = 1;
    while (slots.length < names.length && order > 0) {
      order = skimmer.compareName(entry, names[slots.length] as string);
      if (order > 0) slots.push({ from, to: from });
    }
    if (order === 0) {
      slots.push({ from, to: skimmer.position });
      continue;
    }
    keepsEarliest ||= skimmer.metEarliest;
    elsewhereBytes += entry.nameEnd - entry.nameAt + entry.storeBytes;
  }
  while (slots.length < names.length) slots.push({ from: end, to: end });
  return skimmer.metRemoved ? undefined : { slots, elsewhereBytes, keepsEarliest };
}

export function mergePacked<Inner extends Store>(
  packing: Packing<Inner>,
  a: Uint8Array,
  b: Uint8Array,
): MergedBytes | undefined {
  const [ours, theirs] = [new Packed(packing, a), new Packed(packing, b)];
  const difference = isSameTable(ours.stamps, theirs.stamps) ? differenceOf(ours, theirs) : undefined;
  if (difference === undefined) return undefined;
  const differing = difference.entries.map((each) => {
    const [left, right] = [ours.read(each.ours), theirs.read(each.theirs)];
    return { slot: each.ours, left, right, name: left?.name ?? right?.name ?? "" };
  });
  const left = differing.flatMap((each) => each.left ?? []);
  const right = differing.flatMap((each) => each.right ?? []);
  const sight = sightOf(ours.context, theirs.context);
  const joined = packing.stores.join(left, right, sight);
  const theirLast = lastStampOf(theirs.context);
  if (sight.both === ours.context && joined === left) return { state: a, theirLast };
  const patches = differing.map(({ slot, name }) => ({ slot, entry: entryAt(joined, name) }));
  const state = ours.patched(sight.both, patches, difference.keepsEarliest);
  return state === undefined ? undefined : { state, theirLast };
}

function isSameTable(ours: StampUnpacker, theirs: StampUnpacker): boolean {
  const isSame = ours.actors.length === theirs.actors.length && ours.earliestUs === theirs.earliestUs;
  return isSame && ours.actors.every((actor, number) => actor === theirs.actors[number]);
}
