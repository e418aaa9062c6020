/**
 * Chance from a seed: sfc32, the small fast counting generator of Chris
 * Doty-Humphrey's PractRand, with 128 bits of state.
 *
 * `fork` gives every part of a run a stream of its own. A fork depends on the
 * seed and its label only, not on what was drawn before, so a part that learns
 * to draw once more does not change what the others draw. Not for secrets.
 */
import type { Random } from "./random.js";

/** Draws that are thrown away until every bit of the seed has reached every word. */
const WARM_UP_DRAWS = 15;

export class SeededRandom implements Random {
  private a: number;
  private b: number;
  private c: number;
  private counter = 1;

  constructor(readonly seed: number | string) {
    this.a = hash32(seed, 1);
    this.b = hash32(seed, 2);
    this.c = hash32(seed, 3);
    for (let draw = 0; draw < WARM_UP_DRAWS; draw++) this.u32();
  }

  u32(): number {
    const sum = (this.a + this.b + this.counter) | 0;
    this.counter = (this.counter + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = (((this.c << 21) | (this.c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** An independent stream. The same label gives the same stream again. */
  fork(label: string): SeededRandom {
    return new SeededRandom(`${this.seed}/${label}`);
  }
}

/** One of several independent 32-bit hashes of a seed: splitmix steps over its characters. */
function hash32(seed: number | string, which: number): number {
  let state = mix(which);
  const text = String(seed);
  for (let index = 0; index < text.length; index++) state = mix(state ^ text.charCodeAt(index));
  return state;
}

/** One step of splitmix32: the golden ratio added, then the bits avalanched. */
function mix(state: number): number {
  let bits = (state + 0x9e3779b9) | 0;
  bits = Math.imul(bits ^ (bits >>> 16), 0x21f0aaad);
  bits = Math.imul(bits ^ (bits >>> 15), 0x735a2d97);
  return bits ^ (bits >>> 15);
}
