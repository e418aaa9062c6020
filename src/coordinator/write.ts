/**
 * The write path, top to bottom: plan, mint, ask, stand in, tally, answer, owe, fail.
 *
 * A blind change is minted here. One that depends on what is there is made by one of
 * the owners (minting.ts), which has then acknowledged it; the state that it answers goes to all the others.
 *
 * All owners are sent the state at once, whatever the level; the level says
 * only how many must hold it durably before the client is told. An owner that
 * holds a higher stamp answers *beaten*: once a whole level has answered, a write
 * that was beaten anywhere is stamped anew above the highest of them and sent
 * once more, so that an acknowledged write is seen by whoever reads after it,
 * even when an earlier writer's clock was ahead. Beaten in the second round, it
 * is concurrent with a winner, and that counts.
 *
 * What an owner does not take becomes a hint (hinting.ts), which counts for ANY alone.
 *
 * A timeout is unknown. "Not applied" is said only if nothing was sent.
 */
import { assert } from "../base/assert.js";
import { type Context, contextUpTo, highestTimeUs, lastStampOf } from "../lattice/context.js";
import type { View } from "../lattice/lattice.js";
import { CLIENT, type Stamp } from "../lattice/stamp.js";
import type { NodeId } from "../ports.js";
import type { Entry, MergeReply, MergeResult, Refused } from "../wire/messages.js";
import type { Minted } from "../wire/mint-messages.js";
import { Ask } from "./ask.js";
import { Hinting, type HintingHost } from "./hinting.js";
import { Loss } from "./loss.js";
import { Minting } from "./minting.js";
import type { Failure, FailureKind, WriteOutcome, WriteRequest } from "./outcome.js";
import { type CoordinatorParts, locate, refusedUnsent } from "./parts.js";
import { type Owner, type Plan, planFor } from "./plan.js";
import { WriteTally } from "./tally.js";

/** Writes one key; `done` comes exactly once. */
export function write(parts: CoordinatorParts, request: WriteRequest, done: (outcome: WriteOutcome) => void): void {
  const refuse = (failure: Failure) => done({ ok: false, failure });
  const { level } = request;
  const refusal = parts.stampRefusal();
  if (refusal !== undefined) return refuse(refusedUnsent("clock-skew", level, refusal));
  const lattice = parts.latticeOf(request.bucket);
  if (!lattice.accepts(request.op.kind)) {
    const detail = `a bucket of type ${lattice.name} has no operation "${request.op.kind}"`;
    return refuse(refusedUnsent("type-mismatch", level, detail));
  }
  const { row, owners } = locate(parts, request);
  const here = { self: parts.self, datacenter: parts.ring.datacenterOf(parts.self) };
  const plan = planFor(level, owners, here);
  if (!plan.ok) return refuse(refusedUnsent(plan.kind, level, plan.detail, plan));
  const path = new WritePath(parts, request, row, owners, plan, done);
  // A change with an id is made where the ids of all others are.
  if (lattice.blind && request.id === undefined) path.mint(highestTimeUs(request.context));
  else path.mintAtOwner();
}

class WritePath {
  private readonly ask: Ask;
  private tally: WriteTally;
  private hinting: Hinting | undefined;
  /** Owners that have not answered yet in this round. */
  private awaited = 0;
  private stateBytes = 0;
  private owedBytes = 0;
  /** 1, or 2 after a *beaten*: what owners say of the first stamp no longer matters then. */
  private round = 1;
  private wasSent = false;
  /** The highest stamp that an owner held against ours; 0 while none did. */
  private beatenByUs = 0;
  /** What a client has seen with its own write. */
  private seen: Context | undefined;
  private view: View | undefined;
  private minting: Minting | undefined;
  private readonly loss: Loss;
  private readonly reasons = new Map<NodeId, string>();

  constructor(
    private readonly parts: CoordinatorParts,
    private readonly request: WriteRequest,
    private readonly row: Uint8Array,
    private readonly owners: readonly Owner[],
    private readonly plan: Plan,
    private readonly done: (outcome: WriteOutcome) => void,
  ) {
    this.tally = new WriteTally(plan.groups, plan.takesHints);
    this.loss = new Loss(parts, row, request.context, request.op.kind === "put");
    this.ask = new Ask(parts, request.deadlineMs, () => this.fail("timeout"));
  }

