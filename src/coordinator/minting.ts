/**
 * Minting, as a coordinator sees it: one voting owner makes the change, and answers the state that all others get.
 *
 * Oneself, if one is an owner that votes, else the nearest that lives. An owner that says that it did nothing is
 * as good as none: the next one is asked. One that is silent may have done it: then nobody else is asked, for a
 * change that is made twice counts twice, and the client is told that nobody knows. But a change with an id
 * (lattice/with-ids.ts) counts once whoever makes it, so the next owner is asked as well, unless it takes away
 * what its minter holds.
 *
 * Some changes act on what others hold: a delete covers what was acknowledged, not what one owner
 * happens to know. For these a majority is read first (read.ts), and what it holds goes along. And an owner
 * without any record of the row answers so first: the others are then asked what they hold (elsewhere.ts).
 */
import { DEFAULT_HEDGE } from "../cluster-config.js";
import type { Level } from "../config.js";
import type { AnyLattice } from "../lattice/registry.js";
import type { NodeId } from "../ports.js";
import { type Refused, tellsOverload } from "../wire/messages.js";
import type { Minted, MintReply, MintResult, Wish } from "../wire/mint-messages.js";
import type { Ask } from "./ask.js";
import { Elsewhere } from "./elsewhere.js";
import type { FailureKind, WriteRequest } from "./outcome.js";
import type { CoordinatorParts } from "./parts.js";
import { type Here, type Owner, planFor, quorumOf, ranked } from "./plan.js";
import { readState } from "./read.js";

/** Whom the change is made for. */
export interface MintingHost {
  onMinted(minter: NodeId, minted: Minted): void;
  /** It was made nowhere. */
  onUnminted(kind: FailureKind, detail: string): void;
}

/** What is asked of an owner that may be asked. */
type Reason = Exclude<MintResult["status"], "minted" | "refused"> | Refused["reason"];

export class Minting {
  /** Owners that were asked and have not said that they did nothing. */
  private readonly undecided = new Set<NodeId>();
  private isMinted = false;
  private readonly candidates: NodeId[];
  /** Why each owner that answered made nothing. */
  private readonly reasons = new Map<NodeId, Reason>();

  constructor(
    private readonly parts: CoordinatorParts,
    private readonly request: WriteRequest,
    private readonly row: Uint8Array,
    private readonly owners: readonly Owner[],
    private readonly ask: Ask,
    private readonly host: MintingHost,
  ) {
    this.candidates = ranked(owners, this.here).flatMap(({ node, alive }) => (alive ? [node] : []));
  }

  /** An owner may have made the change. */
  get mayHaveMinted(): boolean {
    return this.undecided.size > 0;
  }

  begin(): void {
    const { op, context, bucket, id } = this.request;
    const wish = { row: this.row, op, context, id, known: undefined, hasRead: false };
    const lattice = this.parts.latticeOf(bucket);
    if (id !== undefined || lattice.readsFirst(op, context)) this.readFirst(lattice, wish);
    else this.askNext(wish);
  }

  private readFirst(lattice: AnyLattice, wish: Wish): void {
    const { bucket, key, sort, level } = this.request;
    const deadlineMs = this.ask.remainingMs;
    const wanted = { bucket, key, sort, level: readLevelBefore(level), deadlineMs, hedge: DEFAULT_HEDGE, mend: false };
    readState(this.parts, wanted, (found) => {
      if (this.ask.isFinished) return;
      if (!found.ok) return this.host.onUnminted(found.failure.kind, `it reads first: ${found.failure.detail}`);
      const { state, bornAtUs } = found;
      const known = state === lattice.bottom ? undefined : { state: found.encoded(), bornAtUs };
      this.askNext({ ...wish, known, hasRead: true });
    });
  }

