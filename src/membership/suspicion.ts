/**
 * How long a suspect has to refute before it counts as dead: a pure formula.
 *
 * Lifeguard 4.2 (LHA-Suspicion): one node alone may itself be at fault, so its
 * suspicion waits long; each other node that finds the suspect silent by itself
 * shortens the wait, the first of them most:
 *
 *     max(least, most - (most - least) * log(C + 1) / log(K + 1))
 *
 * with C confirmations of at most K, least = alpha * log10(n) periods, and
 * most = beta * least. SWIM's fixed timeout is beta = 1.
 */
import { SUSPECTERS_MAX } from "./members.js";

export interface SuspicionOptions {
  /** All members of the cluster. */
  readonly members: number;
  readonly periodMs: number;
  /** alpha */
  readonly factor: number;
  /** beta */
  readonly spread: number;
}

/** Whoever is suspected and whoever suspects cannot confirm, so small clusters expect fewer. */
export function confirmationsWanted(members: number): number {
  return Math.max(0, Math.min(SUSPECTERS_MAX - 1, members - 2));
}

/** Milliseconds from the first suspicion, with `confirmations` by others. */
export function suspicionTimeoutMs(options: SuspicionOptions, confirmations: number): number {
  const { members, periodMs, factor, spread } = options;
  const leastMs = factor * Math.max(1, Math.log10(members)) * periodMs;
  const mostMs = spread * leastMs;
  const wanted = confirmationsWanted(members);
  if (wanted === 0) return leastMs;
  return Math.max(leastMs, mostMs - ((mostMs - leastMs) * Math.log(confirmations + 1)) / Math.log(wanted + 1));
}
