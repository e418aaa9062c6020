/**
 * A binary heap: the least item first, in O(log n).
 *
 * The order is the comparator's alone. It should be total: items that compare
 * equal come out in an order that depends on the history of the heap, so a
 * caller to whom repeatability matters breaks ties itself (sim/clock.ts does,
 * by a sequence number).
 * Invariant: no item is less than its parent, which stands at (index - 1) >> 1.
 */
import { assert } from "./assert.js";

export class Heap<Item> {
  private readonly items: Item[] = [];

  /** `compare` is negative when `a` comes before `b`, as for Array.sort. */
  constructor(private readonly compare: (a: Item, b: Item) => number) {}

  get size(): number {
    return this.items.length;
  }

  /** The least item, left where it is. */
  peek(): Item | undefined {
    return this.items[0];
  }

  push(item: Item): void {
    let index = this.items.length;
    this.items.push(item);
    while (index > 0) {
      const above = (index - 1) >> 1;
      const parent = this.at(above);
      if (this.compare(item, parent) >= 0) break;
      this.items[index] = parent;
      index = above;
    }
    this.items[index] = item;
  }

  /** Takes the least item out. */
  pop(): Item | undefined {
    const least = this.items[0];
    const last = this.items.pop();
    if (last === undefined || this.items.length === 0) return least;
    this.sink(last);
    return least;
  }

  /** Places `item` from the root downwards: the lesser child rises until `item` fits. */
  private sink(item: Item): void {
    const { length } = this.items;
    let index = 0;
    for (let child = 1; child < length; child = 2 * index + 1) {
      if (child + 1 < length && this.compare(this.at(child + 1), this.at(child)) < 0) child++;
      const lesser = this.at(child);
      if (this.compare(item, lesser) <= 0) break;
      this.items[index] = lesser;
      index = child;
    }
    this.items[index] = item;
  }

  private at(index: number): Item {
    assert(index < this.items.length, "a heap is read within its bounds");
    return this.items[index] as Item;
  }
}