  /** A blind lattice is minted here: its new state does not depend on the present one. */
  mint(aboveUs: number): void {
    const lattice = this.parts.latticeOf(this.request.bucket);
    // Read before the stamp is: nothing may seem younger than it is.
    const bornAtUs = this.parts.carriers.nowUs();
    const onStamp = (stamp: Stamp | undefined) => {
      if (this.ask.isFinished) return;
      if (stamp === undefined) return this.fail("disk-full");
      this.seen = contextUpTo(stamp);
      this.loss.begin(stamp);
      const state = lattice.encode(lattice.mutate(lattice.bottom, { ...this.request, stamp }));
      this.askAll({ row: this.row, state, bornAtUs, ...this.shown() }, this.owners);
    };
    const { stampUs } = this.request;
    if (stampUs === undefined) this.parts.mint.mint(aboveUs, onStamp);
    else onStamp({ timeUs: stampUs, actor: CLIENT });
  }

  /** One that depends on the present state is changed by an owner. */
  mintAtOwner(): void {
    this.minting = new Minting(this.parts, this.request, this.row, this.owners, this.ask, {
      onMinted: (minter, minted) => this.onMinted(minter, minted),
      onUnminted: (kind, detail) => this.fail(kind, detail),
    });
    this.minting.begin();
  }

  private onMinted(minter: NodeId, { state, bornAtUs, seen, votes }: Minted): void {
    this.seen = seen;
    this.view = this.viewOf(state);
    if (votes) this.tally.onAcknowledged(minter);
    else this.onUncounted(minter, NO_VOTE, true);
    const others = this.owners.filter(({ node }) => node !== minter);
    const stamp = lastStampOf(seen);
    if (stamp !== undefined) this.loss.begin(stamp);
    this.askAll({ row: this.row, state, bornAtUs, ...this.shown() }, others);
    this.judge();
  }

  /** Only whoever adds or edits is told what came of it. */
  private viewOf(state: Uint8Array): View | undefined {
    const { op, bucket } = this.request;
    if (op.kind === "put" || op.kind === "delete") return undefined;
    const lattice = this.parts.latticeOf(bucket);
    return lattice.view(lattice.decode(state), this.parts.mint.nowMs());
  }

  /** What the client had seen, for owners to tell what it takes away unseen. */
  private shown(): Pick<Entry, "seen"> {
    const { seen } = this.loss;
    return seen === undefined ? {} : { seen };
  }

  private askAll(entry: Entry, owners: readonly Owner[]): void {
    const { round, parts } = this;
    this.wasSent = true;
    this.stateBytes = entry.state.length;
    this.awaited = owners.length;
    for (const { node } of owners) {
      const merge = { kind: "merge", cause: "write", entries: [entry] } as const;
      this.ask.ask(node, "first", merge, (reply) => {
        if (round === this.round) this.onReply(node, reply);
      });
    }
    this.hinting = new Hinting(parts, this.ask, entry, this.hintingHost(this.tally));
    this.hinting.standIn(owners);
    if (this.plan.takesHints) this.ask.after(parts.limits.hintAnyAfterMs, () => this.oweSilent());
  }

  private hintingHost(tally: WriteTally): HintingHost {
    return {
      onHintAsked: () => tally.onHintAsked(),
      onHint: (isKept) => {
        tally.onHint(isKept);
        if (tally === this.tally) this.judge();
      },
    };
  }

  private onReply(node: NodeId, reply: MergeReply | Refused | undefined): void {
    this.awaited--;
    // Whoever is silent to the end is told of by the deadline.
    if (reply === undefined) this.hinting?.owe(node);
    else this.onAnswer(node, reply);
    if (this.awaited === 0) this.forget();
  }

  private onAnswer(node: NodeId, reply: MergeReply | Refused): void {
    const result = reply.kind === "merge-reply" ? reply.results[0] : undefined;
    if (result !== undefined) this.loss.onResult(result);
    if (result?.status === "beaten") this.onBeaten(result.stamp);
    const isHeld = result?.status === "ok" || result?.status === "beaten";
    if (!isHeld && result?.status !== "refused") this.hinting?.owe(node);
    if (this.ask.isFinished) return;
    const reason = whyNotCounted(result, reply);
    if (reason === undefined) this.tally.onAcknowledged(node);
    else this.onUncounted(node, reason, isHeld);
    this.judge();
  }

