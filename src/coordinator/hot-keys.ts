/**
 * Which keys this node is asked for most, for `murmur top` and for the cache of hot keys.
 *
 * Counts are kept for a window of time, and the window before it, each in a
 * sketch of bounded size (base/heavy-hitters.ts). A rate is told from the present
 * window once half of it has passed, and from the one before until then.
 */
import { bytesToMapKey } from "../base/bytes.js";
import { HeavyHitters } from "../base/heavy-hitters.js";
import type { Clock } from "../ports.js";

/** A key, and how often it was asked for and written in a second. */
export interface HotKey {
  readonly bucket: string;
  readonly key: Uint8Array;
  readonly readsPerSecond: number;
  readonly writesPerSecond: number;
  /** By so much the sum of both may be too small. */
  readonly errorPerSecond: number;
}

const WINDOW_MS = 10_000;
const PLACES = 256;
/** Read so often within a window for certain, a key is hot. */
const HOT_READS = 500;
const MS_PER_SECOND = 1000;

interface Window {
  readonly sinceMs: number;
  readonly hitters: HeavyHitters;
}

export class HotKeys {
  private present: Window;
  private past: Window & { readonly untilMs: number };

  constructor(private readonly clock: Pick<Clock, "nowMs">) {
    const sinceMs = clock.nowMs();
    this.present = { sinceMs, hitters: new HeavyHitters(PLACES) };
    this.past = { ...this.present, untilMs: sinceMs };
  }

  record(name: string, operation: "read" | "write"): void {
    this.turnOver();
    this.present.hitters.record(name, operation === "read");
  }

  /** Of a batch: keys that share their bytes are named once. */
  recordAll(
    items: readonly { readonly bucket: string; readonly key: Uint8Array }[],
    operation: "read" | "write",
  ): void {
    const named = new Map<Uint8Array, { readonly bucket: string; readonly name: string }>();
    for (const { bucket, key } of items) {
      const known = named.get(key);
      const name = known?.bucket === bucket ? known.name : nameOf(bucket, key);
      if (name !== known?.name) named.set(key, { bucket, name });
      this.record(name, operation);
    }
  }

  isHot(name: string): boolean {
    this.turnOver();
    const { present, past } = this;
    return present.hitters.leastOf(name) >= HOT_READS || past.hitters.leastOf(name) >= HOT_READS;
  }

  /** The hottest first. */
  top(keysMax: number): HotKey[] {
    this.turnOver();
    const nowMs = this.clock.nowMs();
    const isYoung = nowMs - this.present.sinceMs < WINDOW_MS / 2 && this.past.untilMs > this.past.sinceMs;
    const { sinceMs, untilMs, hitters } = isYoung ? this.past : { ...this.present, untilMs: nowMs };
    const seconds = Math.max(1, untilMs - sinceMs) / MS_PER_SECOND;
    return hitters.top(keysMax).map(({ name, count, error, marked }) => ({
      ...addressOf(name),
      readsPerSecond: marked / seconds,
      writesPerSecond: (count - error - marked) / seconds,
      errorPerSecond: error / seconds,
    }));
  }

  private turnOver(): void {
    const nowMs = this.clock.nowMs();
    const ageMs = nowMs - this.present.sinceMs;
    if (ageMs < WINDOW_MS) return;
    const fresh = { sinceMs: nowMs, hitters: new HeavyHitters(PLACES) };
    // Of a window that nobody looked at for long, no rate can be told.
    this.past = ageMs < 2 * WINDOW_MS ? { ...this.present, untilMs: nowMs } : { ...fresh, untilMs: nowMs };
    this.present = fresh;
  }
}

/** A key's name in maps. A bucket's name has no line break. */
export function nameOf(bucket: string, key: Uint8Array): string {
  return `${bucket}\n${bytesToMapKey(key)}`;
}

function addressOf(name: string): { bucket: string; key: Uint8Array } {
  const end = name.indexOf("\n");
  return { bucket: name.slice(0, end), key: Buffer.from(name.slice(end + 1), "latin1") };
}
