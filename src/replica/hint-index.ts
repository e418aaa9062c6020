/**
 * What is kept for one owner, in memory: which rows, how large, how old.
 *
 * The states themselves lie on disk (hints.ts). A Map keeps the order in which
 * rows were added, so the first is the oldest. Each hint knows the number of the
 * first write in it that is not delivered yet: so it can be told when all that
 * was kept before some moment has arrived.
 */
import type { Limits } from "../config.js";
import type { NodeId } from "../ports.js";
import type { Entry } from "../wire/messages.js";

export interface Hint {
  /** The row, as a map key. */
  readonly mapKey: string;
  /** When the oldest part of the state was minted, in microseconds since 1970. */
  readonly bornAtUs: number;
  readonly bytes: number;
  /** The numbers of the first and of the last write in it. */
  readonly first: number;
  readonly last: number;
}

/** A hint on its way to its owner. */
export interface SentHint {
  readonly hint: Hint;
  readonly entry: Entry;
  readonly record: Uint8Array;
  /** Whether the record was the newest: then it holds all writes up to `hint.last`. */
  readonly isNewest: boolean;
}

export interface HintCounts {
  readonly node: NodeId;
  readonly hints: number;
  readonly bytes: number;
  /** Undefined while there is none. */
  readonly oldestAgeMs: number | undefined;
  /** The owner was away for so long that nothing more is kept for it. */
  readonly hasExpired: boolean;
}

/** The row of a hint. */
export function rowOfHint({ mapKey }: Pick<Hint, "mapKey">): Uint8Array {
  return Buffer.from(mapKey, "latin1");
}

type Bounds = Pick<Limits, "hintRowsMax" | "hintBytesMax">;

export class HintIndex {
  private hints = new Map<string, Hint>();
  private sum = 0;
  /** Taken out, and not durably so far: if the disk fails it comes back, and so its room is not free. */
  private readonly leaving = { count: 0, bytes: 0 };
  /** A hint has become too old: until its owner is back, no more are kept. */
  hasExpired = false;

  get count(): number {
    return this.hints.size;
  }

  get bytes(): number {
    return this.sum;
  }

  get oldest(): Hint | undefined {
    for (const hint of this.hints.values()) return hint;
    return undefined;
  }

  get(mapKey: string): Hint | undefined {
    return this.hints.get(mapKey);
  }

  /** The first `count` after so many, the oldest first. Hints may be taken out meanwhile. */
  *first(count: number, after: number): Iterable<Hint> {
    let index = 0;
    for (const hint of this.hints.values()) {
      if (index >= after + count) return;
      if (index++ >= after) yield hint;
    }
  }

  /** A hint that is younger than it was goes to the end. */
  set(hint: Hint): void {
    const before = this.hints.get(hint.mapKey);
    this.sum += hint.bytes - (before?.bytes ?? 0);
    if (before !== undefined && before.bornAtUs < hint.bornAtUs) this.hints.delete(hint.mapKey);
    this.hints.set(hint.mapKey, hint);
  }

  /** Which bound there is no room below for a hint of so many bytes, in the place of one that may be there. */
  boundAt(
    before: Hint | undefined,
    bytes: number,
    { hintRowsMax, hintBytesMax }: Bounds,
  ): "count" | "bytes" | undefined {
    if (this.count + this.leaving.count + (before === undefined ? 1 : 0) > hintRowsMax) return "count";
    return this.bytes + this.leaving.bytes - (before?.bytes ?? 0) + bytes > hintBytesMax ? "bytes" : undefined;
  }

  /** More was found at the start than may be kept now. */
  isOver({ hintRowsMax, hintBytesMax }: Bounds): boolean {
    return this.count > hintRowsMax || this.bytes > hintBytesMax;
  }

  /** Takes a hint out; its room is free when what this returns is called. */
  leave({ mapKey, bytes }: Hint): () => void {
    this.delete(mapKey);
    this.leaving.count++;
    this.leaving.bytes += bytes;
    return () => {
      this.leaving.count--;
      this.leaving.bytes -= bytes;
    };
  }

  delete(mapKey: string): void {
    this.sum -= this.hints.get(mapKey)?.bytes ?? 0;
    this.hints.delete(mapKey);
  }

  /** Puts what an earlier life has left in front of what this one has kept since. */
  addFound(found: Hint[]): void {
    const since = this.hints;
    this.hints = new Map();
    this.sum = 0;
    found.sort((a, b) => a.bornAtUs - b.bornAtUs || (a.mapKey < b.mapKey ? -1 : 1));
    for (const hint of found) if (!since.has(hint.mapKey)) this.set(hint);
    for (const hint of since.values()) this.set(hint);
  }
}
