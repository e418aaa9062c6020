/**
 * One exchange with one peer, until both hold the same (range-based set
 * reconciliation, Meyer 2022, over the sums of replica/merkle.ts).
 *
 * First one digest of eight bytes for all that both own: mostly that is the end.
 * Else the ring is taken apart, the lowest tokens first: blocks that differ are
 * split into their parts, and small ones listed row by row; so d differences
 * among n rows cost O(d log n). Rows that differ move at once when there are
 * enough for a message, so that neither list nor stack grows with the
 * difference: the stack holds some levels of one message's blocks.
 *
 * All that lies below the top of the stack has been compared, and the partitions
 * there are the same now. A broken exchange loses nothing and is begun again later.
 */
import { bytesToMapKey, equalBytes } from "../base/bytes.js";
import type { NodeId } from "../ports.js";
import { bucketOfRow, partitionOfRow, placementOfRow, TOKEN_BITS } from "../replica/rows.js";
import { hasBit } from "../replica/votes.js";
import type { ReplyTo, Request, RequestOf } from "../wire/messages.js";
import type { BlockAnswer, BlockSum, ListedRow, SummedBlock, TokenBlock } from "../wire/sync-messages.js";
import { type BlockRead, Blocks, blockSum, partsOf, WHOLE_RING } from "./blocks.js";
import type { SyncParts } from "./parts.js";
import { Transfer } from "./transfer.js";

/**
 * complete: all shared partitions were compared. broken: the peer went away or refused. busy: it, or this node,
 * exchanges rows with somebody else just now.
 */
export type SessionEnd = "complete" | "broken" | "busy";

/** What is asked of an exchange. */
export interface SessionOrder {
  readonly peer: NodeId;
  /** Differences are counted, and nothing moves. */
  readonly isCheck: boolean;
  /** Only the rows of this bucket; undefined: all. */
  readonly bucket: string | undefined;
}

/** What came of it so far. */
export interface SessionReport {
  /** Partitions compared, of those shared. */
  partitions: number;
  /** Rows that were not the same on both sides. */
  differing: number;
  pulled: number;
  pushed: number;
}

export interface SessionHost {
  /** Whether this node may move rows with the peer now; if so it does until the session ends. */
  mayExchange(peer: NodeId): boolean;
  onEnd(end: SessionEnd, report: SessionReport): void;
}

interface Waiting {
  readonly placement: number;
  readonly block: SummedBlock;
}

export class Session {
  private readonly blocks: Blocks;
  private readonly transfer: Transfer;
  /** Blocks to compare, the lowest on top. */
  private readonly stack: Waiting[] = [];
  private readonly shared: readonly (readonly [placement: number, partition: number])[];
  /** How many of the shared partitions have been compared. */
  private compared = 0;
  private readonly unclean = new Set<string>();
  private differing = 0;
  private peerVotes: readonly Uint8Array[] = [];
  /** Whose lives these are: what was compared in one life says nothing about the next. */
  private readonly lives: string;

  constructor(
    private readonly parts: SyncParts,
    private readonly order: SessionOrder,
    private readonly host: SessionHost,
  ) {
    this.lives = parts.livesWith(order.peer);
    this.blocks = new Blocks(parts, order.peer);
    this.shared = parts.ring.sharedWith(order.peer).all;
    this.transfer = new Transfer(parts, {
      peer: order.peer,
      ask: (request, onReply) => this.ask(request, onReply),
      votesHere: (row) => parts.votes.has(placementOfRow(row), this.partitionOf(row)),
      votesThere: (row) => this.votesThere(placementOfRow(row), this.partitionOf(row)),
      onUnclean: (row) => this.unclean.add(nameOf(placementOfRow(row), this.partitionOf(row))),
    });
  }

  get peer(): NodeId {
    return this.order.peer;
  }

