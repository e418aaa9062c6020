/**
 * What one write lost or made others lose, told once however many owners saw it.
 *
 * Told when the client is answered, from what the owners have said by then, or
 * at the first word of an owner that was late. A *beaten* of the first round is
 * no loss, as the write is stamped anew; one that comes when no second round
 * follows is: what was acknowledged will go.
 */
import type { Context } from "../lattice/context.js";
import { lastStampOf } from "../lattice/context.js";
import { compareStamps, type Stamp } from "../lattice/stamp.js";
import type { MergeResult } from "../wire/messages.js";
import type { OverwriteKind, Overwrites } from "./overwrites.js";

interface LossHost {
  readonly overwrites: Pick<Overwrites, "note">;
}

export class Loss {
  /** What the writer had seen at most; undefined when it did not say. */
  readonly seen: Stamp | undefined;
  private stamp: Stamp | undefined;
  /** The write's own of the round before: to replace that is no loss. */
  private formerStamp: Stamp | undefined;
  private replaced: Stamp | undefined;
  private beatenBy: Stamp | undefined;
  private isAcknowledged = false;
  private isOver = false;
  private isTold = false;

  /** `isValue` when the write has something to lose: a delete has not. */
  constructor(
    private readonly host: LossHost,
    private readonly row: Uint8Array,
    context: Context,
    private readonly isValue: boolean,
  ) {
    this.seen = lastStampOf(context);
  }

  /** A round begins under this stamp. */
  begin(stamp: Stamp): void {
    this.formerStamp = this.stamp;
    this.stamp = stamp;
    this.beatenBy = undefined;
  }

  /** An owner has answered this round. */
  onResult({ status, stamp }: MergeResult): void {
    if (stamp === undefined) return;
    if (status === "beaten") this.beatenBy = later(this.beatenBy, stamp);
    else if (!isSame(stamp, this.formerStamp)) this.replaced = later(this.replaced, stamp);
    if (this.isOver) this.tell();
  }

  /** The client is answered. One that hears of a failure has not been told that its value is kept. */
  finish(isAcknowledged: boolean): void {
    this.isOver = true;
    this.isAcknowledged = isAcknowledged;
    this.tell();
  }

  private tell(): void {
    const { stamp, replaced, beatenBy } = this;
    if (this.isTold || stamp === undefined) return;
    if (beatenBy !== undefined && this.isValue && this.isAcknowledged) this.note("beaten", stamp, beatenBy);
    else if (replaced !== undefined) this.note(this.seen === undefined ? "blind" : "stale", replaced, stamp);
  }

  private note(kind: OverwriteKind, lost: Stamp, kept: Stamp): void {
    this.isTold = true;
    this.host.overwrites.note(this.row, kind, lost, kept);
  }
}

function later(a: Stamp | undefined, b: Stamp): Stamp {
  return a === undefined || compareStamps(a, b) < 0 ? b : a;
}

function isSame(a: Stamp, b: Stamp | undefined): boolean {
  return b !== undefined && compareStamps(a, b) === 0;
}
