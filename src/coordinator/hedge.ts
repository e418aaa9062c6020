/**
 * Hedged requests (Dean and Barroso, The Tail at Scale, 2013): a replica that is
 * later than usual gets a competitor, and the first answer counts.
 *
 * One spare per missing answer, within a budget. Hedging waits while our own
 * loop lags: then it is we who are late, and the answers lie in our sockets.
 * When the spare has won, the late question is recalled: a replica that wakes
 * up finds it cancelled, not waiting to be answered in vain.
 */
import type { Hedge } from "../cluster-config.js";
import type { NodeId } from "../ports.js";
import type { Ask } from "./ask.js";
import { hedgeAfterMs } from "./hedge-policy.js";
import type { CoordinatorParts } from "./parts.js";

/** A spare, and whose answer it may replace. */
interface Sent {
  readonly spare: NodeId;
  readonly late: NodeId;
}

/** What hedges need of their read. */
interface HedgesHost {
  /** Who could answer in place of an owner; undefined when nobody is left. */
  spareFor(late: NodeId): NodeId | undefined;
  askSpare(spare: NodeId): void;
}

/** The hedges of one read. */
export class Hedges {
  private readonly sent: Sent[] = [];
  private wasRefused = false;

  constructor(
    private readonly parts: CoordinatorParts,
    private readonly ask: Ask,
    private readonly hedge: Hedge,
    private readonly host: HedgesHost,
  ) {
    parts.budget.earn(hedge.budgetPercent);
  }

  /** An owner was asked, and so were all the others that are asked with it. */
  watch(node: NodeId): void {
    if (node === this.parts.self) return;
    const { clock, latencies } = this.parts;
    latencies.onChosen(node, clock.nowMs());
    const delayMs = hedgeAfterMs(this.hedge.after, (share) => latencies.usualMs(node, share, clock.nowMs()));
    if (delayMs === undefined) return;
    if (delayMs > 0) this.wait(node, delayMs);
    else if (this.sent.length === 0) this.send(node);
  }

  /** The read is over: what its spares were good for is counted, and whoever was too late may save the work. */
  settle(isAnswered: boolean): void {
    for (const { spare, late } of this.sent) {
      const hasWon = isAnswered && this.ask.hasAnswered(spare) && !this.ask.hasAnswered(late);
      this.count(hasWon ? "won" : "wasted");
      if (hasWon) this.ask.recall(late);
    }
  }

  private wait(node: NodeId, delayMs: number): void {
    const { clock } = this.parts;
    const dueMs = clock.nowMs() + delayMs;
    this.ask.after(delayMs, () => {
      if (this.ask.hasAnswered(node)) return;
      const isLagging = clock.nowMs() - dueMs > delayMs;
      if (isLagging) this.wait(node, delayMs);
      // Tokens may come: the wait doubles, so that it ends with the deadline.
      else if (!this.send(node)) this.wait(node, 2 * delayMs);
    });
  }

  /** False when the budget forbids. */
  private send(late: NodeId): boolean {
    const spare = this.host.spareFor(late);
    if (spare === undefined) return true;
    if (this.hasBudget && !this.parts.budget.spend()) {
      if (!this.wasRefused) this.count("refused");
      this.wasRefused = true;
      return false;
    }
    this.count("sent");
    this.sent.push({ spare, late });
    this.host.askSpare(spare);
    return true;
  }

  /** `always` means always. */
  private get hasBudget(): boolean {
    return this.hedge.after.kind !== "always" && this.hedge.after.kind !== "never";
  }

  private count(outcome: "sent" | "won" | "wasted" | "refused"): void {
    this.parts.meter.count("murmur_hedges_total", { outcome });
  }
}
