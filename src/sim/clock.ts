/**
 * Virtual time.
 *
 * A simulation is a heap of events ordered by (time, sequence): of two events
 * due at one moment the one that was asked for first runs first. Time stands
 * still while an event runs and jumps to the next one afterwards, so hours pass
 * in milliseconds and a run is a function of its seed alone.
 *
 * Each node looks at this time through clocks of its own: a monotonic one that
 * may drift, and a wall clock that may also be wrong and jump.
 */
import { assert } from "../base/assert.js";
import { Heap } from "../base/heap.js";
import type { Cancel, Clock } from "../ports.js";

/** Something to happen; only the clocks look into it. */
export interface Event {
  atMs: number;
  sequence: number;
  /** The event then passes without a trace. */
  readonly isCancelled: boolean;
  run(): void;
}

/** Added to a timer of a drifting clock, so that rounding never fires it before its time. */
const ROUNDING_MS = 0.001;

/** The wall time at which every simulation begins: stamps then have the size of real ones. */
export const SIM_EPOCH_MS = 1_700_000_000_000;

export class SimClock implements Clock {
  private readonly events = new Heap<Event>((a, b) => a.atMs - b.atMs || a.sequence - b.sequence);
  private sequence = 0;
  private timeMs = 0;

  nowMs(): number {
    return this.timeMs;
  }

  /** The true wall time, that no node sees. */
  wallMs(): number {
    return SIM_EPOCH_MS + Math.floor(this.timeMs);
  }

  after(delayMs: number, fn: () => void): Cancel {
    const timer = new Timer(fn);
    this.schedule(timer, delayMs);
    return () => timer.cancel();
  }

  /** Puts an event that is not under way on its way, for the first time or again. */
  schedule(event: Event, delayMs: number): void {
    assert(delayMs >= 0 && Number.isFinite(delayMs), "a delay is finite and not negative");
    event.atMs = this.timeMs + delayMs;
    event.sequence = this.sequence++;
    this.events.push(event);
  }

  /** Runs the next event, if there is one. */
  step(): boolean {
    for (let event = this.events.pop(); event !== undefined; event = this.events.pop()) {
      if (event.isCancelled) continue;
      this.timeMs = event.atMs;
      event.run();
      return true;
    }
    return false;
  }

  /** Runs everything that is due up to and including `timeMs`, which is then the time. */
  runUntil(timeMs: number): void {
    assert(timeMs >= this.timeMs, "time does not go back");
    while (this.nextMs() <= timeMs) this.step();
    this.timeMs = timeMs;
  }

  /** The clock as one node sees it. */
  nodeClock(error: ClockError = {}): NodeClock {
    return new NodeClock(this, error);
  }

  /** When the next event is due; infinite when there is none. */
  private nextMs(): number {
    for (let next = this.events.peek(); next !== undefined; next = this.events.peek()) {
      if (!next.isCancelled) return next.atMs;
      this.events.pop();
    }
    return Number.POSITIVE_INFINITY;
  }
}

/** How a node's clock is wrong. */
export interface ClockError {
  /** Millionths by which it runs fast; negative: slow. */
  readonly driftPpm?: number;
  /** How far its wall clock is ahead; negative: behind. */
  readonly offsetMs?: number;
}

/** A node's own clock. `pause` and `stop` are what a SIGSTOP and a crash do to its timers. */
export class NodeClock implements Clock {
  private readonly rate: number;
  private offsetMs: number;
  private stopped = false;
  /** Timers that came due during a pause, in order; undefined when there is none. */
  private overdue: Event[] | undefined;

  constructor(
    private readonly world: SimClock,
    error: ClockError,
  ) {
    this.rate = 1 + (error.driftPpm ?? 0) / 1e6;
    this.offsetMs = error.offsetMs ?? 0;
    assert(this.rate > 0, "a clock that drifts still goes forward");
  }

  nowMs(): number {
    return this.world.nowMs() * this.rate;
  }

  wallMs(): number {
    return SIM_EPOCH_MS + Math.floor(this.nowMs() + this.offsetMs);
  }

  after(delayMs: number, fn: () => void): Cancel {
    const timer = new Timer(fn, this);
    this.world.schedule(timer, this.rate === 1 ? delayMs : delayMs / this.rate + ROUNDING_MS);
    return () => timer.cancel();
  }

  /** Whether a timer that is due now may fire: never again of a dead process, and later of one that stands still. */
  lets(timer: Event): boolean {
    if (this.stopped) return false;
    this.overdue?.push(timer);
    return this.overdue === undefined;
  }

  /** Moves the wall clock, forward or back. Timers do not notice. */
  jump(byMs: number): void {
    this.offsetMs += byMs;
  }

  /** The process stands still: what comes due waits for `resume`. */
  pause(): void {
    this.overdue ??= [];
  }

  /** The process goes on: what came due meanwhile runs in a later event. Resume the network first, as real/clock.ts does. */
  resume(): void {
    const overdue = this.overdue ?? [];
    this.overdue = undefined;
    for (const event of overdue) this.world.schedule(event, 0);
  }

  /** The process is dead: none of its timers ever fires. */
  stop(): void {
    this.stopped = true;
    this.overdue = undefined;
  }
}

/** One object for each timer: there are a million of them in a run. */
class Timer implements Event {
  atMs = 0;
  sequence = 0;
  isCancelled = false;

  /** `clock`: of the node that set it, if any. */
  constructor(
    private fn: (() => void) | undefined,
    private readonly clock?: NodeClock,
  ) {}

  cancel(): void {
    this.isCancelled = true;
    // It may lie in the heap for long, and what it would have called must not.
    this.fn = undefined;
  }

  run(): void {
    if (this.clock === undefined || this.clock.lets(this)) this.fn?.();
  }
}
