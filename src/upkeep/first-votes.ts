/**
 * First votes: which dead rows all their owners once agreed on, when, and in which lives.
 *
 * A dead state is known by its row's digest alone, which stands for row and state.
 * All of this lives in memory: whoever restarts begins anew, and loses only time.
 */
import { bytesToMapKey } from "../base/bytes.js";
import type { Actor } from "../lattice/stamp.js";
import type { NodeId } from "../ports.js";

/** Every owner of a row, and the life of its store in which it voted. */
export type Voters = ReadonlyMap<NodeId, Actor>;

interface FirstVote {
  readonly atMs: number;
  readonly voters: Voters;
}

export class FirstVotes {
  private readonly byDigest = new Map<string, FirstVote>();

  /** `waitMs`: how long before the second vote; `rowsMax`: how many may wait. */
  constructor(
    private readonly waitMs: number,
    private readonly rowsMax: number,
  ) {}

  /** Full: no more first votes are kept for now. */
  get isFull(): boolean {
    return this.byDigest.size >= this.rowsMax;
  }

  stageOf(digest: Uint8Array, nowMs: number): "unknown" | "waiting" | "due" {
    const vote = this.byDigest.get(bytesToMapKey(digest));
    if (vote === undefined) return "unknown";
    return nowMs - vote.atMs > this.waitMs ? "due" : "waiting";
  }

  note(digest: Uint8Array, atMs: number, voters: Voters): void {
    if (!this.isFull) this.byDigest.set(bytesToMapKey(digest), { atMs, voters });
  }

  /** The second vote: whether all voted as before. It settles the row either way: any change starts over. */
  settle(digest: Uint8Array, second: Voters | undefined): boolean {
    const mapKey = bytesToMapKey(digest);
    const first = this.byDigest.get(mapKey)?.voters;
    this.byDigest.delete(mapKey);
    if (first === undefined || second === undefined || first.size !== second.size) return false;
    return [...first].every(([node, actor]) => second.get(node) === actor);
  }

  /** All rows were looked through since `startedMs`: what was due and was not met is there no more. */
  endPass(startedMs: number): void {
    for (const [mapKey, { atMs }] of this.byDigest) {
      if (startedMs - atMs > this.waitMs) this.byDigest.delete(mapKey);
    }
  }
}
