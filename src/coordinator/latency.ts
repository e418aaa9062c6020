/**
 * How long each replica takes, and who is overdue now. Pure: time comes as an argument.
 *
 * Every question is followed to its end; one that was recalled or lost counts as
 * having taken longer than its age (base/quantile.ts). Two mistakes are avoided
 * on the way from there to "this is late" (both measured, on others' stores
 * too). Learning only from quick answers sinks until everything is hedged.
 * Learning the stall itself rises until nothing is: so a replica is never
 * thought to take longer than three times what its neighbours usually do.
 *
 * Hedging is the second line. The first is not to ask who is late: a replica
 * with an unanswered question older than usual, or one that is much slower than
 * its neighbours, is ranked behind them, asked again now and then, and
 * restored by its answers.
 */
import { assert } from "../base/assert.js";
import { Quantiles } from "../base/quantile.js";
import type { Limits } from "../config.js";
import type { NodeId } from "../ports.js";

/** A question on its way; handed back when it has come to an end. */
export interface Question {
  readonly node: NodeId;
  readonly askedMs: number;
  /** How old it was when its asker had no more use for an answer. */
  recalledAtAgeMs: number | undefined;
}

interface Estimate {
  readonly usualMs: number;
  /** Even its usual answers are late. */
  readonly isSlow: boolean;
  /** Until when this is good enough. */
  readonly untilMs: number;
}

interface Replica {
  readonly node: NodeId;
  readonly quantiles: Quantiles;
  /** In the order of asking: the first is the oldest. */
  readonly unanswered: Set<Question>;
  /** By share. */
  readonly estimates: Map<number, Estimate>;
  /** The last question was never answered. */
  lost: boolean;
  lastChosenMs: number;
}

/** What is known of one replica, for people. Times are undefined while too little was seen. */
export interface LatencyStatus {
  readonly node: NodeId;
  readonly samples: number;
  readonly p50Ms: number | undefined;
  readonly p95Ms: number | undefined;
  readonly p99Ms: number | undefined;
  /** Reads go to others first. */
  readonly overdue: boolean;
  readonly unanswered: number;
}

/** So many times its neighbours' median is the longest that a replica may usually take. */
const NEIGHBOURS_FACTOR = 3;
/** The share by which replicas are compared. */
const RANK_SHARE = 0.95;
const MEDIAN = 0.5;
/** So many times as long until the next probe when it cannot be hedged. */
const BARE_PROBE_FACTOR = 30;
/** Walking through the buckets takes a microsecond: too long for every read, and needless. */
const ESTIMATE_LIFE_MS = 50;

export class Latencies {
  private readonly replicas = new Map<NodeId, Replica>();

  constructor(
    private readonly limits: Limits,
    private readonly datacenterOf: (node: NodeId) => string,
    /** What was learned from questions of another kind: whoever is late there is avoided here too. */
    private readonly others?: Latencies,
  ) {}

  /**
   * It will be asked in this turn. A batch asks when all its keys have their plans:
   * without this word each of them would take itself for the one probe that is due.
   */
  onChosen(node: NodeId, nowMs: number): void {
    this.replicaOf(node).lastChosenMs = nowMs;
  }

  onAsked(node: NodeId, nowMs: number): Question {
    const question = { node, askedMs: nowMs, recalledAtAgeMs: undefined };
    this.replicaOf(node).unanswered.add(question);
    this.onChosen(node, nowMs);
    return question;
  }

  /** Its answer came. Returns how long it took. */
  onAnswered(question: Question, nowMs: number): number {
    const replica = this.close(question);
    const durationMs = nowMs - question.askedMs;
    if (question.recalledAtAgeMs === undefined) replica.quantiles.record(durationMs, nowMs);
    else replica.quantiles.recordCensored(question.recalledAtAgeMs, nowMs);
    replica.lost = false;
    return durationMs;
  }

  /** It refused: that tells that it is there, not how long an answer takes, unless its answer was recalled. */
  onRefused(question: Question, nowMs: number): void {
    const replica = this.close(question);
    if (question.recalledAtAgeMs !== undefined) replica.quantiles.recordCensored(question.recalledAtAgeMs, nowMs);
    replica.lost = false;
  }

  /** Nothing came until the deadline. */
  onLost(question: Question, nowMs: number): void {
    const replica = this.close(question);
    replica.quantiles.recordCensored(question.recalledAtAgeMs ?? nowMs - question.askedMs, nowMs);
    replica.lost = true;
  }

