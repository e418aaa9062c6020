/**
 * A breaker per node (Nygard, Release It!): a node that cannot be reached is
 * asked no more, and costs nothing, until it says by itself that it is back.
 *
 * Closed: it is asked. Open: it is not. Half-open: one probe, in the
 * background, finds out; no caller's request is risked for it. Pure: time comes
 * as an argument.
 */
import { jitter, type Random } from "../base/random.js";
import type { ClientLimits } from "./limits.js";

type Timing = Pick<ClientLimits, "failuresMax" | "probeMs" | "probeMsMax">;

/** Probes of many clients must not come in step. */
const PROBE_SPREAD = 0.2;

export class Breaker {
  state: "closed" | "open" | "half-open" = "closed";
  private failures = 0;
  private probesFailed = 0;
  private probeDueMs = 0;

  constructor(
    private readonly limits: Timing,
    private readonly random: Random,
  ) {}

  /** It answered a request or a probe. */
  onAnswered(): void {
    this.state = "closed";
    this.failures = 0;
    this.probesFailed = 0;
  }

  /** A connection broke. One alone may be chance. */
  onBroken(nowMs: number): void {
    this.failures++;
    if (this.failures >= this.limits.failuresMax) this.open(nowMs);
  }

  /** It is certain that it does not serve: refused, silent for a whole request, stopping. */
  open(nowMs: number): void {
    if (this.state !== "closed") return;
    this.state = "open";
    this.scheduleProbe(nowMs);
  }

  /** Whether to send a probe now; then one is taken to be under way. */
  takeProbe(nowMs: number): boolean {
    if (this.state !== "open" || nowMs < this.probeDueMs) return false;
    this.state = "half-open";
    return true;
  }

  onProbeFailed(nowMs: number): void {
    if (this.state !== "half-open") return;
    this.state = "open";
    this.probesFailed++;
    this.scheduleProbe(nowMs);
  }

  private scheduleProbe(nowMs: number): void {
    const { probeMs, probeMsMax } = this.limits;
    this.probeDueMs = nowMs + jitter(this.random, Math.min(probeMsMax, probeMs * 2 ** this.probesFailed), PROBE_SPREAD);
  }
}
