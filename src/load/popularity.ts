/**
 * Which key a request is for: each as likely as any other, or a few of them
 * most of the time (Zipf's law, as YCSB has it).
 *
 * Zipf is drawn exactly, by binary search in the summed probabilities; the
 * usual closed form (Gray and others 1994) is an approximation that saves a
 * table, and a table of all keys is small here.
 */
import { assert } from "../base/assert.js";
import { below, fraction, type Random } from "../base/random.js";
import { type Distribution, KEYS_MAX, ZIPF_EXPONENT } from "./plan.js";

/** Draws the rank of a key: 0 is the most popular. */
export type DrawKey = (random: Random) => number;

export function drawKey(distribution: Distribution, keys: number): DrawKey {
  assert(Number.isInteger(keys) && keys > 0 && keys <= KEYS_MAX, "there is at least one key, and a table holds them");
  return distribution === "uniform" ? (random) => below(random, keys) : zipfian(keys);
}

function zipfian(keys: number): DrawKey {
  const sums = new Float64Array(keys);
  let sum = 0;
  for (let rank = 0; rank < keys; rank++) {
    sum += (rank + 1) ** -ZIPF_EXPONENT;
    sums[rank] = sum;
  }
  return (random) => firstAbove(sums, fraction(random) * sum);
}

/** The first position whose value is larger. */
function firstAbove(sorted: Float64Array, value: number): number {
  let [low, high] = [0, sorted.length - 1];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] as number) > value) high = middle;
    else low = middle + 1;
  }
  return low;
}
