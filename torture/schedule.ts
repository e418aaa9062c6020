/**
 * What happens, drawn from a seed: episodes of one kind of fault each, dealt like
 * cards, so that even a short run has seen every kind. Pure. Real time is not
 * replayable, but the order of faults and their victims are.
 */
import { below, between, fraction, happens, type Random, shuffled } from "../src/base/random.js";

export const KINDS = [
  "kill",
  "kill all",
  "rolling restart",
  "pause",
  "power loss",
  "wipe",
  "bit rot",
  "one cut off",
  "halves",
  "one way",
  "ring",
  "flapping",
  "gray",
  "thin line",
  "resets",
  "half open",
  "clock",
  "storm",
] as const;
export type Kind = (typeof KINDS)[number];

export interface Episode {
  readonly kind: Kind;
  /** All nodes in random order: whoever is needed is taken from the front. */
  readonly ids: readonly string[];
  /** How long it lasts. */
  readonly forMs: number;
  /** For what is drawn while it goes on. */
  readonly seed: string;
}

const LASTING_MS = { least: 1500, most: 4000 };
const PAUSE_MS_MIN = 100;

/** Never ends. */
export function* episodes(
  random: Random,
  seed: string,
  ids: readonly string[],
  pauseMsMax: number,
): Generator<Episode> {
  for (let number = 0; ; ) {
    for (const kind of shuffled(random, KINDS)) {
      const forMs = kind === "pause" ? pauseMs(random, pauseMsMax) : between(random, LASTING_MS.least, LASTING_MS.most);
      yield { kind, ids: shuffled(random, ids), forMs, seed: `${seed}/${number++}` };
    }
  }
}

/** Short ones are as frequent as long ones, on a logarithmic scale. */
function pauseMs(random: Random, most: number): number {
  return Math.round(PAUSE_MS_MIN * (most / PAUSE_MS_MIN) ** fraction(random));
}

/** How a clock is off: mostly within what is tolerated, at times so far that its node must stop coordinating. */
export function clockOffsetMs(random: Random): number {
  const most = happens(random, 0.2) ? 60_000 : 4000;
  return below(random, 2 * most) - most;
}
