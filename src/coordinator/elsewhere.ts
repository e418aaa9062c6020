/**
 * What the other owners hold of a row of which the owner that is to change it has no record.
 *
 * Mostly the row is new. But the disk of that owner may have lost it without an error, as when a bit of its key has
 * turned round: made of nothing, the change would beat all that this owner had counted under the same name. So all
 * other owners that are up are asked. What was acknowledged by more than half is held by one of them at least; by
 * which, nobody knows: hence all of them, and not the first that come to a majority with an owner that lost its own.
 *
 * A dead or silent owner must not stand in the way of a new key. After `mintReadMs` those are enough that come to
 * the level with the owner that lacks the row, up to a majority. Below a majority that is nobody: whoever writes at ONE
 * to an owner that is alone is served.
 */
import type { AnyLattice } from "../lattice/registry.js";
import type { NodeId } from "../ports.js";
import { Birth } from "../replica/carriers.js";
import { type ReadReply, type Refused, tellsOverload } from "../wire/messages.js";
import type { Wish } from "../wire/mint-messages.js";
import type { Ask } from "./ask.js";
import type { FailureKind } from "./outcome.js";
import type { CoordinatorParts } from "./parts.js";
import type { Owner } from "./plan.js";

/** Whose row, and how many others must have told of it. */
export interface ElsewhereWish {
  readonly lattice: AnyLattice;
  readonly row: Uint8Array;
  readonly others: readonly Owner[];
  readonly needed: number;
}

export interface ElsewhereHost {
  onRead(known: Wish["known"]): void;
  onUnread(kind: FailureKind, detail: string): void;
}

export class Elsewhere {
  private readonly awaited: Set<NodeId>;
  private readonly birth: Birth;
  private state: unknown;
  /** Owners that vote and have told what they hold. */
  private told = 0;
  private isBusy = false;
  private isPatient = true;
  private isSettled = false;

  constructor(
    private readonly parts: CoordinatorParts,
    private readonly wish: ElsewhereWish,
    private readonly ask: Ask,
    private readonly host: ElsewhereHost,
  ) {
    this.birth = new Birth(parts.carriers, wish.lattice);
    this.state = wish.lattice.bottom;
    this.awaited = new Set(wish.others.flatMap(({ node, alive }) => (alive ? [node] : [])));
  }

  begin(): void {
    const { parts, wish, ask } = this;
    for (const node of [...this.awaited]) {
      ask.send(node, { kind: "read", rows: [wish.row] }, (reply) => this.onAnswer(node, reply));
    }
    ask.after(parts.limits.mintReadMs, () => {
      this.isPatient = false;
      this.judge();
    });
    this.judge();
  }

  private onAnswer(node: NodeId, reply: ReadReply | Refused | undefined): void {
    // Whoever is silent to the end is told of by the deadline.
    if (reply === undefined || this.isSettled || this.ask.isFinished) return;
    this.awaited.delete(node);
    const answer = reply.kind === "read-reply" ? reply.answers[0] : undefined;
    this.isBusy ||= tellsOverload(reply);
    if (answer !== undefined && answer.status !== "damaged") {
      if (answer.votes) this.told++;
      this.take(answer.state, answer.votes);
    }
    this.judge();
  }

  private take(bytes: Uint8Array | undefined, votes: boolean): void {
    const { lattice } = this.wish;
    if (bytes === undefined) return;
    const state = lattice.decode(bytes);
    if (this.birth.admits(state, votes)) this.state = lattice.merge(this.state, state);
  }

  private judge(): void {
    if (this.isSettled || this.ask.isFinished) return;
    const isEnough = this.told >= this.wish.needed;
    const isLast = this.awaited.size === 0;
    if (!(isLast || (isEnough && !this.isPatient))) return;
    this.isSettled = true;
    if (isEnough) this.host.onRead(this.known());
    else this.host.onUnread(this.isBusy ? "overloaded" : "unavailable", this.shortfall());
  }

  private known(): Wish["known"] {
    const { lattice } = this.wish;
    if (this.state === lattice.bottom) return undefined;
    return { state: lattice.encode(this.state), bornAtUs: this.birth.atUs };
  }

  private shortfall(): string {
    return `it holds nothing of this key, and ${this.told} of ${this.wish.needed} other owners told what they hold`;
  }
}
