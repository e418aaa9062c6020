/**
 * Pace: upkeep takes its turns when clients can spare them.
 *
 * Sync, scrub, heal and hint delivery ask here for each next turn of theirs. All
 * together they get a bounded share of the event loop's time: each turn is
 * followed by a rest as long as that share demands. The share falls when
 * requests are under way, and further as the loop lags, which is measured by how
 * late our own timers come. A rest has an upper bound, so upkeep never starves.
 *
 * One turn at a time, in the order asked for: who asks again goes to the end.
 */
import type { Limits } from "../config.js";
import type { Cancel, Clock } from "../ports.js";

/** What the last turns of upkeep were like. */
export interface Strain {
  /** How long the last turn worked. */
  readonly workedMs: number;
  /** How late timers come. */
  readonly lagMs: number;
  /** Clients' requests are under way here. */
  readonly isBusy: boolean;
}

type PaceLimits = Pick<Limits, "upkeepIdlePercent" | "upkeepBusyPercent" | "upkeepLagMs" | "upkeepRestMsMax">;

/** How long upkeep rests after a turn. */
export function restMs({ workedMs, lagMs, isBusy }: Strain, limits: PaceLimits): number {
  const percent = isBusy ? limits.upkeepBusyPercent : limits.upkeepIdlePercent;
  const share = (percent / 100) * Math.min(1, limits.upkeepLagMs / Math.max(lagMs, 1e-3));
  const lateMs = lagMs > limits.upkeepLagMs ? lagMs : 0;
  return Math.min(limits.upkeepRestMsMax, Math.max(lateMs, workedMs * (1 / share - 1)));
}

export interface PaceParts {
  readonly clock: Pick<Clock, "nowMs" | "after">;
  readonly limits: PaceLimits;
  /** Whether clients wait for this node. */
  readonly isBusy: () => boolean;
}

/** Of a lag that was measured, what the next measure leaves of it: one late timer says little about the next. */
const LAG_KEPT = 0.8;

export class Pace {
  private readonly waiting: { readonly step: () => void; isWanted: boolean }[] = [];
  private cancel: Cancel | undefined;
  private restUntilMs = Number.NEGATIVE_INFINITY;
  private lagMs = 0;
  private isWorking = false;

  constructor(private readonly parts: PaceParts) {}

  /** Runs `step` in a turn of its own, when upkeep may have one. */
  soon(step: () => void): Cancel {
    const entry = { step, isWanted: true };
    this.waiting.push(entry);
    this.arm();
    return () => {
      entry.isWanted = false;
    };
  }

  /** Nothing that waits is run any more. */
  stop(): void {
    this.cancel?.();
    this.waiting.length = 0;
  }

  private arm(): void {
    if (this.isWorking || this.cancel !== undefined || this.waiting.length === 0) return;
    const askedMs = this.parts.clock.nowMs();
    const delayMs = Math.max(0, this.restUntilMs - askedMs);
    this.cancel = this.parts.clock.after(delayMs, () => this.onTimer(askedMs + delayMs));
  }

  private onTimer(dueMs: number): void {
    const { clock, limits, isBusy } = this.parts;
    this.cancel = undefined;
    const startedMs = clock.nowMs();
    this.lagMs = Math.max(startedMs - dueMs, this.lagMs * LAG_KEPT);
    const next = this.takeNext();
    if (next === undefined) return;
    this.isWorking = true;
    next();
    this.isWorking = false;
    const endedMs = clock.nowMs();
    const strain = { workedMs: endedMs - startedMs, lagMs: this.lagMs, isBusy: isBusy() };
    this.restUntilMs = endedMs + restMs(strain, limits);
    this.arm();
  }

  private takeNext(): (() => void) | undefined {
    for (let next = this.waiting.shift(); next !== undefined; next = this.waiting.shift()) {
      if (next.isWanted) return next.step;
    }
    return undefined;
  }
}
