/**
 * Whether a failed request is sent again, when, and at whose expense. Pure.
 *
 * A read may always be repeated. A write is repeated only when it is certain
 * that the first one was not and will not be applied: a second one would be
 * stamped anew, and could bury what somebody wrote in between, having seen the
 * first. So an unknown write is told to the caller, who alone knows whether
 * repeating is harmless. One that has an Idempotency-Key or a stamp of its caller's is the same one again, and is repeated.
 */
import { fraction, type Random } from "../base/random.js";
import type { ClientLimits } from "./limits.js";

export interface Failure {
  /** A problem's code, or "connection". */
  readonly code: string;
  /** False: not a byte of the request left, or it came to nothing for certain. */
  readonly mayHaveApplied: boolean;
  /** The node's Retry-After. */
  readonly retryAfterMs: number | undefined;
}

/** free: it cost the cluster nothing, and a fresh node is asked at once. budget: one token, and a wait. never: tell the caller. */
export type Verdict = "free" | "budget" | "never";

/** Said before any work, whatever the request: another node may say otherwise. */
const REFUSED_HERE = new Set(["unavailable", "clock-skew", "overloaded", "draining"]);
/** Said of the node itself. */
const SERVES_NOBODY = new Set(["unavailable", "clock-skew", "draining"]);
/** Harmless to repeat for reads, and for writes of which nothing is left. */
const REPEATABLE = new Set(["failed", "timeout", "disk-full", "internal", "connection"]);

export function verdictOn(failure: Failure, wasUnsent: boolean, countsOnce = false): Verdict {
  if (wasUnsent || failure.code === "draining") return "free";
  if (failure.mayHaveApplied && !countsOnce) return "never";
  return REFUSED_HERE.has(failure.code) || REPEATABLE.has(failure.code) ? "budget" : "never";
}

/** How long a node is left alone that failed so. What is the question's fault, or the owners', says nothing about it. */
export function restMsAfter({ code, retryAfterMs }: Failure, limits: Pick<ClientLimits, "unavailableRestMs">): number {
  if (retryAfterMs !== undefined) return retryAfterMs;
  return SERVES_NOBODY.has(code) ? limits.unavailableRestMs : 0;
}

/** Full jitter (Brooker 2015): anything from nothing to a bound that doubles with each retry. */
export function backoffMs(
  retries: number,
  limits: Pick<ClientLimits, "backoffMs" | "backoffMsMax">,
  random: Random,
): number {
  return fraction(random) * Math.min(limits.backoffMsMax, limits.backoffMs * 2 ** retries);
}
