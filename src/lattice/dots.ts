/**
 * What is kept under dots: things that each live until somebody who has seen them replaces them (the causal
 * dot stores of Almeida, Shoker and Baquero, "Delta state replicated data types", 2018, section 6).
 *
 * A kept thing is its dot with something to it. It stands beside a context,
 * which says what has been seen. So each dot goes one way: not seen, then kept,
 * then seen and no longer kept. Nothing remains of what is gone but the
 * context, which grows with the actors and not with what they do.
 *
 * Kept things are in ascending order of their dots, none twice, all of them
 * seen by the context beside them.
 */
import { type Context, covers } from "./context.js";
import { compareStamps, type Stamp } from "./stamp.js";

/**
 * What is left of both: what both keep, and what one keeps and the other has not seen. Returns `a` ITSELF when it is
 * all of that. `pick` takes one of two that have one dot: only damaged or hand-made states do, but the join must be total.
 */
export function joinKept<Kept extends Stamp>(
  a: readonly Kept[],
  seenByA: Context,
  b: readonly Kept[],
  seenByB: Context,
  pick: (ours: Kept, theirs: Kept) => Kept,
): readonly Kept[] {
  if (a === b) return a;
  const joined: Kept[] = [];
  let [left, right, isOurs] = [0, 0, true];
  while (left < a.length || right < b.length) {
    const [ours, theirs] = [a[left], b[right]];
    const order = ours === undefined ? 1 : theirs === undefined ? -1 : compareStamps(ours, theirs);
    const kept =
      order === 0
        ? pick(ours as Kept, theirs as Kept)
        : order < 0
          ? unlessSeen(ours as Kept, seenByB)
          : unlessSeen(theirs as Kept, seenByA);
    if (kept !== undefined) joined.push(kept);
    if (order <= 0) left++;
    if (order >= 0) right++;
    if (order <= 0 || kept !== undefined) isOurs &&= kept === ours;
  }
  return isOurs ? a : joined;
}

/** What of `kept` is not in `seen`; `kept` ITSELF when that is all. */
export function unseenOf<Kept extends Stamp>(kept: readonly Kept[], seen: Context): readonly Kept[] {
  const left = kept.filter((one) => !covers(seen, one));
  return left.length === kept.length ? kept : left;
}

function unlessSeen<Kept extends Stamp>(kept: Kept, seen: Context): Kept | undefined {
  return covers(seen, kept) ? undefined : kept;
}

/** With one more, of a dot that is not among them. */
export function withKept<Kept extends Stamp>(kept: readonly Kept[], one: Kept): readonly Kept[] {
  const at = kept.findIndex((other) => compareStamps(other, one) > 0);
  return at < 0 ? [...kept, one] : kept.toSpliced(at, 0, one);
}
