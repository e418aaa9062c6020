/**
 * First votes: what all owners of a row once agreed to forget, when, and in which lives.
 *
 * All of this lives in memory: whoever restarts begins anew, and loses only time.
 */
import { bytesToMapKey, equalBytes } from "../base/bytes.js";
import { hash128 } from "../base/hash.js";
import type { Actor } from "../lattice/stamp.js";
import type { NodeId } from "../ports.js";
import type { ToForget } from "../wire/messages.js";

/** Every owner of a row, and the life of its store in which it voted. */
export type Voters = ReadonlyMap<NodeId, Actor>;

interface FirstVote extends Pick<ToForget, "upToUs" | "digest"> {
  readonly atMs: number;
  readonly voters: Voters;
}

const ROW_SEED = 0x766f7465;

export class FirstVotes {
  private readonly byRow = new Map<string, FirstVote>();

  /** `waitMs`: how long before the second vote; `rowsMax`: how many may wait. */
  constructor(
    private readonly waitMs: number,
    private readonly rowsMax: number,
  ) {}

  /** Full: no more first votes are kept for now. */
  get isFull(): boolean {
    return this.byRow.size >= this.rowsMax;
  }

  /** Up to which time this row's ids are voted on; 0: the row is. Undefined while nothing is. */
  upToUs(row: Uint8Array): number | undefined {
    return this.byRow.get(mapKeyOf(row))?.upToUs;
  }

  stageOf(toForget: ToForget, nowMs: number): "unknown" | "waiting" | "due" {
    const vote = this.voteOn(toForget);
    if (vote === undefined) return "unknown";
    return nowMs - vote.atMs > this.waitMs ? "due" : "waiting";
  }

  note({ row, upToUs, digest }: ToForget, atMs: number, voters: Voters): void {
    if (!this.isFull) this.byRow.set(mapKeyOf(row), { upToUs, digest, atMs, voters });
  }

  /** The second vote: whether all voted as before. It settles the row either way: any change starts over. */
  settle(toForget: ToForget, second: Voters | undefined): boolean {
    const first = this.voteOn(toForget)?.voters;
    this.byRow.delete(mapKeyOf(toForget.row));
    if (first === undefined || second === undefined || first.size !== second.size) return false;
    return [...first].every(([node, actor]) => second.get(node) === actor);
  }

  /** All rows were looked through since `startedMs`: what was due and was not met is there no more. */
  endPass(startedMs: number): void {
    for (const [mapKey, { atMs }] of this.byRow) {
      if (startedMs - atMs > this.waitMs) this.byRow.delete(mapKey);
    }
  }

  private voteOn({ row, upToUs, digest }: ToForget): FirstVote | undefined {
    const vote = this.byRow.get(mapKeyOf(row));
    return vote?.upToUs === upToUs && equalBytes(vote.digest, digest) ? vote : undefined;
  }
}

/** Rows may be long, and many wait. */
function mapKeyOf(row: Uint8Array): string {
  return bytesToMapKey(hash128(ROW_SEED, row));
}
