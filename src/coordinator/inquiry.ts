/**
 * Inquiry: what a read and a scan have in common.
 *
 * The needed owners of each group are asked at once, and a spare for each that is
 * late (hedge.ts), refuses, or does not count. What is asked, and what the
 * answers come to, is the business of whoever inquires.
 */
import type { Hedge } from "../cluster-config.js";
import type { NodeId } from "../ports.js";
import { type Reply, tellsOverload } from "../wire/messages.js";
import { Ask } from "./ask.js";
import { Hedges } from "./hedge.js";
import type { CoordinatorParts } from "./parts.js";
import type { Group, Owner, Plan } from "./plan.js";

interface Inquirer {
  askOwner(node: NodeId, role: "first" | "hedge"): void;
  /** Comes once, unless `finish` comes first. */
  onDeadline(): void;
}

export class Inquiry {
  readonly ask: Ask;
  private readonly hedges: Hedges;
  private readonly failed = new Set<NodeId>();
  /** Of those, who had too much to do. */
  private readonly busy = new Set<NodeId>();
  /** One more question would have been one too many. */
  private isSpent = false;

  constructor(
    private readonly parts: CoordinatorParts,
    wish: { readonly deadlineMs: number; readonly hedge: Hedge },
    private readonly plan: Plan,
    private readonly inquirer: Inquirer,
  ) {
    this.ask = new Ask(parts, wish.deadlineMs, () => inquirer.onDeadline());
    this.hedges = new Hedges(parts, this.ask, wish.hedge, {
      spareFor: (late) => this.spareFor(late),
      askSpare: (spare) => this.askSpare(spare),
    });
  }

  askFirst(): void {
    this.forFirst((node) => this.inquirer.askOwner(node, "first"));
    this.forFirst((node) => this.hedges.watch(node));
  }

  /**
   * An answer that does not count is as good as none: a spare takes its place at once. Where the reason is too
   * much work, more work is no remedy unless it is rare: it is paid for as a hedge is.
   */
  onUncounted(node: NodeId, reply: Reply): void {
    this.failed.add(node);
    const isBusy = tellsOverload(reply);
    if (isBusy) this.busy.add(node);
    if (this.ask.isFinished) return;
    const spare = this.spareFor(node);
    if (spare === undefined) return;
    this.isSpent ||= isBusy && !this.parts.budget.spend();
    if (isBusy) this.parts.meter.count("murmur_retries_total", { outcome: this.isSpent ? "refused" : "sent" });
    if (!this.isSpent) this.askSpare(spare);
  }

  /** Whether as many may still count, in every group, as it needs. */
  get hasHope(): boolean {
    return this.plan.groups.every(({ owners, needed }) => {
      const mayAsk = (alive: boolean) => alive && !this.isSpent;
      const hopeful = owners.filter(
        ({ node, alive }) => !this.failed.has(node) && (this.ask.hasAsked(node) || mayAsk(alive)),
      );
      return hopeful.length >= needed;
    });
  }

  /** Why there is no hope: a client may come back to those who only have too much to do. */
  get failedKind(): "overloaded" | "failed" {
    return this.busy.size > 0 ? "overloaded" : "failed";
  }

  /** The owners whose answers did not count, for people. */
  get failedText(): string {
    const those = [...this.failed].map((node) => (this.busy.has(node) ? `${node} is too busy` : node));
    return `too many owners could not answer: ${those.join(", ")}`;
  }

  /** An owner of the group that was not asked yet. */
  spareOf(group: Group): NodeId | undefined {
    return group.owners.find(({ node, alive }) => alive && !this.ask.hasAsked(node))?.node;
  }

  /** The client is about to be told. */
  finish(isAnswered: boolean): void {
    this.hedges.settle(isAnswered);
    this.ask.finish();
  }

  private forFirst(visit: (node: NodeId) => void): void {
    for (const { owners, needed } of this.plan.groups) {
      for (let index = 0; index < needed; index++) visit((owners[index] as Owner).node);
    }
  }

  private askSpare(spare: NodeId): void {
    this.inquirer.askOwner(spare, "hedge");
    this.hedges.watch(spare);
  }

  private spareFor(owner: NodeId): NodeId | undefined {
    const group = this.plan.groups.find(({ owners }) => owners.some(({ node }) => node === owner));
    return group === undefined ? undefined : this.spareOf(group);
  }
}