  private judge(): void {
    if (this.ask.isFinished) return;
    if (this.tally.isEnough()) this.onEnough();
    else if (!this.tally.canBeEnough()) this.fail(this.hasFullDisk() ? "disk-full" : "failed");
  }

  private onBeaten(by: Stamp | undefined): void {
    this.parts.meter.count("murmur_beaten_total");
    this.parts.mint.observe(by);
    this.beatenByUs = Math.max(this.beatenByUs, by?.timeUs ?? 0);
  }

  /**
   * Only now, with the answers of a whole level, is it known above what to stamp
   * anew: whatever was acknowledged before this write began is among them.
   */
  private onEnough(): void {
    // Whoever stamps by himself wants to lose to what is later; what an owner stamped is above all that a quorum held.
    const isFinal = this.round === 2 || this.request.stampUs !== undefined || this.minting !== undefined;
    if (this.beatenByUs === 0 || isFinal) return this.answer();
    this.round = 2;
    this.tally = new WriteTally(this.plan.groups, this.plan.takesHints);
    this.reasons.clear();
    [this.awaited, this.hinting] = [0, undefined];
    this.mint(this.beatenByUs);
  }

  private onUncounted(node: NodeId, reason: string, isHeld: boolean): void {
    this.ask.note(node, isHeld ? "same" : "failed");
    this.reasons.set(node, reason);
    if (isHeld) {
      this.parts.meter.count("murmur_uncounted_answers_total");
      this.tally.onHeldUncounted();
    }
    this.tally.onRefused(node);
  }

  /** Nobody acknowledged a write at ANY soon: it is kept here for all who have not. */
  private oweSilent(): void {
    for (const { node } of this.owners) if (!this.ask.hasAnswered(node)) this.hinting?.owe(node);
  }

  /** The client is answered. For owners that are still silent the state is remembered, if there is room. */
  private finish(isAcknowledged: boolean): void {
    this.ask.finish();
    this.loss.finish(isAcknowledged);
    if (this.awaited === 0 || this.hinting === undefined) return;
    if (this.parts.owed.enter(this.stateBytes)) this.owedBytes = this.stateBytes;
    else this.hinting = undefined;
  }

  /** All have answered, or had their time. */
  private forget(): void {
    this.parts.owed.leave(this.owedBytes);
    this.owedBytes = 0;
    this.hinting = undefined;
  }

  private answer(): void {
    this.finish(true);
    if (this.tally.isWithoutOwner) this.parts.meter.count("murmur_any_by_hints_total");
    assert(this.seen !== undefined, "an acknowledged write was minted");
    const view = this.view === undefined ? {} : { view: this.view };
    this.done({ ok: true, context: this.seen, ...view, replicas: this.ask.report() });
  }

  private fail(kind: FailureKind, why?: string): void {
    this.finish(false);
    const { required, alive } = this.plan;
    const { received } = this.tally;
    const reasons = [...this.reasons].map(([node, reason]) => `${node} ${reason}`).join(", ");
    const without = this.plan.takesHints ? ", and no hint was kept," : "";
    const silent = `${received} of ${required} owners acknowledged${without} in ${Math.round(this.request.deadlineMs)} ms`;
    this.done({
      ok: false,
      failure: {
        kind,
        detail: why ?? (reasons === "" ? silent : `${silent}; ${reasons}`),
        level: this.request.level,
        ...{ required, received, alive },
        mayHaveApplied: this.wasSent || this.minting?.mayHaveMinted === true,
        replicas: this.ask.report(),
      },
    });
  }

  private hasFullDisk(): boolean {
    return [...this.reasons.values()].includes("disk-full");
  }
}

/** Undefined when the answer counts. */
function whyNotCounted(result: MergeResult | undefined, reply: MergeReply | Refused): string | undefined {
  if (result === undefined) return reply.kind === "refused" ? `refused (${reply.reason})` : "did not understand";
  if (result.status !== "ok" && result.status !== "beaten") return result.status;
  return result.votes ? undefined : NO_VOTE;
}

const NO_VOTE = "is rebuilding";
