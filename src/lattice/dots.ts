/**
 * What is kept under dots: things that each live until somebody who has seen them replaces them (the causal
 * dot stores of Almeida, Shoker and Baquero, "Delta state replicated data types", 2018, section 6).
 *
 * A kept thing is its dot with something to it; a store is a list of such
 * things, or of named entries that are stores again. All stand beside one
 * context, which says what has been seen. So each dot goes one way: not seen,
 * then kept, then seen and no longer kept. Nothing remains of what is gone but
 * the context, which grows with the actors and not with what they do.
 *
 * Who removes an entry may have seen more of it than the owner that notes the
 * removal. The entry then carries by itself what was seen of it (`removed`),
 * until the context has caught up; and nothing is said of other entries.
 */
import { type Context, contextOfDot, covers, EMPTY_CONTEXT, isEmptyContext, joinContexts } from "./context.js";
import type { Renaming } from "./ids.js";
import { joinSorted } from "./join-sorted.js";
import type { Change } from "./op.js";
import { compareStamps, type Stamp } from "./stamp.js";

/** What either side of a join has seen, and what is seen once they are one. */
export interface Sight {
  readonly ours: Context;
  readonly theirs: Context;
  readonly both: Context;
}

/** Some things or entries; none is the empty list, and an entry of none is no entry. */
export type Store = readonly unknown[];

/** A store under a name: a text as one character for each byte of its UTF-8, so that names are ordered as these bytes are. */
export interface Entry<Inner extends Store> {
  readonly name: string;
  readonly store: Inner;
  /** What was seen of this entry, beyond all that is seen, by those who removed it. */
  readonly removed: Context;
}

/** In ascending order of names, none twice. */
export type Entries<Inner extends Store> = readonly Entry<Inner>[];

export type JoinStores<Inner extends Store> = (name: string, a: Inner, b: Inner, sight: Sight) => Inner;

export function sightOf(ours: Context, theirs: Context): Sight {
  return { ours, theirs, both: joinContexts(ours, theirs) };
}

/**
 * What is left of both: what both keep, and what one keeps and the other has not seen. Returns `a` ITSELF when it is
 * all of that. `pick` takes one of two that have one dot: only damaged or hand-made states do, but the join must be
 * total. Things are in ascending order of their dots, none twice.
 */
export function joinKept<Kept extends Stamp>(
  a: readonly Kept[],
  b: readonly Kept[],
  { ours: seenByA, theirs: seenByB }: Sight,
  pick: (ours: Kept, theirs: Kept) => Kept = (ours) => ours,
): readonly Kept[] {
  if (b.length === 0) return unseenOf(a, seenByB);
  if (a.length === 0) return b.every((one) => covers(seenByA, one)) ? a : unseenOf(b, seenByA);
  if (isOne(a) && isOne(b) && compareStamps(a[0], b[0]) === 0 && pick(a[0], b[0]) === a[0]) return a;
  return joinSorted(a, b, compareStamps, (ours, theirs) => {
    if (ours === undefined) return unlessSeen(theirs as Kept, seenByA);
    return theirs === undefined ? unlessSeen(ours, seenByB) : pick(ours, theirs);
  });
}

/** As nearly all elements are that two states have in common. */
function isOne<Kept>(kept: readonly Kept[]): kept is readonly [Kept] {
  return kept.length === 1;
}

/** What of `kept` is not in `seen`; `kept` ITSELF when that is all. */
export function unseenOf<Kept extends Stamp>(kept: readonly Kept[], seen: Context): readonly Kept[] {
  return kept.some((one) => covers(seen, one)) ? kept.filter((one) => !covers(seen, one)) : kept;
}

function unlessSeen<Kept extends Stamp>(kept: Kept, seen: Context): Kept | undefined {
  return covers(seen, kept) ? undefined : kept;
}

/** The same for entries, store by store. Returns `a` ITSELF when `b` changes nothing. */
export function joinEntries<Inner extends Store>(
  a: Entries<Inner>,
  b: Entries<Inner>,
  sight: Sight,
  join: JoinStores<Inner>,
): Entries<Inner> {
  return joinSorted(a, b, compareNames, (ours, theirs) => joinEntry(ours, theirs, sight, join));
}

function joinEntry<Inner extends Store>(
  ours: Entry<Inner> | undefined,
  theirs: Entry<Inner> | undefined,
  sight: Sight,
  join: JoinStores<Inner>,
): Entry<Inner> | undefined {
  const { name } = (ours ?? theirs) as Entry<Inner>;
  const [a, b] = [storeOf(ours), storeOf(theirs)];
  const [removedByA, removedByB] = [ours?.removed ?? EMPTY_CONTEXT, theirs?.removed ?? EMPTY_CONTEXT];
  const isPlain = isEmptyContext(removedByA) && isEmptyContext(removedByB);
  const removed = isPlain ? removedByA : joinContexts(beyond(removedByA, sight.both), beyond(removedByB, sight.both));
  const store = join(name, a, b, isPlain ? sight : sightWithin(sight, removedByA, removedByB));
  if (store.length === 0 && isEmptyContext(removed)) return undefined;
  if (ours !== undefined && store === a && removed === removedByA) return ours;
  return { name, store, removed };
}

