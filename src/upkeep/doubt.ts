/**
 * Doubt: an old row that an owner found on its disk when a new life began, and
 * that a voting owner does not take from it any more (replica/carriers.ts).
 *
 * Perhaps all have forgotten it, and this disk is an old copy. Perhaps that
 * owner alone has missed it. So the others are asked, as for a damaged row: if
 * as many that vote as cover all that was ever acknowledged here hold nothing, the row
 * is dropped; if anybody holds something it stays. Until then its partition is not synced, and this owner does
 * not vote in it: as a voter it would spread the row as if it were new.
 */
import { bytesToMapKey } from "../base/bytes.js";
import type { Reaper } from "../replica/reaper.js";
import { askOthers } from "./others.js";
import type { SyncParts } from "./parts.js";

type DoubtParts = Pick<SyncParts, "rpc" | "ring" | "votes" | "carriers" | "limits" | "latticeOf"> & {
  readonly reaper: Reaper;
};

export class Doubt {
  /** Rows to ask about, and those that others hold too, by map key. */
  private readonly waiting = new Map<string, Uint8Array>();
  private readonly kept = new Set<string>();
  private isRunning = false;

  constructor(private readonly parts: DoubtParts) {}

  /** A voting owner refused this row for its age. False until it is known that another holds it, or none. */
  isSettled(row: Uint8Array): boolean {
    const mapKey = bytesToMapKey(row);
    if (this.kept.has(mapKey)) return true;
    if (this.waiting.size < this.parts.limits.healRowsPendingMax) this.waiting.set(mapKey, row);
    this.next();
    return false;
  }

  private next(): void {
    const [first] = this.waiting;
    if (this.isRunning || first === undefined) return;
    const [mapKey, row] = first;
    this.isRunning = true;
    askOthers(this.parts, row, ({ answers, doVotersCover }) => {
      const isHeld = [...answers.values()].some(({ state }) => state !== undefined);
      if (isHeld) this.keep(mapKey);
      if (isHeld || !doVotersCover) return this.done(mapKey);
      this.parts.reaper.drop(row, () => this.done(mapKey));
    });
  }

  private keep(mapKey: string): void {
    // Who votes everywhere doubts nothing any more.
    if (this.parts.votes.rebuilding === 0) this.kept.clear();
    if (this.kept.size < this.parts.limits.reapRowsMax) this.kept.add(mapKey);
  }

  private done(mapKey: string): void {
    this.waiting.delete(mapKey);
    this.isRunning = false;
    this.next();
  }
}
