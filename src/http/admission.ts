/**
 * Which requests a node takes on when there are more than it can serve.
 *
 * Decided by method and path alone, before a key is decoded or a body read: what
 * is refused must cost little, or refusing is all that a node does. The measure is how long
 * requests are at hand: their number over the rate at which they leave (Little 1961). A timer that comes late would not
 * tell it: most of that time is spent in sockets and at peers, who are as busy. So many are taken on as leave within
 * `admissionWaitMs`; what there is room for goes to writes first, then to reads, and to batches and listings last.
 * Whatever is not data, such as health and metrics, is always taken on.
 *
 * Long waits alone are no overload: a node whose event loop has rest waits for peers that are slow or gone, and to refuse
 * would free nothing. Nor is it one to have few requests at hand, however long they take: then it is the machine that
 * is busy with others. Pure.
 */
import type { Limits } from "../config.js";

export type Work = "write" | "read" | "many";

/** How often `beat` is to come. */
export const BEAT_MS = 20;
const BEATS_OF_WINDOW = 5;
/** Requests at hand with which a node takes on more writes in any case, and of the other work its share of so many. */
export const PENDING_LEAST = 64;
/** Of what a node may have at hand, so much may be there when work of this kind is still taken on. */
const SHARE: Readonly<Record<Work, number>> = { write: 1, read: 0.8, many: 0.5 };
/** Of all its time, at least so much is an event loop at work that has no rest. */
const BUSY_SHARE = 0.9;
/** Of what was at hand when it took too long, at most so much is allowed next; and of what is allowed, in each window without haste. */
const LESS = 0.9;
const MORE = 1.05;

export class Admission {
  private pending = 0;
  /** Requests that may be at hand. */
  private room = Number.POSITIVE_INFINITY;
  /** Of the window that runs. */
  private beats = 0;
  private lengthMs = 0;
  private busyMs = 0;
  private pendingMs = 0;
  private left = 0;

  constructor(private readonly limits: Pick<Limits, "admissionWaitMs">) {}

  /** Whether to take on one more request; if so, `leave` follows. */
  enter(work: Work): boolean {
    const isAdmitted = this.pending < SHARE[work] * this.room;
    if (isAdmitted) this.pending++;
    return isAdmitted;
  }

  /** Requests taken on that did not leave. */
  get atHand(): number {
    return this.pending;
  }

  leave(): void {
    this.pending--;
    this.left++;
  }

  /** Comes every BEAT_MS or later: how long it took, and what share of it the event loop was at work. */
  beat(elapsedMs: number, busyShare: number): void {
    this.lengthMs += elapsedMs;
    this.busyMs += elapsedMs * busyShare;
    this.pendingMs += elapsedMs * this.pending;
    this.beats++;
    if (this.beats === BEATS_OF_WINDOW) this.endWindow();
  }

  private endWindow(): void {
    const { admissionWaitMs } = this.limits;
    const isBusy = this.busyMs >= BUSY_SHARE * this.lengthMs;
    const waitMs = this.left === 0 ? Number.POSITIVE_INFINITY : this.pendingMs / this.left;
    if (!isBusy || waitMs <= admissionWaitMs) this.room = this.room * MORE + 1;
    else this.room = (this.pendingMs / this.lengthMs) * Math.min(LESS, admissionWaitMs / waitMs);
    this.room = Math.max(PENDING_LEAST, this.room);
    [this.beats, this.lengthMs, this.busyMs, this.pendingMs, this.left] = [0, 0, 0, 0, 0];
  }
}

/** What a request asks for, as far as its first line tells without decoding; undefined: it is always taken on. */
export function workOf(method: string | undefined, target: string): Work | undefined {
  if (target.startsWith("/v1/batch")) return "many";
  if (!target.startsWith("/v1/buckets/")) return undefined;
  if (method !== "GET" && method !== "HEAD") return "write";
  // A bucket's name has no slash: what follows its first one is `keys`, `keys/…` or `keys64/…`.
  const end = target.indexOf("/", 12);
  return target.startsWith("/keys/", end) || target.startsWith("/keys64/", end) ? "read" : "many";
}
