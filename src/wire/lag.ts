/**
 * How late this node is, by a timer that should come at every beat.
 *
 * Whatever waits for a process waits in its sockets, unseen and without a time
 * of arrival. But while the process is busy, or was stopped, its own timer is
 * overdue by as much: so what is read before the beat comes may have waited so
 * long, and what no beat of some in a row was spared is a queue that stands
 * (Nichols and Jacobson 2012: a burst passes by itself, the least wait of an
 * interval is the load).
 */
import type { Cancel, Clock } from "../ports.js";

const BEAT_MS = 100;
const BEATS = 3;

export class Lag {
  private dueMs = Number.POSITIVE_INFINITY;
  private cancel: Cancel | undefined;
  /** Of the last beats, the latest one last. */
  private readonly lateMs: number[] = new Array(BEATS).fill(0);
  private leastMs = 0;

  constructor(private readonly clock: Clock) {}

  start(): void {
    this.dueMs = this.clock.nowMs() + BEAT_MS;
    this.cancel = this.clock.after(BEAT_MS, () => {
      this.lateMs.push(this.overdueMs);
      this.lateMs.shift();
      this.leastMs = Math.min(...this.lateMs);
      this.start();
    });
  }

  stop(): void {
    this.cancel?.();
  }

  /** So long may have waited what is read now. */
  get overdueMs(): number {
    return Math.max(0, this.clock.nowMs() - this.dueMs);
  }

  /** So late was every one of the last beats. */
  get standingMs(): number {
    return this.leastMs;
  }
}
