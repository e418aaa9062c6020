/**
 * Tally: what has been answered, and whether it is enough. Pure.
 *
 * A read is answered when, in every group, so many voting owners are *known to
 * hold durably at least what is answered*: they answered it, or acknowledged a
 * mend of it. So a QUORUM read never goes back in time, even when it meets a
 * write that is half done (Attiya, Bar-Noy, Dolev 1995: readers write back).
 * Owners that rebuild are merged but never counted.
 */
import type { Lattice } from "../lattice/lattice.js";
import type { NodeId } from "../ports.js";
import type { Group } from "./plan.js";

interface Known<State> {
  readonly state: State;
  readonly votes: boolean;
}

export class ReadTally<State = unknown> {
  private readonly known = new Map<NodeId, Known<State>>();
  /** Who voted when it answered. A mend's acknowledgement is no answer: it tells nothing of what else is held. */
  private readonly answered = new Set<NodeId>();
  private join: State;

  constructor(
    private readonly lattice: Pick<Lattice<State>, "bottom" | "merge">,
    private readonly groups: readonly Group[],
  ) {
    this.join = lattice.bottom;
  }

  /** The merge of all answers so far. */
  get merged(): State {
    return this.join;
  }

  /** An owner's answer: this is all that it holds. */
  onAnswered(node: NodeId, state: State, votes: boolean): void {
    if (votes) this.answered.add(node);
    this.onHeld(node, state, votes);
  }

  /** An owner holds at least `state` durably: it answered it, or acknowledged it. */
  onHeld(node: NodeId, state: State, votes: boolean): void {
    const before = this.known.get(node);
    const held = before === undefined ? state : this.lattice.merge(before.state, state);
    this.known.set(node, { state: held, votes });
    this.join = this.lattice.merge(this.join, held);
  }

  /** Whether an owner is known to hold all that is merged. */
  holds(node: NodeId): boolean {
    const known = this.known.get(node);
    return known !== undefined && this.lattice.merge(known.state, this.join) === known.state;
  }

  /** What an owner is known to hold. */
  heldBy(node: NodeId): State {
    return this.known.get(node)?.state ?? this.lattice.bottom;
  }

  /** Owners that answered and lack something of what is merged. */
  behind(): NodeId[] {
    return [...this.known.keys()].filter((node) => !this.holds(node));
  }

  /** Whether every group has as many voting answers, and as many voting holders of their merge, as it needs. */
  isEnough(): boolean {
    return this.isAnswered() && this.groups.every((group) => this.countHolders(group) >= group.needed);
  }

  /** Whether every group has as many voting answers as it needs, equal or not. */
  isAnswered(): boolean {
    return this.groups.every((group) => this.countAnswers(group) >= group.needed);
  }

  countAnswers(group: Group): number {
    return group.owners.filter(({ node }) => this.answered.has(node)).length;
  }

  countHolders(group: Group): number {
    return group.owners.filter(({ node }) => this.known.get(node)?.votes === true && this.holds(node)).length;
  }

  /** Answers toward the level: what one datacenter has too many of makes up for no other. */
  get received(): number {
    return this.groups.reduce((sum, group) => sum + Math.min(group.needed, this.countAnswers(group)), 0);
  }
}

export class WriteTally {
  private readonly acknowledged = new Set<NodeId>();
  private readonly refused = new Set<NodeId>();
  private hintsAwaited = 0;
  private isHinted = false;

  /** Hints count for ANY alone (`takesHints`), and there one is enough. */
  constructor(
    private readonly groups: readonly Group[],
    private readonly takesHints: boolean,
  ) {}

  onAcknowledged(node: NodeId): void {
    this.acknowledged.add(node);
  }

  /** It will not count: it refused, it rebuilds, or it was silent to the end. */
  onRefused(node: NodeId): void {
    this.refused.add(node);
  }

  /** Somebody was asked to keep a hint. */
  onHintAsked(): void {
    this.hintsAwaited++;
  }

  onHint(isKept: boolean): void {
    this.hintsAwaited--;
    if (isKept) this.isHinted = true;
  }

  /** No owner that counts has acknowledged it. */
  get isWithoutOwner(): boolean {
    return this.acknowledged.size === 0;
  }

  /** An owner that does not count holds it all the same: as good as a hint. */
  onHeldUncounted(): void {
    this.isHinted = true;
  }

  isEnough(): boolean {
    if (this.takesHints && this.isHinted) return true;
    return this.groups.every((group) => this.count(group, this.acknowledged) >= group.needed);
  }

  /** False once so many refused that no further answer can help. */
  canBeEnough(): boolean {
    if (this.takesHints && this.hintsAwaited > 0) return true;
    return this.groups.every((group) => group.owners.length - this.count(group, this.refused) >= group.needed);
  }

  /** As of a read. */
  get received(): number {
    return this.groups.reduce((sum, group) => sum + Math.min(group.needed, this.count(group, this.acknowledged)), 0);
  }

  private count(group: Group, nodes: ReadonlySet<NodeId>): number {
    return group.owners.filter(({ node }) => nodes.has(node)).length;
  }
}
