/**
 * How fast a node refuses what it does not take on.
 *
 * To read a request and to refuse it costs a fraction of serving it, and whoever is refused at once can ask again at
 * once: at ten times its load a node would do nothing else. So refusals leave no faster than answers do, one for each
 * that was served; those beyond are held back, the longest held first. A connection that waits for its refusal sends
 * nothing and costs nothing. As long as a node serves every other request nobody waits; and nobody waits for longer than
 * half of his patience, for a refusal says that nothing was done, and silence says nothing. Pure.
 */
import { parseDurationMs } from "../base/duration.js";
import type { Limits } from "../config.js";
import { isBatch } from "./address.js";

/** In each beat, however few were served. */
const REFUSED_LEAST = 8;
/** Requests with more to be read are refused at once: held ones keep in memory what has come of them. */
const HELD_BODY_BYTES_MAX = 4096;

interface Held {
  readonly dueMs: number;
  readonly refuse: () => void;
}

export class Refusals {
  private held: Held[] = [];
  private left = REFUSED_LEAST;

  constructor(private readonly limits: Pick<Limits, "requestsPendingMax">) {}

  /** Calls `refuse` now, or at a later beat, at the first after `holdMs` at the latest. */
  add(nowMs: number, holdMs: number, refuse: () => void): void {
    if (this.left > 0 || holdMs === 0 || this.held.length >= this.limits.requestsPendingMax) {
      this.left--;
      refuse();
    } else this.held.push({ dueMs: nowMs + holdMs, refuse });
  }

  /** So many requests were served since the last beat. */
  beat(nowMs: number, served: number): void {
    this.left = Math.max(REFUSED_LEAST, served);
    const { held } = this;
    this.held = [];
    for (const each of held) {
      if (this.left > 0 || each.dueMs <= nowMs) {
        this.left--;
        each.refuse();
      } else this.held.push(each);
    }
  }

  /** No beat follows: nobody is held any more. */
  close(): void {
    this.beat(0, Number.POSITIVE_INFINITY);
  }
}

/** For how long the refusal of such a request may be held back. */
export function holdMsOf(
  target: string,
  { "content-length": length = "0", "transfer-encoding": encoding }: NodeJS.Dict<string | string[]>,
  limits: Pick<Limits, "refusalHoldMsMax" | "requestDeadlineMs">,
): number {
  // A batch tells its patience in its body.
  if (encoding !== undefined || Number(length) > HELD_BODY_BYTES_MAX || isBatch(target)) return 0;
  const named = /[?&]timeout=([^&]*)/.exec(target)?.[1];
  const patienceMs = named === undefined ? limits.requestDeadlineMs : (parseDurationMs(named) ?? 0);
  return Math.min(limits.refusalHoldMsMax, patienceMs / 2);
}
