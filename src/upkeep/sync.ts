/**
 * Sync: always-on anti-entropy between the owners of the same partitions (Dynamo 4.7).
 *
 * Every `syncIntervalMs`, and at once when a peer comes back, a node compares
 * itself with each peer that it shares partitions with. A node that missed
 * writes while it was away, or lost its disk, catches up this way without
 * anyone reading the keys; and an owner that rebuilds earns its votes by it. One
 * exchange runs at a time, so a node that returns pulls each row once, not from everybody.
 */
import { equalBytes } from "../base/bytes.js";
import { DIGEST_BYTES, xorInto } from "../base/hash.js";
import { jitter, shuffled } from "../base/random.js";
import { type Cancel, type NodeId, StorageDamage } from "../ports.js";
import { splitRange } from "../replica/merkle.js";
import { TOKEN_MAX } from "../replica/rows.js";
import type {
  RangeAnswer,
  Refused,
  SyncRange,
  SyncRanges,
  SyncRangesReply,
  SyncShared,
  SyncSharedReply,
} from "../wire/messages.js";
import { isYoung, type SyncParts, sharedPartitions } from "./parts.js";
import { Session } from "./session.js";

const SPLIT_PARTS = 16;
const INTERVAL_SPREAD = 0.2;
const NOT_READY: Refused = { kind: "refused", reason: "not-ready" };
const MALFORMED: Refused = { kind: "refused", reason: "malformed" };

export class Sync {
  private readonly waiting = new Set<NodeId>();
  private isRunning = false;
  private cancelTick: Cancel | undefined;

  constructor(
    private readonly parts: SyncParts,
    private readonly others: readonly NodeId[],
  ) {}

  /** Compares with everybody, now and from time to time. */
  tick(): void {
    for (const node of shuffled(this.parts.random, this.others)) this.wake(node);
    const { syncIntervalMs, syncRetryMs } = this.parts.limits;
    const intervalMs = this.parts.votes.rebuilding > 0 ? syncRetryMs : syncIntervalMs;
    this.cancelTick = this.parts.clock.after(jitter(this.parts.random, intervalMs, INTERVAL_SPREAD), () => this.tick());
  }

  stop(): void {
    this.cancelTick?.();
    this.waiting.clear();
  }

  /** Compares with this peer as soon as the exchange under way is over. */
  wake(node: NodeId): void {
    this.waiting.add(node);
    this.next();
  }

  onShared(from: NodeId, request: SyncShared): SyncSharedReply | Refused {
    const { merkle, votes, ring } = this.parts;
    if (!merkle.isBuilt) return NOT_READY;
    if (request.placement >= ring.placements) return MALFORMED;
    const partitions = sharedPartitions(this.parts, request.placement, from);
    const digest = new Uint8Array(DIGEST_BYTES);
    const roots = new Uint8Array(partitions.length * DIGEST_BYTES);
    for (const [index, partition] of partitions.entries()) {
      const root = merkle.root(request.placement, partition);
      xorInto(digest, root);
      roots.set(root, index * DIGEST_BYTES);
    }
    const same = equalBytes(digest, request.digest);
    const bitmap = votes.bitmap(request.placement);
    return { kind: "sync-shared-reply", same, roots: same ? new Uint8Array(0) : roots, votes: bitmap };
  }

  onRanges(request: SyncRanges): SyncRangesReply | Refused {
    const { merkle, ring, limits } = this.parts;
    if (!merkle.isBuilt) return NOT_READY;
    const isSane = (range: SyncRange) => range.from <= range.to && range.to <= TOKEN_MAX;
    if (request.placement >= ring.placements || request.ranges.length > limits.syncRangesMax) return MALFORMED;
    if (!request.ranges.every(isSane)) return MALFORMED;
    try {
      const answers = request.ranges.map((range) => this.answerRange(request.placement, range));
      return { kind: "sync-ranges-reply", answers };
    } catch (error) {
      if (!(error instanceof StorageDamage)) throw error;
      this.parts.meter.count("murmur_damaged_rows_total");
      return NOT_READY;
    }
  }

  private answerRange(placement: number, theirs: SyncRange): RangeAnswer {
    const { merkle, limits } = this.parts;
    const ours = merkle.fingerprint(placement, theirs);
    if (equalBytes(ours.digest, theirs.digest)) return { kind: "same" };
    if (Math.max(ours.count, theirs.count) > limits.syncRangeRowsMax && theirs.from < theirs.to) {
      const ranges = splitRange(theirs, SPLIT_PARTS).map((part) => merkle.fingerprint(placement, part));
      return { kind: "split", ranges };
    }
    const listed = merkle.list(placement, theirs, (row, record) => isYoung(this.parts, row, record));
    return { kind: "rows", rows: [...listed.values()] };
  }

  private next(): void {
    if (this.isRunning || !this.parts.merkle.isBuilt) return;
    for (const node of this.waiting) {
      this.waiting.delete(node);
      if (!this.parts.isAlive(node)) continue;
      this.isRunning = true;
      new Session(this.parts, node, (end) => this.onEnd(end)).start();
      return;
    }
  }

  private onEnd(end: "complete" | "broken"): void {
    this.isRunning = false;
    this.parts.meter.count("murmur_syncs_total", { end });
    this.next();
  }
}
