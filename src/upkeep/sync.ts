/**
 * Sync: always-on anti-entropy between the owners of the same partitions (Dynamo 4.7).
 *
 * Every `syncIntervalMs`, and at once when a peer comes back, a node compares
 * itself with each peer that it shares partitions with. A node that missed
 * writes while it was away, or lost its disk, catches up this way without
 * anyone reading the keys; and an owner that rebuilds earns its votes by it.
 *
 * Comparing is free. Rows move between two nodes at a time: whoever already
 * exchanges rows answers *busy* to the others, and they come again soon. So a
 * node that was away gets each row once, not from every peer. Who leads an
 * exchange is free itself before it takes up the peer's time: or all would hold
 * one another, and nobody exchange anything.
 */
import { equalBytes } from "../base/bytes.js";
import { jitter, shuffled } from "../base/random.js";
import type { Cancel, NodeId } from "../ports.js";
import type { Refused } from "../wire/messages.js";
import type { SyncBlocks, SyncBlocksReply, SyncShared, SyncSharedReply } from "../wire/sync-messages.js";
import { Answering } from "./answering.js";
import type { SyncParts } from "./parts.js";
import { Session, type SessionEnd, type SessionOrder, type SessionReport } from "./session.js";

const INTERVAL_SPREAD = 0.2;
const RETRY_SPREAD = 0.8;
const NOT_READY: Refused = { kind: "refused", reason: "not-ready" };
const BUSY: Refused = { kind: "refused", reason: "busy" };

/** With whom rows are exchanged: led by this node until its session ends, or by the peer as long as it asks. */
interface Exchange {
  readonly peer: NodeId;
  readonly isOurs: boolean;
  untilMs: number;
}

interface Ordered extends SessionOrder {
  readonly onEnd: (end: SessionEnd, report: SessionReport) => void;
}

export class Sync {
  private readonly waiting = new Set<NodeId>();
  private readonly orders: Ordered[] = [];
  private running: Session | undefined;
  private exchange: Exchange | undefined;
  private cancelTick: Cancel | undefined;
  /** At the last tick, and how long it was until the next. */
  private rebuilding = 0;
  private restMs = 0;
  private isStopped = false;

  constructor(
    private readonly parts: SyncParts,
    private readonly others: readonly NodeId[],
  ) {}

  /** Compares with everybody, now and from time to time. */
  tick(): void {
    this.wakeAll();
    const { syncIntervalMs, syncRetryMs } = this.parts.limits;
    const { rebuilding } = this.parts.votes;
    // Who rebuilds looks soon again for what its peers have earned meanwhile, and ever later while that is nothing.
    this.restMs = rebuilding === this.rebuilding ? Math.min(2 * this.restMs, syncIntervalMs) : syncRetryMs;
    this.rebuilding = rebuilding;
    const intervalMs = rebuilding > 0 ? this.restMs : syncIntervalMs;
    this.cancelTick = this.parts.clock.after(jitter(this.parts.random, intervalMs, INTERVAL_SPREAD), () => this.tick());
  }

  wakeAll(): void {
    for (const node of shuffled(this.parts.random, this.others)) this.wake(node);
  }

  stop(): void {
    this.isStopped = true;
    this.cancelTick?.();
    this.waiting.clear();
    this.orders.length = 0;
  }

  /** Compares with this peer as soon as the exchange under way is over. */
  wake(node: NodeId): void {
    this.waiting.add(node);
    this.next();
  }

  /** One exchange by order of somebody who wants to know what comes of it. */
  run(order: SessionOrder, onEnd: (end: SessionEnd, report: SessionReport) => void): void {
    this.orders.push({ ...order, onEnd });
    this.next();
  }

  /** Of the exchange with a peer, if this node leads one now. */
  report(peer: NodeId): SessionReport | undefined {
    return this.running?.peer === peer ? this.running.report() : undefined;
  }

  onShared(from: NodeId, request: SyncShared): SyncSharedReply | Refused {
    const { merkle, votes } = this.parts;
    if (!merkle.isBuilt) return NOT_READY;
    const same = equalBytes(merkle.digestWith(from), request.digest);
    // Whoever compares all anew has ended what it led.
    if (this.exchange?.peer === from && !this.exchange.isOurs) this.exchange = undefined;
    return { kind: "sync-shared-reply", same, votes: votes.bitmaps() };
  }

  onBlocks(from: NodeId, request: SyncBlocks, reply: (reply: SyncBlocksReply | Refused) => void): void {
    if (!this.parts.merkle.isBuilt) return reply(NOT_READY);
    if (!this.serve(from)) return reply(BUSY);
    new Answering(this.parts, from, request, reply).start();
  }

  private next(): void {
    if (this.running !== undefined || this.isStopped || !this.parts.merkle.isBuilt) return;
    const ordered = this.orders.shift();
    if (ordered !== undefined) return this.begin(ordered, ordered.onEnd);
    for (const peer of this.waiting) {
      this.waiting.delete(peer);
      if (!this.parts.isAlive(peer)) continue;
      return this.begin({ peer, isCheck: false, bucket: undefined }, (end) => {
        if (end === "busy") this.retry(peer);
      });
    }
  }

  private begin(order: SessionOrder, onEnd: Ordered["onEnd"]): void {
    this.running = new Session(this.parts, order, {
      mayExchange: (peer) => this.lead(peer),
      onEnd: (end, report) => {
        this.running = undefined;
        if (this.exchange?.isOurs === true) this.release(this.exchange.peer, end);
        this.parts.meter.count("murmur_syncs_total", { end });
        onEnd(end, report);
        this.next();
      },
    });
    this.running.start();
  }

  /** Whoever is busy now is not for long. The wait is by chance, so that two who met do not meet again. */
  private retry(peer: NodeId): void {
    const { clock, random, limits } = this.parts;
    clock.after(jitter(random, limits.syncRetryMs, RETRY_SPREAD), () => {
      if (!this.isStopped) this.wake(peer);
    });
  }

  /** Takes up an exchange that this node leads. Of two that ask each other at once, the one with the lower id leads. */
  private lead(peer: NodeId): boolean {
    const { exchange } = this;
    const isFree = exchange === undefined || this.isOver(exchange);
    if (!isFree && !(exchange.peer === peer && this.parts.ring.self < peer)) return false;
    this.exchange = { peer, isOurs: true, untilMs: Number.POSITIVE_INFINITY };
    return true;
  }

  /** Ends an exchange that this node led. The peer need not wait until its lease is over: to be asked anew ends it there. */
  private release(peer: NodeId, end: SessionEnd): void {
    const { rpc, merkle, limits } = this.parts;
    this.exchange = undefined;
    if (end !== "complete") return;
    rpc.call(peer, { kind: "sync-shared", digest: merkle.digestWith(peer) }, limits.syncDeadlineMs, () => {});
  }

  /** Takes part in an exchange that a peer leads, or goes on with it. */
  private serve(peer: NodeId): boolean {
    const { exchange } = this;
    const untilMs = this.parts.clock.nowMs() + this.parts.limits.syncLeaseMs;
    const isFree = exchange === undefined || this.isOver(exchange);
    if (!isFree && (exchange.peer !== peer || (exchange.isOurs && this.parts.ring.self < peer))) return false;
    // Our own session with that peer, if there is one, is told that the peer is busy.
    this.exchange = { peer, isOurs: false, untilMs };
    return true;
  }

  private isOver({ untilMs }: Exchange): boolean {
    return this.parts.clock.nowMs() > untilMs;
  }
}
