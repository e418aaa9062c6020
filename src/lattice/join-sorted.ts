/**
 * Two sorted lists as one: the loop that every join of stamps, shards, ids, dots, entries and cells goes through.
 */

/**
 * `join` is asked of each place that either list has, with what the lists have there, and answers what both have
 * together, or undefined for nothing. Both lists are in ascending order of `compare`, and have no place twice.
 * Returns `a` ITSELF when all is as it has it.
 */
export function joinSorted<Item extends object>(
  a: readonly Item[],
  b: readonly Item[],
  compare: (a: Item, b: Item) => number,
  join: (ours: Item | undefined, theirs: Item | undefined) => Item | undefined,
): readonly Item[] {
  const joined: Item[] = [];
  let [left, right, isOurs] = [0, 0, true];
  while (left < a.length || right < b.length) {
    const order = compareOrEnd(a[left], b[right], compare);
    const ours = order <= 0 ? a[left++] : undefined;
    const theirs = order >= 0 ? b[right++] : undefined;
    const both = join(ours, theirs);
    if (both !== undefined) joined.push(both);
    isOurs &&= both === ours;
  }
  return isOurs ? a : joined;
}

/** What has come to its end is behind everything. */
function compareOrEnd<Item>(a: Item | undefined, b: Item | undefined, compare: (a: Item, b: Item) => number): number {
  if (a === undefined) return 1;
  return b === undefined ? -1 : compare(a, b);
}
