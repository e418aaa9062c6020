/**
 * Rows on the move between two replicas, both ways.
 *
 * What the peer has and we lack, or have otherwise, is pulled and merged here;
 * what it lacks, or what was merged from both sides, is pushed. Both are the
 * same idempotent merge, a message's worth at a time.
 */
import { assert } from "../base/assert.js";
import { equalBytes } from "../base/bytes.js";
import type { NodeId } from "../ports.js";
import { bornAtUs } from "../replica/carriers.js";
import { bucketOfRow } from "../replica/rows.js";
import type { Cause, Entry, MergeResult, ReplyTo, Request, RequestOf, RowAnswer } from "../wire/messages.js";
import type { SyncParts } from "./parts.js";

/** Rows that travel together. */
interface Load {
  readonly cause: Cause;
  readonly entries: Entry[];
}

/** What a transfer needs of the exchange that it belongs to. */
export interface TransferHost {
  readonly peer: NodeId;
  /** Asks the peer; when it does not answer, the exchange ends and nothing comes back. */
  ask<Kind extends Request["kind"]>(request: RequestOf<Kind>, onReply: (reply: ReplyTo[Kind]) => void): void;
  votesHere(row: Uint8Array): boolean;
  votesThere(row: Uint8Array): boolean;
  /** A row did not arrive: its partition is not the same yet. */
  onUnclean(row: Uint8Array): void;
}

export class Transfer {
  private readonly toPull: Uint8Array[] = [];
  private readonly toPush: Uint8Array[] = [];
  /** Rows moved so far. */
  readonly moved = { pulled: 0, pushed: 0 };

  constructor(
    private readonly parts: SyncParts,
    private readonly host: TransferHost,
  ) {}

  /** How many rows wait. */
  get waiting(): number {
    return this.toPull.length + this.toPush.length;
  }

  pull(row: Uint8Array): void {
    this.toPull.push(row);
  }

  push(row: Uint8Array): void {
    this.toPush.push(row);
  }

  /** Moves all that waits; `onMoved` comes when nothing does. */
  run(onMoved: () => void): void {
    if (this.toPull.length > 0) this.pullSome(onMoved);
    else if (this.toPush.length > 0) this.pushSome(onMoved);
    else onMoved();
  }

  private pullSome(onMoved: () => void): void {
    const rows = this.toPull.slice(0, this.parts.limits.syncBatchRowsMax);
    const askedUs = this.parts.carriers.nowUs();
    this.host.ask({ kind: "read", rows }, ({ answers }) => {
      // Whoever answers nothing at all is asked again another time.
      for (const row of answers.length === 0 ? rows : []) this.host.onUnclean(row);
      this.toPull.splice(0, Math.max(1, answers.length));
      for (const [index, { status }] of answers.entries()) {
        if (status === "damaged") this.host.onUnclean(rows[index] as Uint8Array);
      }
      const loads = this.loadsOf(rows, answers, askedUs, (row) => this.host.votesHere(row));
      this.takeIn(loads, () => this.parts.pace.soon(() => this.run(onMoved)));
    });
  }

  private takeIn([load, ...others]: readonly Load[], onTaken: () => void): void {
    if (load === undefined) return onTaken();
    const { cause, entries } = load;
    this.count("pulled", entries.length);
    this.parts.replica.merge(cause, entries, (results) => {
      this.onMerged(entries, results);
      this.takeIn(others, onTaken);
    });
  }

  private onMerged(entries: readonly Entry[], results: readonly MergeResult[]): void {
    const held = this.parts.replica.read(entries.map(({ row }) => row));
    for (const [index, { row, state }] of entries.entries()) {
      if (results[index]?.status !== "ok") this.host.onUnclean(row);
      const merged = held[index]?.state;
      // What was merged from both sides is news to the peer too; what could not be taken now comes again.
      const isNews = merged !== undefined && !equalBytes(merged, state);
      if (isNews && results[index]?.status !== "overloaded") this.toPush.push(row);
    }
  }

  private pushSome(onMoved: () => void): void {
    const rows = this.toPush.slice(0, this.parts.limits.syncBatchRowsMax);
    // Before they are read: nothing may seem younger than it is.
    const nowUs = this.parts.carriers.nowUs();
    const answers = this.parts.replica.read(rows);
    assert(answers.length > 0, "a read of something answers something");
    this.toPush.splice(0, answers.length);
    const loads = this.loadsOf(rows, answers, nowUs, (row) => this.host.votesThere(row));
    this.handOver(loads, () => this.parts.pace.soon(() => this.run(onMoved)));
  }

  private handOver([load, ...others]: readonly Load[], onTaken: () => void): void {
    if (load === undefined) return onTaken();
    const { cause, entries } = load;
    this.count("pushed", entries.length);
    this.host.ask({ kind: "merge", cause, entries }, ({ results }) => {
      for (const [index, { row }] of entries.entries()) {
        if (results[index]?.status === "stale" && !this.parts.isSettled(row)) this.host.onUnclean(row);
      }
      this.handOver(others, onTaken);
    });
  }

  /**
   * What was read as it travels to a receiver, by who vouches for it: a sender that votes, or nobody. Where neither
   * side votes, both are all there is: nothing is too old, and nothing gives way to it (replica/replica.ts).
   */
  private loadsOf(
    rows: readonly Uint8Array[],
    answers: readonly RowAnswer[],
    askedUs: number,
    receiverVotes: (row: Uint8Array) => boolean,
  ): Load[] {
    const { latticeOf } = this.parts;
    const loads: Load[] = [
      { cause: "sync", entries: [] },
      { cause: "hand-off", entries: [] },
    ];
    for (const [index, { state, votes }] of answers.entries()) {
      const row = rows[index] as Uint8Array;
      if (state === undefined) continue;
      const isYoung = votes || !receiverVotes(row);
      const entry = { row, state, bornAtUs: bornAtUs(latticeOf(bucketOfRow(row)), state, isYoung, askedUs) };
      loads[votes ? 0 : 1]?.entries.push(entry);
    }
    return loads.filter(({ entries }) => entries.length > 0);
  }

  private count(direction: keyof Transfer["moved"], rows: number): void {
    this.moved[direction] += rows;
    this.parts.meter.count("murmur_sync_rows_total", { direction }, rows);
  }
}