  start(): void {
    const { limits, merkle, ring } = this.parts;
    const digest = merkle.digestWith(this.order.peer);
    const onCompared = (reply: ReplyTo["sync-shared"]) => {
      this.peerVotes = reply.votes;
      if (reply.same) return this.complete();
      if (!this.host.mayExchange(this.order.peer)) return this.end("busy");
      for (let placement = ring.placements - 1; placement >= 0; placement--) {
        const sum = this.blocks.sumOf(placement, WHOLE_RING) as BlockSum;
        this.stack.push({ placement, block: { ...WHOLE_RING, ...sum } });
      }
      this.next();
    };
    // It costs no work to answer: who does not is not there, and need not hold up the others for long.
    this.ask({ kind: "sync-shared", digest }, onCompared, limits.peerSilenceMsMax);
  }

  report(): SessionReport {
    return { partitions: this.compared, differing: this.differing, ...this.transfer.moved };
  }

  private next(): void {
    if (this.transfer.waiting >= this.parts.limits.syncBatchRowsMax || this.stack.length === 0) {
      this.transfer.run(() => {
        this.markCompared();
        if (this.stack.length === 0) this.complete();
        else this.compare();
      });
    } else {
      this.compare();
    }
  }

  /** Asks about the topmost blocks of one placement. */
  private compare(): void {
    const top = this.stack.at(-1) as Waiting;
    const asked: Waiting[] = [];
    while (asked.length < this.parts.limits.syncBlocksMax && this.stack.at(-1)?.placement === top.placement) {
      asked.push(this.stack.pop() as Waiting);
    }
    const blocks = asked.map(({ block }) => block);
    this.ask({ kind: "sync-blocks", placement: top.placement, blocks }, ({ answers }) => {
      if (answers.length === 0 || answers.length > asked.length) return this.end("broken");
      this.stack.push(...asked.splice(answers.length).reverse());
      this.takeAnswers(asked, answers, 0, []);
    });
  }

  private takeAnswers(
    asked: readonly Waiting[],
    answers: readonly BlockAnswer[],
    index: number,
    found: Waiting[],
  ): void {
    const waiting = asked[index];
    if (waiting === undefined) {
      this.stack.push(...found.reverse());
      return this.next();
    }
    this.takeAnswer(waiting, answers[index] as BlockAnswer, (further) => {
      found.push(...further);
      this.takeAnswers(asked, answers, index + 1, found);
    });
  }

  /** `onTaken` is given the parts that differ, the lowest first. */
  private takeAnswer(waiting: Waiting, answer: BlockAnswer, onTaken: (further: readonly Waiting[]) => void): void {
    const { placement, block } = waiting;
    switch (answer.kind) {
      case "same":
        return onTaken([]);
      case "damaged":
        this.markUnclean(placement, block);
        return onTaken([]);
      case "rows":
        return this.blocks.read(placement, block, Number.POSITIVE_INFINITY, (ours) => {
          this.compareRows(waiting, ours, answer.rows);
          onTaken([]);
        });
      case "split":
        return this.compareParts(waiting, answer.parts, onTaken);
    }
  }

  private compareParts(
    { placement, block }: Waiting,
    theirs: readonly BlockSum[],
    onTaken: (further: readonly Waiting[]) => void,
  ): void {
    const parts = partsOf(block);
    if (theirs.length !== parts.length) return this.end("broken");
    const differing = (ours: readonly BlockSum[]) =>
      onTaken(
        parts.flatMap((part, index): Waiting[] => {
          const sum = ours[index] as BlockSum;
          return isSame(sum, theirs[index] as BlockSum) ? [] : [{ placement, block: { ...part, ...sum } }];
        }),
      );
    const known = parts.flatMap((part) => this.blocks.sumOf(placement, part) ?? []);
    if (known.length === parts.length) return differing(known);
    this.blocks.read(placement, block, 0, (ours) => {
      // Its parts may look the same for want of the very rows that cannot be read.
      if (ours.isDamaged) this.markUnclean(placement, block);
      differing(ours.parts.map(blockSum));
    });
  }

