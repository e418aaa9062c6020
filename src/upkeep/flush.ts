/**
 * Flush: a sync point for hints. It is over when every write that was kept here
 * before it began has been delivered, or given up. What comes later does not delay it.
 */
import type { Limits } from "../config.js";
import type { Cancel, Clock } from "../ports.js";
import type { HintBook } from "../replica/hints.js";

export interface FlushOutcome {
  /** Hints that were there when it began. */
  readonly hints: number;
  /** Of those, hints that still wait: none, unless the time was over. */
  readonly left: number;
}

export interface FlushParts {
  readonly clock: Clock;
  readonly limits: Pick<Limits, "hintFlushesPendingMax">;
  readonly hints: HintBook;
}

interface Waiter {
  readonly lastWrite: number;
  readonly hints: number;
  left: number;
  readonly cancel: Cancel;
  readonly done: (outcome: FlushOutcome) => void;
}

export class Flushes {
  private readonly waiters = new Set<Waiter>();
  /** Those that came before it was known what an earlier life has left. */
  private early: Array<() => void> | undefined = [];

  constructor(private readonly parts: FlushParts) {
    parts.hints.onSettled = (first, next) => this.onSettled(first, next);
    parts.hints.onLoaded = () => {
      const { early = [] } = this;
      this.early = undefined;
      for (const begin of early) begin();
    };
  }

  /** Waits for at most `timeoutMs`. False when too many wait already: then `done` never comes. */
  begin(timeoutMs: number, done: (outcome: FlushOutcome) => void): boolean {
    if (this.waiters.size + (this.early?.length ?? 0) >= this.parts.limits.hintFlushesPendingMax) return false;
    if (this.early === undefined) this.wait(timeoutMs, done);
    else this.early.push(() => this.wait(timeoutMs, done));
    return true;
  }

  /** The node stops: nothing is delivered any more. */
  stop(): void {
    for (const waiter of this.waiters) this.end(waiter);
  }

  private wait(timeoutMs: number, done: (outcome: FlushOutcome) => void): void {
    const { hints, lastWrite } = this.parts.hints.progress;
    const cancel = this.parts.clock.after(timeoutMs, () => this.end(waiter));
    const waiter = { lastWrite, hints, left: hints, cancel, done };
    this.waiters.add(waiter);
    if (hints === 0) this.end(waiter);
  }

  private onSettled(first: number, next: number): void {
    for (const waiter of this.waiters) {
      if (first > waiter.lastWrite || next <= waiter.lastWrite) continue;
      waiter.left--;
      if (waiter.left === 0) this.end(waiter);
    }
  }

  private end(waiter: Waiter): void {
    this.waiters.delete(waiter);
    waiter.cancel();
    waiter.done({ hints: waiter.hints, left: waiter.left });
  }
}
