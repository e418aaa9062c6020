/**
 * A seed, run twice: what depends on anything but the seed shows as a second trace.
 */
import type { Script } from "./script.js";
import { type RunResult, simulate } from "./simulation.js";

export function replayTwice(script: Script): RunResult {
  const [first, second] = [simulate(script), simulate(script)];
  if (first.traceHash === second.traceHash) return first;
  const failure = `two runs of one seed differ: trace ${first.traceHash} and ${second.traceHash}`;
  return { ...first, ok: false, failure: first.failure ?? failure };
}
