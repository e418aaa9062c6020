/**
 * Chance that every node draws alike: splitmix32 (Steele, Lea and Flood 2014),
 * which counts from a seed and scatters the count. A layout is mixed with it,
 * and all must come to the same one. Not for secrets.
 */
import type { Random } from "../base/random.js";

const GOLDEN_RATIO = 0x9e3779b9;

export class ChanceOfSeed implements Random {
  constructor(private count: number) {}

  u32(): number {
    this.count = (this.count + GOLDEN_RATIO) | 0;
    let bits = Math.imul(this.count ^ (this.count >>> 16), 0x21f0aaad);
    bits = Math.imul(bits ^ (bits >>> 15), 0x735a2d97);
    return (bits ^ (bits >>> 15)) >>> 0;
  }
}
