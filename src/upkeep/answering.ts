/**
 * The other side of an exchange: what a node answers about blocks.
 *
 * What it has sums of is answered from memory. What must be read is read in
 * paced turns, and the answer leaves in time: it may end before the last of the
 * blocks, which are then asked again.
 */
import { equalBytes } from "../base/bytes.js";
import type { NodeId } from "../ports.js";
import type { Refused } from "../wire/messages.js";
import type { BlockAnswer, BlockSum, SummedBlock, SyncBlocks, SyncBlocksReply } from "../wire/sync-messages.js";
import { type BlockRead, Blocks, blockSum, isBlock, partsOf } from "./blocks.js";
import type { SyncParts } from "./parts.js";

const MALFORMED: Refused = { kind: "refused", reason: "malformed" };
/** Of the time that the asker waits: the rest is for the way, and for another block that was begun. */
const SHARE_OF_DEADLINE = 1 / 4;

export class Answering {
  private readonly blocks: Blocks;
  private readonly answers: BlockAnswer[] = [];
  private readonly untilMs: number;

  constructor(
    private readonly parts: SyncParts,
    from: NodeId,
    private readonly request: SyncBlocks,
    private readonly reply: (reply: SyncBlocksReply | Refused) => void,
  ) {
    this.blocks = new Blocks(parts, from);
    this.untilMs = parts.clock.nowMs() + parts.limits.syncDeadlineMs * SHARE_OF_DEADLINE;
  }

  start(): void {
    const { placement, blocks } = this.request;
    const isSane = placement < this.parts.ring.placements && blocks.length > 0 && blocks.every(isBlock);
    if (isSane && blocks.length <= this.parts.limits.syncBlocksMax) this.next();
    else this.reply(MALFORMED);
  }

  private next(): void {
    const block = this.request.blocks[this.answers.length];
    const isLate = this.answers.length > 0 && this.parts.clock.nowMs() > this.untilMs;
    if (block === undefined || isLate) return this.reply({ kind: "sync-blocks-reply", answers: this.answers });
    this.answer(block, (answer) => {
      this.answers.push(answer);
      this.next();
    });
  }

  private answer(theirs: SummedBlock, onAnswer: (answer: BlockAnswer) => void): void {
    const { placement } = this.request;
    const rowsMax = this.parts.limits.syncBlockRowsMax;
    const ours = this.blocks.sumOf(placement, theirs);
    if (ours !== undefined && equalBytes(ours.digest, theirs.digest)) return onAnswer({ kind: "same" });
    const isSmall = theirs.count <= rowsMax && (ours === undefined || ours.count <= rowsMax);
    const known = isSmall ? [] : partsOf(theirs).flatMap((part) => this.blocks.sumOf(placement, part) ?? []);
    if (known.length > 1) return onAnswer({ kind: "split", parts: known });
    this.blocks.read(placement, theirs, isSmall ? rowsMax : 0, (read) => onAnswer(answerOf(theirs, read)));
  }
}

function answerOf(theirs: BlockSum, read: BlockRead): BlockAnswer {
  if (read.isDamaged) return { kind: "damaged" };
  const ours = blockSum(read.sum);
  if (equalBytes(ours.digest, theirs.digest)) return { kind: "same" };
  if (read.rows !== undefined) return { kind: "rows", rows: [...read.rows.values()] };
  return { kind: "split", parts: read.parts.map(blockSum) };
}
