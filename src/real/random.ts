/**
 * Chance from the kernel, drawn a page at a time: one system call serves 1024
 * draws. Unpredictable, so it may make nonces and store incarnations too.
 */
import { randomFillSync } from "node:crypto";
import type { Random } from "../ports.js";

const WORDS = 1024;

export class RealRandom implements Random {
  private readonly words = new Uint32Array(WORDS);
  private used = WORDS;

  u32(): number {
    if (this.used === WORDS) {
      randomFillSync(this.words);
      this.used = 0;
    }
    const word = this.words[this.used] as number;
    // A number handed out is forgotten: a nonce must not be found in memory later.
    this.words[this.used++] = 0;
    return word;
  }
}