  private compareRows({ placement, block }: Waiting, ours: BlockRead, theirs: readonly ListedRow[]): void {
    if (ours.isDamaged) this.markUnclean(placement, block);
    const others = new Map(ours.rows ?? []);
    for (const listed of theirs) {
      const mapKey = bytesToMapKey(listed.row);
      const own = others.get(mapKey);
      others.delete(mapKey);
      const isEqual = own !== undefined && equalBytes(own.digest, listed.digest);
      // Who rebuilds takes everything: it must not vote without a write that is still on its way.
      if (!isEqual && (!listed.young || this.parts.votes.rebuilding > 0)) this.onDiffering(listed.row, "pull");
    }
    for (const { row, young } of others.values()) if (!young) this.onDiffering(row, "push");
  }

  private onDiffering(row: Uint8Array, direction: "pull" | "push"): void {
    const { bucket, isCheck } = this.order;
    if (bucket !== undefined && bucketOfRow(row) !== bucket) return this.markUncleanRow(row);
    this.differing++;
    if (isCheck) this.markUncleanRow(row);
    else this.transfer[direction](row);
  }

  private markUncleanRow(row: Uint8Array): void {
    this.unclean.add(nameOf(placementOfRow(row), this.partitionOf(row)));
  }

  private markUnclean(placement: number, { from, bits }: TokenBlock): void {
    const partitionBits = Math.log2(this.parts.ring.partitions);
    const first = Number(from >> BigInt(TOKEN_BITS - partitionBits));
    const end = first + 2 ** Math.max(0, partitionBits - bits);
    for (let partition = first; partition < end; partition++) this.unclean.add(nameOf(placement, partition));
  }

  /** Whatever lies wholly below the top of the stack is done. */
  private markCompared(): void {
    const top = this.stack.at(-1);
    if (top === undefined && this.parts.votes.rebuilding === 0) {
      // Whoever votes everywhere has no vote to earn: the usual case.
      this.compared = this.shared.length;
      return;
    }
    const topPartition = top === undefined ? 0 : this.partitionAt(top.block.from);
    for (const [placement, partition] of this.shared.slice(this.compared)) {
      const isBelow =
        top === undefined || placement < top.placement || (placement === top.placement && partition < topPartition);
      if (!isBelow) return;
      this.compared++;
      if (!this.unclean.has(nameOf(placement, partition))) this.markSynced(placement, partition);
    }
  }

  private complete(): void {
    this.markCompared();
    this.end("complete");
  }

  private end(end: SessionEnd): void {
    this.host.onEnd(end, this.report());
  }

  private markSynced(placement: number, partition: number): void {
    if (this.parts.livesWith(this.order.peer) !== this.lives) return;
    this.parts.votes.markSynced(placement, partition, this.order.peer, this.votesThere(placement, partition));
  }

  private votesThere(placement: number, partition: number): boolean {
    const bits = this.peerVotes[placement];
    return this.peerVotes.length === 0 || (bits !== undefined && hasBit(bits, partition));
  }

  private partitionOf(row: Uint8Array): number {
    return partitionOfRow(row, this.parts.ring.partitions);
  }

  private partitionAt(token: bigint): number {
    return Number(token >> BigInt(TOKEN_BITS - Math.log2(this.parts.ring.partitions)));
  }

  private ask<Kind extends Request["kind"]>(
    request: RequestOf<Kind>,
    onReply: (reply: ReplyTo[Kind]) => void,
    timeoutMs = this.parts.limits.syncDeadlineMs,
  ): void {
    this.parts.rpc.call<Kind>(this.order.peer, request, timeoutMs, (reply) => {
      if (reply === undefined) this.end("broken");
      else if (reply.kind === "refused") this.end(reply.reason === "busy" ? "busy" : "broken");
      else onReply(reply as ReplyTo[Kind]);
    });
  }
}

function isSame(ours: BlockSum, theirs: BlockSum): boolean {
  return equalBytes(ours.digest, theirs.digest);
}

function nameOf(placement: number, partition: number): string {
  return `${placement}/${partition}`;
}