  /** What so large a share of a replica's answers should not exceed, in milliseconds. */
  usualMs(node: NodeId, share: number, nowMs: number): number {
    return this.estimate(node, share, nowMs).usualMs;
  }

  /**
   * Whether others should be asked first. Not of a late replica whose time for a probe has come. Where nothing is saved up
   * for hedges, nothing shields the read that probes, and so there are fewer.
   */
  isAvoided(node: NodeId, nowMs: number, canHedge: boolean): boolean {
    if (this.others?.isAvoided(node, nowMs, canHedge)) return true;
    if (!this.isLate(node, nowMs)) return false;
    const intervalMs = this.limits.peerProbeIntervalMs * (canHedge ? 1 : BARE_PROBE_FACTOR);
    return nowMs - this.replicaOf(node).lastChosenMs < intervalMs;
  }

  describe(node: NodeId, nowMs: number): LatencyStatus {
    const { quantiles, unanswered } = this.replicaOf(node);
    return {
      node,
      samples: Math.round(quantiles.samples),
      p50Ms: quantiles.quantile(0.5),
      p95Ms: quantiles.quantile(0.95),
      p99Ms: quantiles.quantile(0.99),
      overdue: this.isLate(node, nowMs),
      unanswered: unanswered.size,
    };
  }

  private isLate(node: NodeId, nowMs: number): boolean {
    const { lost, unanswered } = this.replicaOf(node);
    const { usualMs, isSlow } = this.estimate(node, RANK_SHARE, nowMs);
    if (lost || isSlow) return true;
    const [oldest] = unanswered;
    return oldest !== undefined && nowMs - oldest.askedMs > usualMs;
  }

  private estimate(node: NodeId, share: number, nowMs: number): Estimate {
    const replica = this.replicaOf(node);
    const known = replica.estimates.get(share);
    if (known !== undefined && nowMs < known.untilMs) return known;
    const { hedgeMsMin, hedgeUnmeasuredMs } = this.limits;
    const ownMs = replica.quantiles.quantile(share);
    const usualMs = Math.min(ownMs ?? hedgeUnmeasuredMs, NEIGHBOURS_FACTOR * this.neighboursMs(node, MEDIAN));
    const estimate = {
      usualMs: Math.max(hedgeMsMin, usualMs),
      isSlow: this.isSlow(replica, share) ?? this.isSlow(replica, MEDIAN) ?? false,
      untilMs: nowMs + ESTIMATE_LIFE_MS,
    };
    replica.estimates.set(share, estimate);
    return estimate;
  }

  /** Whether it is late even when it is as usual, by this quantile; undefined while too little was seen of it. */
  private isSlow({ node, quantiles }: Replica, share: number): boolean | undefined {
    const ownMs = quantiles.quantile(share);
    if (ownMs === undefined) return undefined;
    return ownMs > Math.max(this.limits.hedgeMsMin, NEIGHBOURS_FACTOR * this.neighboursMs(node, share));
  }

  /** The median of this quantile over the measured replicas of its datacenter, the lower one of two. */
  private neighboursMs(node: NodeId, share: number): number {
    const datacenter = this.datacenterOf(node);
    const known: number[] = [];
    for (const { node: other, quantiles } of this.replicas.values()) {
      const ms = this.datacenterOf(other) === datacenter ? quantiles.quantile(share) : undefined;
      if (ms !== undefined) known.push(ms);
    }
    known.sort((a, b) => a - b);
    return known[(known.length - 1) >> 1] ?? Number.POSITIVE_INFINITY;
  }

  private close(question: Question): Replica {
    const replica = this.replicaOf(question.node);
    const wasOpen = replica.unanswered.delete(question);
    assert(wasOpen, "a question comes to an end once");
    return replica;
  }

  private replicaOf(node: NodeId): Replica {
    const known = this.replicas.get(node);
    if (known !== undefined) return known;
    const replica: Replica = {
      node,
      quantiles: new Quantiles(this.limits.latencyHalfLifeMs),
      unanswered: new Set(),
      estimates: new Map(),
      lost: false,
      lastChosenMs: Number.NEGATIVE_INFINITY,
    };
    this.replicas.set(node, replica);
    return replica;
  }
}
