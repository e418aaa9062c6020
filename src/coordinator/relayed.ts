/**
 * One write on its way through a relay, until each of the owners has had its one answer.
 *
 * An owner may be reached in two ways: what the relay forwards to it, and a question of our own, when that is late.
 * Its first answer counts, for it alone. Only when no way brought one is it silent.
 */
import type { Quantiles } from "../base/quantile.js";
import type { TokenBucket } from "../base/token-bucket.js";
import type { Cancel, Clock, Meter, NodeId } from "../ports.js";
import type { Merge, MergeReply, Refused } from "../wire/messages.js";
import type { Rpc } from "../wire/rpc.js";

type Reply = MergeReply | Refused | undefined;

/** What is asked of one owner. */
export interface Question {
  readonly to: NodeId;
  readonly merge: Merge;
  readonly timeoutMs: number;
  /** Called once. */
  readonly onReply: (reply: Reply) => void;
}

interface RelayedHost {
  readonly clock: Clock;
  readonly meter: Meter;
  readonly rpc: Pick<Rpc, "call" | "callThrough">;
  /** How long answers take. */
  readonly quantiles: Quantiles;
  /** Of questions that owners are asked twice. */
  readonly budget: Pick<TokenBucket, "spend">;
  /** The relay is not to be chosen for a while. */
  readonly rest: () => void;
}

interface Part {
  readonly question: Question;
  /** From which no answer came yet. */
  waysOpen: number;
  isAnswered: boolean;
  /** The relay had forwarded it: an answer came that way. */
  isForwarded: boolean;
}

const LEAST_TIMEOUT_MS = 1;

export class Relayed {
  private readonly startedMs: number;
  private readonly parts: readonly Part[];
  private unanswered: number;
  private cancelPatience: Cancel = () => {};

  constructor(
    private readonly host: RelayedHost,
    private readonly relay: NodeId,
    questions: readonly Question[],
    private readonly timeoutMs: number,
    /** How long an answer may take before it is late. */
    private readonly patienceMs: number,
  ) {
    this.startedMs = host.clock.nowMs();
    this.parts = questions.map((question) => ({ question, waysOpen: 1, isAnswered: false, isForwarded: false }));
    this.unanswered = questions.length;
  }

  send(): void {
    const { clock, meter, rpc } = this.host;
    const owners = this.parts.map(({ question }) => question.to);
    const further = owners.filter((owner) => owner !== this.relay);
    const entries = this.parts[0]?.question.merge.entries ?? [];
    meter.count("murmur_relayed_writes_total");
    this.cancelPatience = clock.after(this.patienceMs, () => this.onLate());
    rpc.callThrough(this.relay, further, {
      ...{ entries, timeoutMs: this.timeoutMs },
      onReply: (from, reply) => this.onRelayed(from, reply),
    });
  }

  private onRelayed(from: NodeId, reply: Reply): void {
    const part = this.parts.find(({ question }) => question.to === from) as Part;
    part.isForwarded = reply !== undefined;
    this.learn(reply);
    this.onReply(part, reply);
    // What it refuses it does not forward.
    if (from !== this.relay || reply?.kind !== "refused") return;
    this.host.rest();
    this.askOthers("refused", true);
  }

  private onLate(): void {
    const isSilent = this.parts.some(({ question, isAnswered }) => question.to === this.relay && !isAnswered);
    if (isSilent) this.host.rest();
    this.askOthers("late", isSilent);
  }

  /**
   * Whoever has not answered is asked without the relay. When that has answered for itself, it is likely the others
   * that are slow, and to ask them twice makes it worse: then only as far as the budget goes.
   */
  private askOthers(reason: "late" | "refused", isFree: boolean): void {
    const { budget, clock, meter, rpc } = this.host;
    this.cancelPatience();
    const missing = this.parts.filter(
      ({ question, isAnswered }) => !isAnswered && question.to !== this.relay && (isFree || budget.spend()),
    );
    if (missing.length > 0) meter.count("murmur_relay_fallbacks_total", { reason });
    const remainingMs = Math.max(LEAST_TIMEOUT_MS, this.timeoutMs - (clock.nowMs() - this.startedMs));
    for (const part of missing) {
      part.waysOpen++;
      rpc.call(part.question.to, part.question.merge, remainingMs, (reply) => {
        if (reply?.kind === "merge-reply") this.doubtRelay(part);
        this.onReply(part, reply);
      });
    }
  }

  /** An owner could be had directly: if its answer through the relay does not follow soon, the relay did not forward. */
  private doubtRelay(part: Part): void {
    this.host.clock.after(this.patienceMs, () => {
      if (!part.isForwarded) this.host.rest();
    });
  }

  private onReply(part: Part, reply: Reply): void {
    part.waysOpen--;
    if (part.isAnswered || (reply === undefined && part.waysOpen > 0)) return;
    part.isAnswered = true;
    this.unanswered--;
    if (this.unanswered === 0) this.cancelPatience();
    part.question.onReply(reply);
  }

  private learn(reply: Reply): void {
    const nowMs = this.host.clock.nowMs();
    const ageMs = nowMs - this.startedMs;
    if (reply === undefined) this.host.quantiles.recordCensored(ageMs, nowMs);
    else if (reply.kind === "merge-reply") this.host.quantiles.record(ageMs, nowMs);
  }
}
