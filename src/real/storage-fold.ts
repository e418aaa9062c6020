/**
 * When the log is folded into the database file.
 *
 * Writers go on during the first passes, so the log grows meanwhile and no such
 * pass can empty it. Once little is left, one last pass holds the next group
 * back; that group then finds all folded and writes over the log from its start.
 * So a group seldom waits for more than a short pass. Writers that outrun the
 * passes are held back at twice the limit: the log is never larger than that
 * and one group, unless a reader from outside stands in its way.
 */
import { fdatasync } from "node:fs";
import { Worker } from "node:worker_threads";
import { assert } from "../base/assert.js";
import { diskBroken } from "./storage-errors.js";
import { PAGE_BYTES, type StoreFiles } from "./storage-open.js";
import type { FoldResult } from "./storage-worker.js";

/** A frame is a page and its header; the log's own header comes before the first. */
const FRAME_BYTES = PAGE_BYTES + 24;
const LOG_HEADER_BYTES = 32;
/** The last pass may hold a group back for so small a part of the limit. */
const HELD_PART = 1 / 8;
/** At so many times the limit no group starts before a pass has ended. */
export const HELD_AT_LIMITS = 2;
/** More passes than this do not catch up with the writers: hold them back. */
const PASSES_MAX = 4;

export class Folding {
  /** due: the next gap between two groups is for the last pass. held: no group may start. */
  private phase: "idle" | "passing" | "due" | "held" | "closed" = "idle";
  private passes = 0;
  private groupUnderWay = false;
  private heldGroup: (() => void) | undefined;
  private startAtBytes: number;
  private bytes = 0;
  private worker: Worker | undefined;

  constructor(
    private readonly files: StoreFiles,
    private readonly logBytesMax: number,
  ) {
    this.startAtBytes = logBytesMax;
  }

  /** Bytes of the log that hold frames not yet written over. */
  logBytes(): number {
    return this.bytes;
  }

  /** Runs `start` when a group may be written: at once, or after the last pass. */
  beforeGroup(start: () => void): void {
    assert(!this.groupUnderWay && this.heldGroup === undefined, "one group at a time");
    const isFull = this.phase === "passing" && this.bytes > HELD_AT_LIMITS * this.logBytesMax;
    if (this.phase === "held" || isFull) {
      this.heldGroup = start;
    } else {
      this.groupUnderWay = true;
      start();
    }
  }

  /** The group is durable, or has failed; the log now holds so many frames. */
  afterGroup(frames: number): void {
    this.groupUnderWay = false;
    this.bytes = logBytesOf(frames);
    if (this.phase === "idle" && this.bytes > this.startAtBytes) {
      this.passes = 0;
      this.pass("passing");
    } else if (this.phase === "due") {
      this.pass("held");
    }
  }

  /** Ends the thread. A pass under way is finished first. */
  close(onClosed: () => void): void {
    this.phase = "closed";
    if (this.worker === undefined) {
      onClosed();
    } else {
      this.worker.ref();
      this.worker.once("exit", onClosed);
      this.worker.postMessage("end");
    }
  }

  private pass(phase: "passing" | "held"): void {
    this.phase = phase;
    this.passes += 1;
    this.worker ??= this.startWorker();
    // A held group must not be forgotten because nothing else keeps the process alive.
    this.worker.ref();
    this.worker.postMessage("fold");
  }

  private startWorker(): Worker {
    const worker = new Worker(new URL("./storage-worker.js", import.meta.url), { workerData: this.files.file });
    worker.on("message", (result: FoldResult) => {
      if (this.phase === "closed") return;
      worker.unref();
      this.onPass(result);
    });
    return worker;
  }

  private onPass({ frames, folded, error }: FoldResult): void {
    // A full disk or a reader from outside may go away; any other error will not.
    if (error !== "" && !/FULL|BUSY|LOCKED/.test(error)) throw diskBroken(error);
    if (this.phase === "held") {
      this.release(error === "" && frames === folded);
    } else {
      // SQLite syncs the database with the last pass only: most of that is done here, while nobody waits.
      fdatasync(this.files.databaseFile, (failure) => {
        // Closing syncs again, and may have closed this file.
        if (this.phase === "closed") return;
        if (failure !== null) throw diskBroken(failure);
        this.onPassSynced(error === "" ? folded : undefined);
      });
    }
  }

  private onPassSynced(folded: number | undefined): void {
    const leftBytes = folded === undefined ? 0 : this.bytes - logBytesOf(folded);
    const isShort = leftBytes <= this.logBytesMax * HELD_PART || this.passes >= PASSES_MAX;
    if (!isShort && this.heldGroup === undefined) {
      this.pass("passing");
    } else if (this.groupUnderWay) {
      this.phase = "due";
    } else {
      this.pass("held");
    }
  }

  private release(complete: boolean): void {
    this.phase = "idle";
    // What could not be folded now is tried again, but not before every group.
    this.startAtBytes = complete ? this.logBytesMax : this.bytes + this.logBytesMax;
    const group = this.heldGroup;
    this.heldGroup = undefined;
    if (group !== undefined) this.beforeGroup(group);
  }
}

function logBytesOf(frames: number): number {
  return frames === 0 ? 0 : LOG_HEADER_BYTES + frames * FRAME_BYTES;
}
