/**
 * Time and chance as a client takes them, so that tests can give it others.
 */
import type { Random } from "../base/random.js";

export interface ClientWorld {
  readonly random: Random;
  /** Monotonic milliseconds. */
  nowMs(): number;
  /** Calls `fn` once, `delayMs` from now; what it returns takes that back. Keeps the process alive meanwhile. */
  after(delayMs: number, fn: () => void): () => void;
  /** As `after`, but a process with nothing else to do ends without waiting for it. */
  afterIdle(delayMs: number, fn: () => void): () => void;
  /** Calls `fn` when what has already arrived over the network has been taken in. */
  soon(fn: () => void): void;
}

const U32 = 2 ** 32;

export const REAL_WORLD: ClientWorld = {
  random: { u32: () => Math.floor(Math.random() * U32) },
  nowMs: () => performance.now(),
  after(delayMs, fn) {
    const timer = setTimeout(fn, delayMs);
    return () => clearTimeout(timer);
  },
  afterIdle(delayMs, fn) {
    const timer = setTimeout(fn, delayMs).unref();
    return () => clearTimeout(timer);
  },
  soon: (fn) => void setImmediate(fn),
};
