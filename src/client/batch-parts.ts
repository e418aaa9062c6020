/**
 * Many changes as batches of which each is one that a node takes. Pure.
 */
import { MurmurError } from "./errors.js";

export function partsOf<Item>(items: readonly Item[], itemsMax: number): (readonly Item[])[] {
  const parts: (readonly Item[])[] = [];
  for (let first = 0; first < items.length; first += itemsMax) parts.push(items.slice(first, first + itemsMax));
  return parts;
}

/** Whether a batch was refused for its number of items, of which fewer would be taken, and no attempt of it can have done anything. */
export function isTooMany(reason: unknown, items: number, itemsMax: number): boolean {
  if (!(reason instanceof MurmurError) || reason.mayHaveApplied) return false;
  return reason.code === "too-large" && items > itemsMax;
}
