/**
 * Which requests a node takes on when there are more than it can serve.
 *
 * Decided by method and path alone, before a key is decoded or a body read: what
 * is refused must cost little, or refusing is all that a node does. The measure is how long
 * work waits for its turn, told by timers that come late; it needs no knowledge of what a request costs (Zhou et al.
 * 2018, WeChat's DAGOR, where 20 ms of queueing are overload; here patience is longer). While a node is
 * late it takes on fewer than it did in the window before, and a little more in
 * each that it is not; what there is room for goes to writes first, then to reads,
 * and to batches and listings last. Whatever is not data, such as health and metrics, is always taken on.
 *
 * A node with few requests at hand is not overloaded by them, however late it is:
 * then it is the machine that is busy with others, and to refuse would free nothing. Pure.
 */
import type { Limits } from "../config.js";

/** From the last to be refused to the first. */
const KINDS = ["write", "read", "many"] as const;
export type Work = (typeof KINDS)[number];

type Counts = Record<Work, number>;

/** How often `beat` is to come. */
export const BEAT_MS = 20;
const BEATS_OF_WINDOW = 5;
/** Requests at hand that a node takes on in any case. */
export const PENDING_LEAST = 64;
/** Of what was taken on in the last window: when late, when very late, and when in time again. */
const LESS = 0.9;
const MUCH_LESS = 0.7;
const MORE = 1.05;
/** So many times as late as allowed is very late. */
const VERY_LATE_FACTOR = 4;

export class Admission {
  private share: Counts = { write: 1, read: 1, many: 1 };
  private credit: Counts = { write: 0, read: 0, many: 0 };
  private incoming: Counts = { write: 0, read: 0, many: 0 };
  private admitted = 0;
  /** Requests of a window that a node is thought to be able to serve in time. */
  private capacity = Number.POSITIVE_INFINITY;
  private beats = 0;
  private lateMsSum = 0;
  private pending = 0;

  constructor(private readonly limits: Pick<Limits, "admissionLagMs">) {}

  /** Whether to take on one more request; if so, `leave` follows. */
  enter(work: Work): boolean {
    this.incoming[work]++;
    const isAdmitted = this.pending < PENDING_LEAST || this.isDue(work);
    if (isAdmitted) this.admitted++;
    if (isAdmitted) this.pending++;
    return isAdmitted;
  }

  /** Requests taken on that did not leave. */
  get atHand(): number {
    return this.pending;
  }

  leave(): void {
    this.pending--;
  }

  /** Comes every BEAT_MS, or so much later. */
  beat(lateMs: number): void {
    this.lateMsSum += lateMs;
    this.beats++;
    if (this.beats === BEATS_OF_WINDOW) this.endWindow();
  }

  /** Spread evenly: of three with a share of a third, each third one. */
  private isDue(work: Work): boolean {
    this.credit[work] += this.share[work];
    if (this.credit[work] < 1) return false;
    this.credit[work]--;
    return true;
  }

  private endWindow(): void {
    let left = this.room();
    for (const work of KINDS) {
      const wanted = this.incoming[work];
      this.share[work] = left >= wanted ? 1 : left / wanted;
      left = Math.max(0, left - wanted);
    }
    this.incoming = { write: 0, read: 0, many: 0 };
    [this.admitted, this.beats, this.lateMsSum] = [0, 0, 0];
  }

  /** How many there is room for in a window like this one. */
  private room(): number {
    const { admissionLagMs } = this.limits;
    const lateMs = this.lateMsSum / this.beats;
    if (lateMs <= admissionLagMs) this.capacity = Math.max(this.capacity, this.admitted) * MORE + 1;
    else this.capacity = this.admitted * (lateMs > VERY_LATE_FACTOR * admissionLagMs ? MUCH_LESS : LESS);
    return this.capacity;
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
