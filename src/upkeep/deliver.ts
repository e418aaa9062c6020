/**
 * Deliver: hints go to their owners as soon as those are back (Dynamo 4.6).
 *
 * One message at a time for each owner, the oldest hints first, at a pace that
 * leaves an owner that has just come back to its clients. A hint goes when its
 * owner has it on disk, or will never take it; whatever else it says, or if it
 * says nothing, it is offered again later. Delivering is the same idempotent
 * merge as a write, and it never makes a hint of its own.
 */
import { jitter, type Random } from "../base/random.js";
import type { Limits } from "../config.js";
import type { Cancel, Clock, Meter, NodeId } from "../ports.js";
import type { Carriers } from "../replica/carriers.js";
import type { HintCounts, SentHint } from "../replica/hint-index.js";
import type { HintBook } from "../replica/hints.js";
import type { MergeResult } from "../wire/messages.js";
import type { Rpc } from "../wire/rpc.js";
import type { Pace } from "./pace.js";

export interface DeliverParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly meter: Meter;
  readonly limits: Limits;
  readonly rpc: Pick<Rpc, "call">;
  readonly hints: HintBook;
  readonly carriers: Pick<Carriers, "isClockOff" | "isOfNow">;
  readonly isAlive: (node: NodeId) => boolean;
  readonly pace: Pace;
}

/** What is kept for one owner. */
export interface HintStatus extends Omit<HintCounts, "hasExpired"> {
  /** waiting: the owner is down. delivering: it is up. expired: away for so long that nothing more is kept for it. */
  readonly state: "waiting" | "delivering" | "expired";
}

const SPREAD = 0.5;
/** So many times within the age of a hint it is looked at whether it is too old. */
const SWEEPS = 64;

export class Deliver {
  /** Owners whose next message is due, or on its way. */
  private readonly underWay = new Map<NodeId, Cancel>();
  /** So many of its oldest hints an owner did not take in this round: others do not wait behind them. */
  private readonly passed = new Map<NodeId, number>();
  private cancelSweep: Cancel | undefined;
  private isStopped = false;
  /** When what was sent so far is within what may be sent in that time. */
  private freeAtMs = 0;

  constructor(private readonly parts: DeliverParts) {}

  /** Its owner is up again. Not all who keep hints for it come in one moment. */
  onUp(target: NodeId): void {
    this.parts.hints.onUp(target);
    this.passed.delete(target);
    this.schedule(target, this.parts.limits.hintRetryMs / 4);
  }

  /** Something is kept for this owner, which may be up: it was slow, or lost a message. */
  onKept(target: NodeId): void {
    this.cancelSweep ??= this.sweepIn(this.parts.limits.hintAgeMsMax / SWEEPS);
    if (this.parts.isAlive(target)) this.schedule(target, this.parts.limits.hintRetryMs);
  }

  stop(): void {
    this.isStopped = true;
    this.cancelSweep?.();
    for (const cancel of this.underWay.values()) cancel();
  }

  describe(): HintStatus[] {
    return this.parts.hints.counts().map((counts) => {
      const { hasExpired: _hasExpired, ...status } = counts;
      return { ...status, state: this.stateOf(counts) };
    });
  }

  private stateOf({ node, hasExpired }: HintCounts): HintStatus["state"] {
    if (this.parts.isAlive(node)) return "delivering";
    return hasExpired ? "expired" : "waiting";
  }

  private schedule(target: NodeId, delayMs: number): void {
    if (this.isStopped || this.underWay.has(target)) return;
    this.next(target, jitter(this.parts.random, delayMs, SPREAD));
  }

  private next(target: NodeId, delayMs: number): void {
    const { clock, pace } = this.parts;
    const waitMs = Math.max(delayMs, this.freeAtMs - clock.nowMs());
    const cancel = clock.after(waitMs, () => {
      this.underWay.set(
        target,
        pace.soon(() => this.send(target)),
      );
    });
    this.underWay.set(target, cancel);
  }

  private send(target: NodeId): void {
    const { hints, rpc, limits, isAlive } = this.parts;
    hints.expire(target);
    const sent = isAlive(target) ? hints.oldest(target, this.passed.get(target) ?? 0) : [];
    if (sent.length === 0) {
      this.underWay.delete(target);
      this.passed.delete(target);
      // Its first hints may be on their way to the disk, or could not be read: others wait behind them.
      if (isAlive(target) && hints.counts().some(({ node, hints }) => node === target && hints > 0))
        this.schedule(target, limits.hintRetryMs);
      return;
    }
    this.spend(sent.reduce((sum, { record }) => sum + record.length, 0));
    this.underWay.set(target, () => {});
    const entries = sent.map(({ entry }) => entry);
    rpc.call(target, { kind: "merge", cause: "hint", entries }, limits.syncDeadlineMs, (reply) => {
      const results = reply?.kind === "merge-reply" && reply.results.length === sent.length ? reply.results : [];
      this.onAnswered(target, sent, results);
    });
  }

  private spend(bytes: number): void {
    const fromMs = Math.max(this.freeAtMs, this.parts.clock.nowMs());
    this.freeAtMs = fromMs + (1000 * bytes) / this.parts.limits.hintSecondBytes;
  }

  private onAnswered(target: NodeId, sent: readonly SentHint[], results: readonly MergeResult[]): void {
    let settled = 0;
    for (const [index, { status }] of results.entries()) {
      const hint = sent[index] as SentHint;
      // An owner that refuses will do so for ever: the row is not its own, or the state of another time. Of that its clock alone is no proof.
      const isRefused = status === "refused" || (status === "stale" && this.isOfAnotherTime(hint));
      if (!isRefused && status !== "ok" && status !== "beaten") continue;
      settled++;
      if (isRefused) this.parts.meter.count("murmur_hints_dropped_total", { reason: status });
      else this.parts.meter.count("murmur_hints_delivered_total");
      this.parts.hints.settle(target, hint);
    }
    const { hintRetryMs } = this.parts.limits;
    if (this.isStopped) return;
    this.passed.set(target, (this.passed.get(target) ?? 0) + results.length - settled);
    this.next(target, settled > 0 ? 0 : jitter(this.parts.random, hintRetryMs, SPREAD));
  }

  private isOfAnotherTime({ entry }: SentHint): boolean {
    const { carriers } = this.parts;
    return !carriers.isClockOff && !carriers.isOfNow(entry.bornAtUs);
  }

  private sweepIn(delayMs: number): Cancel {
    return this.parts.clock.after(delayMs, () => {
      const { hints, limits } = this.parts;
      const isAll = hints.counts().every(({ node }) => hints.expire(node));
      const hasHints = hints.progress.hints > 0;
      this.cancelSweep = hasHints ? this.sweepIn(isAll ? limits.hintAgeMsMax / SWEEPS : 0) : undefined;
    });
  }
}