  /** The minter has no record of the row: it makes the change of what the others hold. */
  private readElsewhere(minter: NodeId, wish: Wish): void {
    const { parts, request, row, ask } = this;
    const { level } = request;
    const isNear = (owner: Owner) => owner.datacenter === this.here.datacenter;
    const among = readLevelBefore(level) === "LOCAL_QUORUM" ? this.owners.filter(isNear) : this.owners;
    const others = among.filter(({ node }) => node !== minter);
    const majority = quorumOf(among.length);
    const isBelow = planFor(level, this.owners, this.here).required < majority;
    const needed = isBelow ? 0 : majority - (among.length - others.length);
    const elsewhere = { lattice: parts.latticeOf(request.bucket), row, others, needed };
    new Elsewhere(parts, elsewhere, ask, {
      onRead: (known) => this.askOne(minter, { ...wish, known, hasRead: true }),
      onUnread: (kind, detail) => this.host.onUnminted(kind, `${minter} makes it, ${detail}`),
    }).begin();
  }

  private askNext(wish: Wish): void {
    const minter = this.candidates.shift();
    if (minter === undefined) this.giveUp();
    else this.askOne(minter, wish);
  }

  private askOne(minter: NodeId, wish: Wish): void {
    this.undecided.add(minter);
    this.ask.ask(minter, "first", { kind: "mint", wishes: [wish] }, (reply) => this.onReply(minter, wish, reply));
    if (this.isRepeatable) this.ask.after(this.parts.limits.mintRepeatAfterMs, () => this.onSilence(minter, wish));
  }

  private get isRepeatable(): boolean {
    const { op, context, bucket, id } = this.request;
    return id !== undefined && this.parts.latticeOf(bucket).isRepeatable(op, context);
  }

  private onSilence(minter: NodeId, wish: Wish): void {
    if (this.isMinted || !this.undecided.has(minter) || this.candidates.length === 0) return;
    this.parts.meter.count("murmur_mints_repeated_total");
    this.askNext(wish);
  }

  private onReply(minter: NodeId, wish: Wish, reply: MintReply | Refused | undefined): void {
    // Whoever is silent to the end is told of by the deadline.
    if (reply === undefined || this.ask.isFinished || this.isMinted) return;
    const result = reply.kind === "mint-reply" ? reply.results[0] : undefined;
    if (result?.status === "minted") {
      this.isMinted = true;
      return this.host.onMinted(minter, result);
    }
    this.undecided.delete(minter);
    if (result?.status === "absent" && !wish.hasRead) return this.readElsewhere(minter, wish);
    this.ask.note(minter, "failed");
    if (result?.status === "refused") return this.host.onUnminted(result.kind, result.detail);
    const reason = result?.status ?? (reply.kind === "refused" ? reply.reason : "malformed");
    this.reasons.set(minter, reason);
    // Where the reason is too much work, more work is no remedy unless it is rare: it is paid for as a hedge is.
    const isBusy = reason === "overloaded" || tellsOverload(reply);
    if (isBusy && !this.parts.budget.spend()) this.giveUp();
    else this.askNext(wish);
  }

  private get here(): Here {
    const { self, ring } = this.parts;
    return { self, datacenter: ring.datacenterOf(self) };
  }

  /** Nobody made the change. What may pass soonest is what a client is told of. */
  private giveUp(): void {
    // Another one is silent still, and may have made it.
    if (this.undecided.size > 0) return;
    const told = [...this.reasons].map(([node, reason]) => `${node} ${reason}`).join(", ");
    const who = "a change of this bucket's type is made by an owner that votes";
    const detail =
      told === "" ? `${who}, and none is reachable; a hint cannot make it` : `${who}, and none did: ${told}`;
    this.host.onUnminted(this.kindOfFailure(), detail);
  }

  private kindOfFailure(): FailureKind {
    const reasons = [...this.reasons.values()];
    if (reasons.includes("overloaded") || reasons.includes("expired")) return "overloaded";
    if (reasons.includes("disk-full")) return "disk-full";
    return reasons.every((reason) => MAY_PASS.has(reason)) ? "unavailable" : "failed";
  }
}

const MAY_PASS: ReadonlySet<Reason> = new Set(["not-voting", "clock-skew", "unvouched"]);

/** As many as meet every acknowledged write at the level of this one. */
export function readLevelBefore(level: Level): Level {
  return level === "LOCAL_ONE" || level === "LOCAL_QUORUM" ? "LOCAL_QUORUM" : "QUORUM";
}
