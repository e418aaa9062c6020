/**
 * One exchange with one peer, until both hold the same (range-based set
 * reconciliation, Meyer 2022, over the xor digests of replica/merkle.ts).
 *
 * First one digest for all shared partitions: mostly that is the end. Then the
 * roots name the partitions that differ; those are taken a few at a time,
 * their ranges split until they are small enough to be listed row by row, and
 * rows that differ are pulled, merged here, and pushed where the peer lacks
 * something. So d differences cost O(d log n). Both directions are the same
 * idempotent merge; a broken exchange loses nothing and is begun again later.
 */
import { assert } from "../base/assert.js";
import { bytesToMapKey, equalBytes } from "../base/bytes.js";
import { DIGEST_BYTES, xorInto } from "../base/hash.js";
import { type NodeId, StorageDamage } from "../ports.js";
import { bornAtUs } from "../replica/carriers.js";
import { partitionTokens } from "../replica/merkle.js";
import { bucketOfRow, partitionOfRow } from "../replica/rows.js";
import { hasBit } from "../replica/votes.js";
import type {
  Entry,
  ListedRow,
  MergeResult,
  RangeAnswer,
  ReplyTo,
  Request,
  RowAnswer,
  SyncRange,
} from "../wire/messages.js";
import { isYoung, type SyncParts, sharedPartitions } from "./parts.js";

/** complete: all shared partitions were compared. broken: the peer went away or refused. */
export type SessionEnd = "complete" | "broken";

export class Session {
  private placement = -1;
  private partitions: number[] = [];
  private peerVotes: Uint8Array = new Uint8Array(0);
  /** Partitions of this placement that differ and have not been taken up. */
  private differing: number[] = [];
  /** Those under way, their ranges still to compare, and rows to move. */
  private taken: number[] = [];
  private ranges: SyncRange[] = [];
  private toPull: ListedRow[] = [];
  private toPush: Uint8Array[] = [];
  private isClean = true;
  /** Whose lives these are: what was compared in one life says nothing about the next. */
  private readonly lives: string;

  constructor(
    private readonly parts: SyncParts,
    private readonly peer: NodeId,
    private readonly onEnd: (end: SessionEnd) => void,
  ) {
    this.lives = parts.livesWith(peer);
  }

  start(): void {
    this.guard(() => this.nextPlacement());
  }

  /** A damaged page ends this exchange; the next one may not need it. */
  private guard(step: () => void): void {
    try {
      step();
    } catch (error) {
      if (!(error instanceof StorageDamage)) throw error;
      this.parts.meter.count("murmur_damaged_rows_total");
      this.onEnd("broken");
    }
  }

  private nextPlacement(): void {
    const { ring, merkle } = this.parts;
    this.placement++;
    if (this.placement === ring.placements) return this.onEnd("complete");
    this.partitions = sharedPartitions(this.parts, this.placement, this.peer);
    const digest = new Uint8Array(DIGEST_BYTES);
    for (const partition of this.partitions) xorInto(digest, merkle.root(this.placement, partition));
    this.ask({ kind: "sync-shared", placement: this.placement, digest }, (reply) => this.onShared(reply));
  }

  private onShared(reply: ReplyTo["sync-shared"]): void {
    this.peerVotes = reply.votes;
    if (!reply.same && reply.roots.length !== this.partitions.length * DIGEST_BYTES) return this.onEnd("broken");
    this.differing = this.partitions.filter((partition, index) => {
      const theirs = reply.roots.subarray(index * DIGEST_BYTES, (index + 1) * DIGEST_BYTES);
      const isSame = reply.same || equalBytes(theirs, this.parts.merkle.root(this.placement, partition));
      if (isSame) this.markSynced(partition);
      return !isSame;
    });
    this.nextPartitions();
  }

  /** Takes up so many partitions that their rows are summed up within one turn. */
  private nextPartitions(): void {
    const { limits, merkle, ring } = this.parts;
    const owned = ring.ownedBy(ring.self, this.placement).length;
    const affordable = Math.floor((limits.scanRowsMax * owned) / Math.max(1, merkle.rows));
    this.taken = this.differing.splice(0, Math.max(1, Math.min(limits.syncRangesMax, affordable)));
    if (this.taken.length === 0) return this.nextPlacement();
    this.isClean = true;
    this.ranges = this.taken.map((partition) =>
      merkle.fingerprint(this.placement, partitionTokens(ring.partitions, partition)),
    );
    this.compareRanges();
  }

  private compareRanges(): void {
    const ranges = this.ranges.splice(0, this.parts.limits.syncRangesMax);
    if (ranges.length === 0) return this.pull();
    this.ask({ kind: "sync-ranges", placement: this.placement, ranges }, (reply) => {
      if (reply.answers.length !== ranges.length) return this.onEnd("broken");
      for (const [index, range] of ranges.entries()) this.onRange(range, reply.answers[index] as RangeAnswer);
      this.compareRanges();
    });
  }

