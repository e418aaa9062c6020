/**
 * Waits in the event loop until something is so. No sleeping: the condition is
 * looked at after every round of the loop, under a deadline that says what
 * was waited for.
 */
import { setImmediate } from "node:timers/promises";

const DEADLINE_MS = 8000;

export async function until(condition: () => boolean): Promise<void> {
  const endMs = performance.now() + DEADLINE_MS;
  while (!condition()) {
    if (performance.now() > endMs) throw new Error(`still not so after ${DEADLINE_MS} ms: ${condition}`);
    await setImmediate();
  }
}
