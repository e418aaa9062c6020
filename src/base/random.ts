/**
 * Everything random is derived here from one port of 32 random bits, so that a
 * seed repeats every choice.
 */
import { assert } from "./assert.js";

/** A source of uniform 32-bit integers: the port Random, or a generator in a test. */
export interface Random {
  u32(): number;
}

/** A uniform number from 0 (included) to 1 (excluded), with 53 random bits. */
export function fraction(random: Random): number {
  return (random.u32() * 2 ** 21 + (random.u32() >>> 11)) / 2 ** 53;
}

/** A uniform integer from 0 to `bound` - 1. */
export function below(random: Random, bound: number): number {
  assert(Number.isSafeInteger(bound) && bound > 0, "a bound is a positive integer");
  return Math.floor(fraction(random) * bound);
}

/** A uniform whole number from `least` to `most`. */
export function between(random: Random, least: number, most: number): number {
  return least + below(random, most - least + 1);
}

/** True with this chance, from 0 to 1. */
export function happens(random: Random, chance: number): boolean {
  return fraction(random) < chance;
}

/** One of several, all alike. */
export function pick<Item>(random: Random, items: readonly Item[]): Item {
  return items[below(random, items.length)] as Item;
}

/** `baseMs` spread evenly by `spread` to either side: 100 with 0.2 is 80 to 120. */
export function jitter(random: Random, baseMs: number, spread: number): number {
  return baseMs * (1 - spread + 2 * spread * fraction(random));
}

/** 64 random bits. */
export function u64(random: Random): bigint {
  return (BigInt(random.u32()) << 32n) | BigInt(random.u32());
}

/** A new array in random order (Fisher and Yates). */
export function shuffled<Item>(random: Random, items: readonly Item[]): Item[] {
  const result = [...items];
  for (let last = result.length - 1; last > 0; last--) {
    const other = below(random, last + 1);
    [result[last], result[other]] = [result[other] as Item, result[last] as Item];
  }
  return result;
}
