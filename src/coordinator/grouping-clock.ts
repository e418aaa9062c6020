/**
 * A clock for many paths that run together: within a turn its time stands
 * still, and all that is due at one moment is one timer and one turn.
 *
 * So when a node is slow, the spares that the keys of a batch ask for are asked
 * in one turn, and leave as one message per spare (gather.ts).
 */
import type { Cancel, Clock } from "../ports.js";

interface Due {
  readonly steps: Set<{ readonly run: () => void }>;
  readonly cancel: Cancel;
}

export class GroupingClock implements Clock {
  private readonly due = new Map<number, Due>();
  private turnMs: number | undefined;

  /** `later` runs a step later in this turn; see turn.ts. */
  constructor(
    private readonly clock: Clock,
    private readonly later: (step: () => void) => void,
  ) {}

  nowMs(): number {
    if (this.turnMs === undefined) {
      this.turnMs = this.clock.nowMs();
      this.later(() => {
        this.turnMs = undefined;
      });
    }
    return this.turnMs;
  }

  wallMs(): number {
    return this.clock.wallMs();
  }

  after(delayMs: number, fn: () => void): Cancel {
    const dueMs = this.nowMs() + delayMs;
    const group = this.due.get(dueMs) ?? this.arm(dueMs, delayMs);
    const step = { run: fn };
    group.steps.add(step);
    return () => {
      group.steps.delete(step);
      if (group.steps.size > 0 || this.due.get(dueMs) !== group) return;
      this.due.delete(dueMs);
      group.cancel();
    };
  }

  private arm(dueMs: number, delayMs: number): Due {
    const steps: Due["steps"] = new Set();
    const cancel = this.clock.after(delayMs, () => {
      this.due.delete(dueMs);
      // What one step cancels does not run any more: a Set leaves out what is deleted ahead of it.
      for (const step of steps) step.run();
    });
    const group = { steps, cancel };
    this.due.set(dueMs, group);
    return group;
  }
}
