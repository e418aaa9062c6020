/**
 * How wrong the clocks of a run are, for what is judged by time.
 */
import type { Script } from "./script.js";

/** In the longest run, with all that it takes to end. */
const CLOCK_DRIFT_MS = 200;

/** How far a clock may be off, with all that it jumps. */
export function clocksOffMs(script: Script): number {
  const offsetsMs = script.shape.clocks.map(({ offsetMs }) => Math.abs(offsetMs));
  return Math.max(0, ...offsetsMs) + jumpsMs(script) + CLOCK_DRIFT_MS;
}

/** How far the clocks jump in sum, at most. */
export function jumpsMs({ steps }: Script): number {
  return steps.reduce(
    (sum, { deed }) => sum + ("fault" in deed && deed.fault.kind === "jump" ? Math.abs(deed.fault.byMs) : 0),
    0,
  );
}
