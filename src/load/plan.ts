/**
 * What is to be asked of a cluster, how often and for how long: all that a run
 * of the load generator is determined by, so that the same plan with the same
 * seed asks for the same keys at the same moments again.
 */

/**
 * When requests are due. `poisson`: an open loop, due whether or not the last
 * one was answered. `closed`: whenever one more may be under way, which finds
 * the most a cluster takes and says nothing about latency. `each`: every key
 * once, as fast as that.
 */
export type Arrivals =
  | { readonly kind: "poisson"; readonly perSecond: number }
  | { readonly kind: "closed" }
  | { readonly kind: "each" };

export type Distribution = "uniform" | "zipfian";

export interface LoadPlan {
  /** Base URLs of the nodes that are asked, one drawn for each request. */
  readonly urls: readonly string[];
  readonly bucket: string;
  /** How many different keys there are. */
  readonly keys: number;
  readonly distribution: Distribution;
  readonly valueBytes: number;
  /** From 0 (writes only) to 1 (reads only). */
  readonly readShare: number;
  /** What stands behind the `?` of a read and of a write. */
  readonly readQuery: string;
  readonly writeQuery: string;
  readonly arrivals: Arrivals;
  /** How long requests become due; those under way then are still waited for. */
  readonly lastingMs: number;
  /** An answer that takes longer is not waited for. */
  readonly timeoutMs: number;
  /** Requests under way at once, and connections to each node. One that is due beyond it waits, and its wait counts. */
  readonly underWayMax: number;
  /**
   * Or it fails at once, where requests are thought to be of clients that know nothing of each other: where more is due
   * than can be sent, a queue before the bound makes each request too late that leaves it.
   */
  readonly failsBeyondMax?: boolean;
  readonly seed: number | string;
}

/** The shares of reads in the workloads of YCSB (Cooper and others 2010) that read and update. */
export const MIXES: Readonly<Record<string, number>> = { A: 0.5, B: 0.95, C: 1, reads: 1 };

/** The exponent of YCSB's skewed workloads. */
export const ZIPF_EXPONENT = 0.99;

/** A draw is a table as long as there are keys. */
export const KEYS_MAX = 1_000_000;

/** By its rank: the most popular is key 0. Where it lives is the hash's business, so ranks need no scattering. */
export function keyName(rank: number): string {
  return `key-${rank}`;
}
