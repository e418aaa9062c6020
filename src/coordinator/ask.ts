/**
 * Ask: the one loop that sends and waits, for reads and writes alike.
 *
 * It knows nothing of levels or lattices: it sends a question to an owner, notes
 * who was asked and when, brings each answer back, and says when the deadline
 * has passed. Finishing ends the waiting for the client, not the listening:
 * late answers still come, and still mend.
 */
import { assert } from "../base/assert.js";
import type { Cancel, Clock, NodeId } from "../ports.js";
import type { KeepHint, OnReply, Request, RequestOf } from "../wire/messages.js";
import type { Recall } from "../wire/rpc.js";
import type { Asker } from "./asker.js";
import type { Asked } from "./outcome.js";

interface Part {
  readonly node: NodeId;
  readonly askedMs: number;
  readonly role: Asked["role"];
  answeredMs: number | undefined;
  state: Asked["state"];
  recall: Recall | undefined;
}

export interface AskHost {
  readonly clock: Clock;
  readonly rpc: Asker;
  readonly self: NodeId;
}

const LEAST_TIMEOUT_MS = 1;

export class Ask {
  private readonly startedMs: number;
  private readonly parts: Part[] = [];
  /** Apart: who keeps a hint may be an owner too. */
  private readonly standIns: Part[] = [];
  private readonly timers: Cancel[] = [];
  private finished = false;

  /** `onDeadline` comes once, unless `finish` comes first. */
  constructor(
    private readonly host: AskHost,
    private readonly deadlineMs: number,
    onDeadline: () => void,
  ) {
    this.startedMs = host.clock.nowMs();
    this.after(deadlineMs, onDeadline);
  }

  get isFinished(): boolean {
    return this.finished;
  }

  /** Until the deadline, in milliseconds; at least one. */
  get remainingMs(): number {
    return Math.max(LEAST_TIMEOUT_MS, this.deadlineMs - this.elapsedMs());
  }

  /** Asks an owner; the callback gets its answer, or undefined after the deadline. */
  send<Kind extends Request["kind"]>(node: NodeId, request: RequestOf<Kind>, onReply: OnReply<Kind>): Recall {
    return this.host.rpc.call(node, request, this.remainingMs, onReply);
  }

  /** As `send`, and notes the owner's part for the client. */
  ask<Kind extends Request["kind"]>(
    node: NodeId,
    role: "first" | "hedge",
    request: RequestOf<Kind>,
    onReply: OnReply<Kind>,
  ): void {
    const part = this.noteAsked(node, role);
    part.recall = this.send(node, request, (reply) => {
      if (reply !== undefined) {
        part.answeredMs = this.elapsedMs();
        part.state = reply.kind === "refused" ? "failed" : "same";
      }
      onReply(reply);
    });
  }

  /** Asks for a hint to be kept, and notes it for the client while that waits; says whether it is kept. */
  askToKeep(node: NodeId, request: KeepHint, onKept: (isKept: boolean) => void): void {
    const part = this.partFor(node, "hint");
    if (!this.finished) this.standIns.push(part);
    this.send(node, request, (reply) => {
      const isKept = reply?.kind === "keep-hint-reply" && reply.kept[0] === true;
      if (reply !== undefined) part.answeredMs = this.elapsedMs();
      part.state = isKept ? "same" : "failed";
      onKept(isKept);
    });
  }

  hasAsked(node: NodeId): boolean {
    return this.partOf(node) !== undefined;
  }

  /** Whether an answer or a refusal came. */
  hasAnswered(node: NodeId): boolean {
    return this.partOf(node)?.answeredMs !== undefined;
  }

  /** An owner's answer is of no more use. */
  recall(node: NodeId): void {
    this.partOf(node)?.recall?.();
  }

  /** What the client is told of an owner's answer. */
  note(node: NodeId, state: Asked["state"]): void {
    const part = this.partOf(node);
    if (part !== undefined) part.state = state;
  }

  /** Runs `fn` in `delayMs`, unless finished by then. */
  after(delayMs: number, fn: () => void): void {
    this.timers.push(this.host.clock.after(delayMs, fn));
  }

  /** The client is about to be answered: no more timers, no second finish. */
  finish(): void {
    assert(!this.finished, "a request is answered exactly once");
    this.finished = true;
    for (const cancel of this.timers) cancel();
  }

  /** Everyone's part, in the order of asking, owners first. */
  report(): Asked[] {
    return [...this.parts, ...this.standIns].map(({ node, askedMs, answeredMs, role, state }) => ({
      node,
      askedMs,
      answeredMs,
      role: answeredMs === undefined ? "late" : role,
      state,
    }));
  }

  private noteAsked(node: NodeId, role: "first" | "hedge"): Part {
    const known = this.partOf(node);
    if (known !== undefined) {
      known.answeredMs = undefined;
      known.state = "pending";
      return known;
    }
    const named = node === this.host.self ? "self" : role;
    const part = this.partFor(node, named);
    this.parts.push(part);
    return part;
  }

  private partFor(node: NodeId, role: Asked["role"]): Part {
    return { node, askedMs: this.elapsedMs(), role, answeredMs: undefined, state: "pending", recall: undefined };
  }

  private partOf(node: NodeId): Part | undefined {
    return this.parts.find((part) => part.node === node);
  }

  private elapsedMs(): number {
    return this.host.clock.nowMs() - this.startedMs;
  }
}