function storeOf<Inner extends Store>(entry: Entry<Inner> | undefined): Inner {
  return entry?.store ?? ([] as Store as Inner);
}

function sightWithin({ ours, theirs, both }: Sight, removedByA: Context, removedByB: Context): Sight {
  return {
    ours: joinContexts(ours, removedByA),
    theirs: joinContexts(theirs, removedByB),
    both: joinContexts(both, joinContexts(removedByA, removedByB)),
  };
}

/** What `context` has seen and `seen` has not; `context` ITSELF when that is all. */
export function beyond(context: Context, seen: Context): Context {
  const upTo: Context = { vector: seen.vector, dots: [] };
  const vector = context.vector.filter((stamp) => !covers(upTo, stamp));
  const dots = context.dots.filter((dot) => !covers(seen, dot));
  const isAll = vector.length === context.vector.length && dots.length === context.dots.length;
  return isAll ? context : { vector, dots };
}

function compareNames(a: Entry<Store>, b: Entry<Store>): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}

/** The entry of this name, if there is one. */
export function entryAt<Inner extends Store>(entries: Entries<Inner>, name: string): Entry<Inner> | undefined {
  let low = 0;
  for (let high = entries.length; low < high; ) {
    const middle = (low + high) >>> 1;
    if ((entries[middle] as Entry<Inner>).name < name) low = middle + 1;
    else high = middle;
  }
  return entries[low]?.name === name ? entries[low] : undefined;
}

/** All that entries remember of removals, without what is within their stores. */
export function removedFrom(entries: Entries<Store>): Context {
  return entries.reduce(
    (seen, { removed }) => (isEmptyContext(removed) ? seen : joinContexts(seen, removed)),
    EMPTY_CONTEXT,
  );
}

/**
 * What an add or an assignment takes away of what is `kept` in its place: all that its minter `held`.
 *
 * One with an id may be minted by a second owner, late, and lie under the first one's stamp once they merge: were it to
 * take away what it meets, it would take what was acknowledged in between. And of two such changes one owner may mint
 * the one on top of the other, and another owner the other way round: neither would be left. So it takes no
 * more than its client has seen, which is the same whoever mints it, and what is as old as ids that are forgotten,
 * or things would pile up.
 */
export function replaced(
  kept: readonly Stamp[],
  held: Context,
  { floorUs, context }: Pick<Change, "floorUs" | "context">,
): Context {
  const stays = (dot: Stamp) => floorUs !== undefined && dot.timeUs > floorUs && !covers(context, dot);
  if (!kept.some(stays)) return held;
  return { vector: [], dots: kept.filter((dot) => !stays(dot)).map(({ timeUs, actor }) => ({ timeUs, actor })) };
}

/** With what lies under one stamp of a change under another; `kept` ITSELF when nothing is there. */
export function renameKept<Kept extends Stamp>(
  kept: readonly Kept[],
  seen: Context,
  { from, to, learnt }: Renaming,
): readonly Kept[] {
  const at = from === undefined ? -1 : kept.findIndex((one) => compareStamps(one, from) === 0);
  if (at < 0) return kept;
  // Whoever replaced it here has seen it under a stamp that nobody here knew.
  if (learnt.some((dot) => covers(seen, dot))) return kept.toSpliced(at, 1);
  if (from === to) return kept;
  const { timeUs, actor } = to;
  return kept.with(at, { ...(kept[at] as Kept), timeUs, actor }).toSorted(compareStamps);
}

/** The same for entries, store by store. */
export function renameEntries<Inner extends Store>(
  entries: Entries<Inner>,
  seen: Context,
  rename: (name: string, store: Inner, seen: Context) => Inner,
  renaming: Renaming,
): Entries<Inner> {
  let isSame = true;
  const seenAfter = renameSeen(seen, renaming);
  const renamed = entries.map((entry) => {
    const isPlain = isEmptyContext(entry.removed);
    const store = rename(entry.name, entry.store, isPlain ? seen : joinContexts(seen, entry.removed));
    const removed = isPlain
      ? entry.removed
      : beyond(renameSeen(entry.removed, { ...renaming, from: undefined }), seenAfter);
    if (store === entry.store && removed === entry.removed) return entry;
    isSame = false;
    return { name: entry.name, store, removed };
  });
  return isSame ? entries : renamed.filter(({ store, removed }) => store.length > 0 || !isEmptyContext(removed));
}

/** Who has seen a change, under whatever stamp, has seen it under that under which it is to lie. */
export function renameSeen(seen: Context, { from, to, learnt }: Renaming): Context {
  const hasSeen = from !== undefined || learnt.some((dot) => covers(seen, dot));
  return hasSeen ? joinContexts(seen, contextOfDot(to)) : seen;
}