  private onRange(range: SyncRange, answer: RangeAnswer): void {
    if (answer.kind === "rows") this.compareRows(range, answer.rows);
    if (answer.kind !== "split") return;
    for (const theirs of answer.ranges) {
      const ours = this.parts.merkle.fingerprint(this.placement, theirs);
      if (!equalBytes(ours.digest, theirs.digest)) this.ranges.push(ours);
    }
  }

  private compareRows(range: SyncRange, theirs: readonly ListedRow[]): void {
    const ours = this.parts.merkle.list(this.placement, range, (row, record) => isYoung(this.parts, row, record));
    for (const listed of theirs) {
      const mapKey = bytesToMapKey(listed.row);
      const own = ours.get(mapKey);
      ours.delete(mapKey);
      const isSame = own !== undefined && equalBytes(own.digest, listed.digest);
      // Who rebuilds takes everything: it must not vote without a write that is still on its way.
      if (!isSame && (!listed.young || this.parts.votes.rebuilding > 0)) this.toPull.push(listed);
    }
    for (const { row, young } of ours.values()) if (!young) this.toPush.push(row);
  }

  private pull(): void {
    const { syncRangeRowsMax } = this.parts.limits;
    const wanted = this.toPull.slice(0, syncRangeRowsMax);
    if (wanted.length === 0) return this.push();
    const askedUs = this.parts.carriers.nowUs();
    this.ask({ kind: "read", rows: wanted.map(({ row }) => row) }, ({ answers }) => {
      if (answers.length === 0) return this.onEnd("broken");
      this.toPull.splice(0, answers.length);
      this.mergePulled(wanted, answers, askedUs);
    });
  }

  private mergePulled(wanted: readonly ListedRow[], answers: readonly RowAnswer[], askedUs: number): void {
    const { replica, meter } = this.parts;
    const rows = wanted.map(({ row }) => row);
    if (answers.some(({ status }) => status === "damaged")) this.isClean = false;
    const entries = this.entriesOf(rows, answers, askedUs, (partition) => this.votesHere(partition));
    meter.count("murmur_sync_rows_total", { direction: "pulled" }, entries.length);
    replica.merge("sync", entries, (results) => this.guard(() => this.onMerged(entries, results)));
  }

  private onMerged(entries: readonly Entry[], results: readonly MergeResult[]): void {
    if (results.some(({ status }) => status !== "ok")) this.isClean = false;
    const held = this.parts.replica.read(entries.map(({ row }) => row));
    // What was merged from both sides is news to the peer too.
    for (const [index, { row, state }] of entries.entries()) {
      const merged = held[index]?.state;
      if (merged !== undefined && !equalBytes(merged, state)) this.toPush.push(row);
    }
    this.pull();
  }

  private push(): void {
    const { replica, meter, limits } = this.parts;
    const rows = this.toPush.slice(0, limits.syncRangeRowsMax);
    if (rows.length === 0) return this.endOfTaken();
    // Before they are read: nothing may seem younger than it is.
    const nowUs = this.parts.carriers.nowUs();
    const answers = replica.read(rows);
    assert(answers.length > 0, "a read of something answers something");
    this.toPush.splice(0, answers.length);
    const entries = this.entriesOf(rows, answers, nowUs, (partition) => this.votesThere(partition));
    meter.count("murmur_sync_rows_total", { direction: "pushed" }, entries.length);
    this.ask({ kind: "merge", cause: "sync", entries }, () => this.push());
  }

  /** What was read as it travels to a receiver. Where neither side votes, both are all there is: nothing is too old. */
  private entriesOf(
    rows: readonly Uint8Array[],
    answers: readonly RowAnswer[],
    askedUs: number,
    receiverVotes: (partition: number) => boolean,
  ): Entry[] {
    const { latticeOf, ring } = this.parts;
    return answers.flatMap(({ state, votes }, index): Entry[] => {
      const row = rows[index] as Uint8Array;
      if (state === undefined) return [];
      const isVouched = votes || !receiverVotes(partitionOfRow(row, ring.partitions));
      return [{ row, state, bornAtUs: bornAtUs(latticeOf(bucketOfRow(row)), state, isVouched, askedUs) }];
    });
  }

  private endOfTaken(): void {
    if (this.isClean) for (const partition of this.taken) this.markSynced(partition);
    this.nextPartitions();
  }

  private markSynced(partition: number): void {
    if (this.parts.livesWith(this.peer) !== this.lives) return;
    this.parts.votes.markSynced(this.placement, partition, this.peer, this.votesThere(partition));
  }

  private votesHere(partition: number): boolean {
    return this.parts.votes.has(this.placement, partition);
  }

  private votesThere(partition: number): boolean {
    return this.peerVotes.length === 0 || hasBit(this.peerVotes, partition);
  }

  private ask<Kind extends Request["kind"]>(
    request: Extract<Request, { kind: Kind }>,
    onReply: (reply: ReplyTo[Kind]) => void,
  ): void {
    this.parts.rpc.call<Kind>(this.peer, request, this.parts.limits.syncDeadlineMs, (reply) => {
      if (reply === undefined || reply.kind === "refused") this.onEnd("broken");
      else this.guard(() => onReply(reply as ReplyTo[Kind]));
    });
  }
}
