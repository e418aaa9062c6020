/**
 * Skew: whose clock agrees with ours, and whether ours is the one that is wrong.
 *
 * Each pong carries a clock (Cristian 1989). A node that is off the median of
 * all by more than `clockSkewMsMax` stops coordinating: its stamps would win, or
 * lose, over everybody's. Only clocks read lately have a voice: in a large
 * cluster each is read rarely, and what a clock said before it was set is gone soon.
 *
 * A node that starts cannot know whether its clock is right. Until others have told
 * theirs it stamps nothing for clients: with a context from far ahead, whom it
 * served would be refused everywhere else. Who hears nobody is alone, and serves.
 */
import type { Limits } from "../config.js";
import type { Meter, NodeId } from "../ports.js";

/** A clock's voice lasts so many ping intervals: in a small cluster each is read in every one. */
const VOICE_INTERVALS = 10;

export class Skew {
  private readonly offsetsMs = new Map<NodeId, number>();
  /** When each was read, the oldest first. */
  private readonly voices = new Map<NodeId, number>();
  /** Who told its clock since the start, however slowly. */
  private readonly told = new Set<NodeId>();
  private refusing: string | undefined;
  /** While it refuses: by how much. */
  private offMs = 0;
  private isCompared: boolean;

  constructor(
    private readonly limits: Limits,
    private readonly self: NodeId,
    private readonly others: readonly NodeId[],
    private readonly startedMs: number,
    private readonly meter: Meter,
    private readonly isAlive: (node: NodeId) => boolean,
  ) {
    this.isCompared = others.length === 0;
  }

  /** A peer's clock in milliseconds against ours; undefined while unknown. */
  offsetMs(node: NodeId): number | undefined {
    return node === this.self ? 0 : this.offsetsMs.get(node);
  }

  /** Why this node must not coordinate now; undefined when it may. */
  get refusal(): string | undefined {
    return this.refusing;
  }

  /** Why it must not stamp what clients write: as above, or because it does not know yet. */
  get stampRefusal(): string | undefined {
    return this.refusing ?? (this.isCompared ? undefined : this.uncomparedRefusal);
  }

  /** What must be added to our wall clock while it is that far off; 0 while it is believed. */
  get correctionMs(): number {
    return this.refusing === undefined ? 0 : this.offMs;
  }

  /** A peer said `wallMs` to a question of `askedWallMs` by our clock, `roundTripMs` ago. */
  onRead(node: NodeId, wallMs: number, askedWallMs: number, roundTripMs: number, nowMs: number): void {
    this.told.add(node);
    // The peer read its clock half a round trip ago, so a slow answer says little.
    if (roundTripMs < this.limits.pingIntervalMs) {
      this.offsetsMs.set(node, wallMs - (askedWallMs + roundTripMs / 2));
      this.voices.delete(node);
      this.voices.set(node, nowMs);
    }
    this.judge(nowMs);
  }

  /** With each pong and tick, not with each request. */
  judge(nowMs: number): void {
    this.isCompared ||= this.hasCompared(nowMs);
    for (const [node, readMs] of this.voices) {
      if (nowMs - readMs <= VOICE_INTERVALS * this.limits.pingIntervalMs) break;
      this.voices.delete(node);
    }
    if (this.agreesWithAll()) {
      this.refusing = undefined;
      return;
    }
    // Our own clock has a voice too: of three nodes, one that is wrong must not make the other two doubt themselves.
    const heard = [0];
    for (const node of this.voices.keys()) {
      const offsetMs = this.isAlive(node) ? this.offsetsMs.get(node) : undefined;
      if (offsetMs !== undefined) heard.push(offsetMs);
    }
    const offMs = medianOf(heard);
    this.offMs = offMs;
    const isOff = Math.abs(offMs) > this.limits.clockSkewMsMax;
    if (isOff !== (this.refusing !== undefined)) {
      this.meter.count("murmur_clock_verdicts_total", { verdict: isOff ? "off" : "right" });
    }
    this.refusing = isOff ? this.refusalFor(offMs) : undefined;
  }

  private hasCompared(nowMs: number): boolean {
    const alive = this.others.filter(this.isAlive);
    const told = alive.filter((node) => this.told.has(node)).length;
    if (nowMs - this.startedMs < this.limits.startSettleMs) return 2 * told > alive.length;
    return told > 0 || alive.length === 0;
  }

  private get uncomparedRefusal(): string {
    return `${this.self} has just started and has not compared its clock with its peers' yet: try again in a moment`;
  }

  /** Then the median is no further off, whatever it is: the usual case, and the cheap one. */
  private agreesWithAll(): boolean {
    for (const node of this.voices.keys()) {
      if (Math.abs(this.offsetsMs.get(node) ?? 0) > this.limits.clockSkewMsMax && this.isAlive(node)) return false;
    }
    return true;
  }

  private refusalFor(offMs: number): string {
    const side = offMs > 0 ? "behind" : "ahead of";
    return `the clock of ${this.self} is ${Math.round(Math.abs(offMs))} ms ${side} its peers: set it, and the node goes on by itself`;
  }
}

/** The median of one or more. */
function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length % 2 === 1) return sorted[middle] as number;
  return ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}
