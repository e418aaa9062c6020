/**
 * The machine's clocks.
 *
 * `nowMs` is monotonic. `wallMs` is the system's time plus a fixed offset that
 * fault tests use to put a node ahead or behind.
 *
 * A timer that is due runs from the check phase of the event loop, not from the
 * timer phase: the loop goes timers, poll, check. After a pause of the process
 * (SIGSTOP, a suspended machine) every deadline is overdue at once while the
 * answers that would have met it wait in the sockets. One poll between "due"
 * and "run" reads them first, so a pause does not look like the silence of all
 * peers.
 *
 * Invariant: a timer never runs before its time on `nowMs`. Node's own may, by
 * part of a millisecond, because it counts whole ones.
 */
import { assert } from "../base/assert.js";
import { TIMER_MS_MAX } from "../base/duration.js";
import type { Cancel, Clock } from "../ports.js";

export class RealClock implements Clock {
  constructor(private readonly wallOffsetMs = 0) {}

  nowMs(): number {
    return performance.now();
  }

  wallMs(): number {
    return Date.now() + this.wallOffsetMs;
  }

  after(delayMs: number, fn: () => void): Cancel {
    assert(delayMs >= 0 && delayMs <= TIMER_MS_MAX, "a delay is between 0 and 2^31 - 1 milliseconds");
    const dueMs = this.nowMs() + delayMs;
    let timer: NodeJS.Timeout | undefined;
    let immediate: NodeJS.Immediate | undefined;
    const arm = (waitMs: number): void => {
      timer = setTimeout(() => {
        immediate = setImmediate(fire);
      }, waitMs);
    };
    const fire = (): void => {
      if (this.nowMs() < dueMs) arm(1);
      else fn();
    };
    // A zero delay means "as soon as others had their turn"; a timer would make a millisecond of it.
    if (delayMs === 0) immediate = setImmediate(fn);
    else arm(delayMs);
    return () => {
      clearTimeout(timer);
      if (immediate !== undefined) clearImmediate(immediate);
    };
  }
}
