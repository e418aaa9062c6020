/**
 * The read path, top to bottom: plan, ask, tally, answer, linger, mend, fail.
 *
 * `needed` owners of each group are asked at once: oneself for free, then those
 * who are not late. For each answer that takes longer than usual (hedge.ts), and
 * at once for each refusal, one spare is asked. The client is answered when
 * enough owners are known to hold the merged state durably (tally.ts). Answers
 * that come later are merged and mended too; they only no longer delay anybody.
 */
import { assert } from "../base/assert.js";
import { equalBytes } from "../base/bytes.js";
import type { AnyLattice } from "../lattice/registry.js";
import type { NodeId } from "../ports.js";
import { Birth } from "../replica/carriers.js";
import type { Entry, ReadReply, Refused, RowAnswer } from "../wire/messages.js";
import type { Ask } from "./ask.js";
import { Inquiry } from "./inquiry.js";
import { Mending } from "./mending.js";
import type { Failure, FailureKind, ReadOutcome, ReadRequest } from "./outcome.js";
import { type CoordinatorParts, locate, refusedUnsent } from "./parts.js";
import { type Plan, planFor } from "./plan.js";
import { ReadTally } from "./tally.js";

/** What owners hold of a key, merged. */
export type StateOutcome =
  | (Omit<Extract<ReadOutcome, { ok: true }>, "view"> & {
      readonly state: unknown;
      /** Not of bottom. */
      encoded(): Uint8Array;
      /** See Entry. */
      readonly bornAtUs: number;
    })
  | Extract<ReadOutcome, { ok: false }>;

/** Reads one key; `done` comes exactly once. */
export function read(parts: CoordinatorParts, request: ReadRequest, done: (outcome: ReadOutcome) => void): void {
  readState(parts, request, (found) => {
    if (!found.ok) return done(found);
    const { state, replicas, mended } = found;
    const view = parts.latticeOf(request.bucket).view(state, parts.mint.nowMs());
    done({ ok: true, view, replicas, mended });
  });
}

/** The same, for whoever merges what is found with something else. */
export function readState(parts: CoordinatorParts, request: ReadRequest, done: (found: StateOutcome) => void): void {
  const refusal = parts.refusal();
  if (refusal !== undefined) {
    done({ ok: false, failure: refusedUnsent("clock-skew", request.level, refusal) });
    return;
  }
  const { row, owners } = locate(parts, request);
  const here = { self: parts.self, datacenter: parts.ring.datacenterOf(parts.self) };
  const plan = planFor(request.level, owners, here);
  if (plan.ok) new ReadPath(parts, request, row, plan, done).askFirst();
  else done({ ok: false, failure: refusedUnsent(plan.kind, request.level, plan.detail, plan) });
}

class ReadPath {
  private readonly lattice: AnyLattice;
  private readonly tally: ReadTally;
  private readonly inquiry: Inquiry;
  private readonly ask: Ask;
  /** The states seen, with their bytes: equal answers are decoded once, and known to be equal by identity. */
  private readonly seen: Array<{ bytes: Uint8Array; state: unknown }> = [];
  private readonly mending: Mending;
  private readonly birth: Birth;

  constructor(
    private readonly parts: CoordinatorParts,
    private readonly request: ReadRequest,
    private readonly row: Uint8Array,
    private readonly plan: Plan,
    private readonly done: (found: StateOutcome) => void,
  ) {
    this.lattice = parts.latticeOf(request.bucket);
    this.birth = new Birth(parts.carriers, this.lattice);
    this.tally = new ReadTally(this.lattice, plan.groups);
    this.inquiry = new Inquiry(parts, request, plan, {
      askOwner: (node, role) => this.askOwner(node, role),
      onDeadline: () => this.fail("timeout"),
    });
    this.ask = this.inquiry.ask;
    this.mending = new Mending({
      ...{ parts, plan, inquiry: this.inquiry, tally: this.tally },
      entriesFor: () => [this.entry()],
      onHeld: () => this.decide(),
    });
  }

  askFirst(): void {
    this.inquiry.askFirst();
  }

  private askOwner(node: NodeId, role: "first" | "hedge"): void {
    this.ask.ask(node, role, { kind: "read", rows: [this.row] }, (reply) => this.onAnswer(node, reply));
  }

  private onAnswer(node: NodeId, reply: ReadReply | Refused | undefined): void {
    // Whoever is silent to the end is told of by the deadline.
    if (reply === undefined) return;
    const answer = reply.kind === "read-reply" ? reply.answers[0] : undefined;
    const isReadable = answer !== undefined && answer.status !== "damaged";
    if (isReadable) this.tally.onAnswered(node, this.stateIn(answer), answer.votes);
    else this.ask.note(node, "failed");
    if (isReadable && !answer.votes) this.parts.meter.count("murmur_uncounted_answers_total");
    if (!isReadable || !answer.votes) this.inquiry.onUncounted(node, reply);
    if (this.request.mend) this.mending.mendBehind();
    this.decide();
  }

  private decide(): void {
    if (this.ask.isFinished) return;
    if (this.request.mend ? this.tally.isEnough() : this.tally.isAnswered()) this.answer();
    else if (!this.inquiry.hasHope) this.fail(this.inquiry.failedKind);
  }

  private answer(): void {
    this.noteStates();
    this.inquiry.finish(true);
    const { merged } = this.tally;
    const found = { state: merged, encoded: () => this.bytesOf(merged), bornAtUs: this.birth.atUs };
    this.done({ ok: true, ...found, replicas: this.ask.report(), mended: this.mending.nodes });
  }

  private entry(): Entry {
    const { merged } = this.tally;
    assert(merged !== this.lattice.bottom, "nobody is behind of nothing");
    return { row: this.row, state: this.bytesOf(merged), bornAtUs: this.birth.atUs };
  }

  private fail(kind: FailureKind): void {
    this.noteStates();
    this.inquiry.finish(false);
    const { required, alive } = this.plan;
    const { received } = this.tally;
    const detail = `${received} of ${required} owners answered in ${Math.round(this.request.deadlineMs)} ms`;
    const counts = { required, received, alive };
    const failure: Failure = {
      kind,
      detail: kind === "timeout" ? detail : this.inquiry.failedText,
      level: this.request.level,
      ...counts,
      mayHaveApplied: false,
      replicas: this.ask.report(),
    };
    this.done({ ok: false, failure });
  }

  private noteStates(): void {
    for (const node of [...this.mending.nodes, ...this.tally.behind()]) this.ask.note(node, "behind");
  }

  /** What an owner holds; nothing, if it does not vote and holds what may have been forgotten by all. */
  private stateIn({ state: bytes, votes }: RowAnswer): unknown {
    const state = this.stateOf(bytes);
    return this.birth.admits(state, votes) ? state : this.lattice.bottom;
  }

  private stateOf(bytes: Uint8Array | undefined): unknown {
    if (bytes === undefined) return this.lattice.bottom;
    const same = this.seen.find((each) => equalBytes(each.bytes, bytes));
    if (same !== undefined) return same.state;
    const state = this.lattice.decode(bytes);
    this.seen.push({ bytes, state });
    return state;
  }

  private bytesOf(state: unknown): Uint8Array {
    return this.seen.find((each) => each.state === state)?.bytes ?? this.lattice.encode(state);
  }
}
