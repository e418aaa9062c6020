/**
 * A node's standing among its peers: who refused it, who accepted it, and
 * whether that makes it the one in the wrong.
 *
 * A misconfigured newcomer must stop and name the field; a running member must
 * not stop because a misconfigured newcomer came along. So: a node that any
 * member has ever accepted only logs. A node that nobody accepted, and that a
 * senior peer refused (one settled in its cluster, or older), gives up after
 * handshakeVerdictMs. A conflict of node ids is given time for a stale
 * connection of our own former process to be noticed as dead.
 *
 * Refusals repeat with every dial: the 1st, 2nd, 4th, 8th, … time is logged.
 */
import { assert } from "../base/assert.js";
import type { Limits } from "../config.js";
import type { Cancel, Clock, Log, NodeId } from "../ports.js";
import { type Refusal, refusalSentence } from "./facts.js";
import type { RefusedEnd } from "./handshake.js";

/** Strangers choose what they say, so what is counted per saying is bounded. */
const COUNTED_MAX = 1024;

export class Standing {
  isSettled = false;
  handshakesRefused = 0;
  private readonly counts = new Map<string, number>();
  private cancelVerdict: Cancel | undefined;
  private latest: Refusal | undefined;

  constructor(
    private readonly clock: Clock,
    private readonly limits: Limits,
    private readonly log: Log,
    private readonly onVerdict: (refusal: Refusal) => void,
  ) {}

  /** Refused by a senior and accepted by nobody so far: a verdict is due. */
  get isDoubted(): boolean {
    return !this.isSettled && this.latest !== undefined;
  }

  onAccepted(peer: NodeId): void {
    this.isSettled = true;
    this.cancelVerdict?.();
    for (const key of this.counts.keys()) if (key.startsWith(`${peer}\n`)) this.counts.delete(key);
  }

  onRefused({ refusal, bySenior }: RefusedEnd): void {
    this.handshakesRefused++;
    const { peer, field, ours, theirs } = refusal;
    this.warn([peer, field, ours, theirs].join("\n"), refusalSentence(refusal), { ...refusal });
    if (this.isSettled || !bySenior) return;
    this.latest = refusal;
    this.cancelVerdict ??= this.clock.after(this.verdictMs(field), () => this.giveUp());
  }

  /** Logs a sentence the first, second, fourth, … time it comes up. */
  warn(key: string, sentence: string, facts: Record<string, unknown>): void {
    if (this.counts.size >= COUNTED_MAX && !this.counts.has(key)) this.counts.clear();
    const times = (this.counts.get(key) ?? 0) + 1;
    this.counts.set(key, times);
    if (Number.isInteger(Math.log2(times))) this.log.warn(sentence, { ...facts, times });
  }

  close(): void {
    this.cancelVerdict?.();
  }

  private giveUp(): void {
    assert(!this.isSettled && this.latest !== undefined, "an acceptance cancels the verdict");
    this.onVerdict(this.latest);
  }

  private verdictMs(field: string): number {
    const { handshakeVerdictMs, peerSilenceMsMax, pingIntervalMs, dialRetryMsMax } = this.limits;
    if (field !== "node id") return handshakeVerdictMs;
    return Math.max(handshakeVerdictMs, peerSilenceMsMax + pingIntervalMs + 2 * dialRetryMsMax);
  }
}
