/**
 * Keys that gather siblings, told of before they are full.
 *
 * Clients that never send contexts back make siblings without end, and hear of
 * it when their writes are refused, at `siblingsMax`. Whoever runs the cluster
 * is told at `siblingsWarn`: each request that meets such a key is counted, and
 * one in a minute is logged, of each bucket, with what to do.
 */
import { textOf } from "../base/bytes.js";
import type { ClusterConfig } from "../cluster-config.js";
import type { Limits } from "../config.js";
import type { View } from "../lattice/lattice.js";
import type { Log, Meter } from "../ports.js";
import { quoted } from "./query.js";

/** Of all buckets that the file does not name: clients make as many as they like. No bucket has this name. */
const UNNAMED = "*";
const LOG_INTERVAL_MS = 60_000;

export class Crowding {
  /** When a bucket was last logged; as many as the file names, and one. */
  private readonly loggedMs = new Map<string, number>();

  constructor(
    private readonly buckets: ClusterConfig["buckets"],
    private readonly limits: Limits,
    private readonly meter: Meter,
    private readonly log: Log,
    private readonly nowMs: () => number = () => performance.now(),
  ) {}

  /** A read or a write has met this. */
  onMet(bucket: string, key: Uint8Array, view: View | undefined): void {
    const siblings = view?.contents.length ?? 0;
    if (siblings < this.limits.siblingsWarn) return;
    const label = this.buckets.has(bucket) ? bucket : UNNAMED;
    this.meter.count("murmur_siblings_warned_total", { bucket: label });
    const nowMs = this.nowMs();
    if (nowMs < (this.loggedMs.get(label) ?? Number.NEGATIVE_INFINITY) + LOG_INTERVAL_MS) return;
    this.loggedMs.set(label, nowMs);
    const { siblingsMax } = this.limits;
    const sentence = `a key of bucket ${bucket} has ${siblings} siblings, and takes no more at ${siblingsMax} (siblingsMax)`;
    this.log.warn(`${sentence}: ${REMEDY}`, { bucket, key: quoted(textOf(key) ?? ""), siblings });
  }
}

const REMEDY = "its writers should send the Murmur-Context of what they read; `murmur resolve BUCKET KEY` keeps one";
