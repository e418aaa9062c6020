/**
 * Inquiry: what a read and a scan have in common.
 *
 * The needed owners of each group are asked at once, and a spare for each that is
 * late (hedge.ts), refuses, or does not count. What is asked, and what the
 * answers come to, is the business of whoever inquires.
 */
import type { Hedge } from "../cluster-config.js";
import type { NodeId } from "../ports.js";
import { Ask } from "./ask.js";
import { Hedges } from "./hedge.js";
import type { CoordinatorParts } from "./parts.js";
import type { Group, Plan } from "./plan.js";

interface Inquirer {
  askOwner(node: NodeId, role: "first" | "hedge"): void;
  /** Comes once, unless `finish` comes first. */
  onDeadline(): void;
}

export class Inquiry {
  readonly ask: Ask;
  private readonly hedges: Hedges;
  private readonly failed = new Set<NodeId>();

  constructor(
    parts: CoordinatorParts,
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
    const first = this.plan.groups.flatMap(({ owners, needed }) => owners.slice(0, needed));
    for (const { node } of first) this.inquirer.askOwner(node, "first");
    for (const { node } of first) this.hedges.watch(node);
  }

  /** An answer that does not count is as good as none: a spare takes its place at once. */
  onUncounted(node: NodeId): void {
    this.failed.add(node);
    if (this.ask.isFinished) return;
    const spare = this.spareFor(node);
    if (spare !== undefined) this.askSpare(spare);
  }

  /** Whether as many may still count, in every group, as it needs. */
  get hasHope(): boolean {
    return this.plan.groups.every(({ owners, needed }) => {
      const hopeful = owners.filter(({ node, alive }) => !this.failed.has(node) && (alive || this.ask.hasAsked(node)));
      return hopeful.length >= needed;
    });
  }

  /** The owners whose answers did not count, for people. */
  get failedText(): string {
    return `too many owners could not answer: ${[...this.failed].join(", ")}`;
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

  private askSpare(spare: NodeId): void {
    this.inquirer.askOwner(spare, "hedge");
    this.hedges.watch(spare);
  }

  private spareFor(owner: NodeId): NodeId | undefined {
    const group = this.plan.groups.find(({ owners }) => owners.some(({ node }) => node === owner));
    return group === undefined ? undefined : this.spareOf(group);
  }
}
