/**
 * When requests are due, in milliseconds since the start, in order.
 *
 * A Poisson schedule is what many independent clients make: the gaps are
 * exponential, so bursts come by themselves. It is drawn from a seed and knows
 * nothing of answers, which is the whole point of an open loop.
 */
import { assert } from "../base/assert.js";
import { fraction, type Random } from "../base/random.js";
import type { LoadPlan } from "./plan.js";

export interface Schedule {
  /** The next due moment, given that it is `nowMs`; undefined when there is no other. */
  next(nowMs: number): number | undefined;
}

export function scheduleOf({ arrivals, lastingMs, keys }: LoadPlan, random: Random): Schedule {
  switch (arrivals.kind) {
    case "poisson":
      return poisson(random, arrivals.perSecond, lastingMs);
    case "closed":
      return { next: (nowMs) => (nowMs < lastingMs ? nowMs : undefined) };
    case "each":
      return atOnce(keys);
  }
}

export function poisson(random: Random, perSecond: number, lastingMs: number): Schedule {
  assert(perSecond > 0, "a rate is more than nothing");
  const meanGapMs = 1000 / perSecond;
  let dueMs = 0;
  return {
    next: () => {
      dueMs -= Math.log(1 - fraction(random)) * meanGapMs;
      return dueMs < lastingMs ? dueMs : undefined;
    },
  };
}

function atOnce(count: number): Schedule {
  let made = 0;
  return { next: (nowMs) => (made++ < count ? nowMs : undefined) };
}
