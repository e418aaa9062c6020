/**
 * What a cluster is: the checked content of a `cluster.yaml`, with every default filled in.
 */
import type { Level, Limits } from "./config.js";

/** When a read asks a spare replica. */
export type HedgePolicy =
  /** always: together with the others. never: only in place of one that refused. */
  | { readonly kind: "always" | "never" }
  | { readonly kind: "after"; readonly ms: number }
  /** Once so large a share of a replica's answers would have come: 0.95 is the slowest twentieth. */
  | { readonly kind: "quantile"; readonly share: number }
  /** The sooner or the later of several times. */
  | { readonly kind: "min" | "max"; readonly of: readonly HedgePolicy[] };

export interface Hedge {
  readonly after: HedgePolicy;
  /** Spare questions in percent of the reads, on the long run. */
  readonly budgetPercent: number;
}

/** Hardly ever sooner than a pause of the garbage collector, and at most one read in ten twice. */
export const DEFAULT_HEDGE: Hedge = {
  after: {
    kind: "max",
    of: [
      { kind: "quantile", share: 0.95 },
      { kind: "after", ms: 2 },
    ],
  },
  budgetPercent: 10,
};

/** N replicas anywhere, or so many in each named datacenter. */
export type Replication = number | Readonly<Record<string, number>>;

/**
 * group: a write is acknowledged after fsync, many writes to one fsync.
 * os: it survives the death of the process, not a loss of power.
 */
export type Durability = "group" | "os";

export interface Consistency {
  readonly read: Level;
  readonly write: Level;
}

export interface NodeConfig {
  readonly id: string;
  /** What others dial. */
  readonly host: string;
  /** What this node listens on. */
  readonly bind: string;
  readonly http: number;
  readonly peer: number;
  readonly rack: string;
  readonly datacenter: string;
}

export interface BucketConfig {
  /** As written: the name of its lattice, or row. */
  readonly type: string;
  /** Of a row: the lattice of its cells, each under a sort key. Undefined: its keys have no cells. */
  readonly cells: string | undefined;
  readonly replication: Replication;
  readonly consistency: Consistency;
  readonly hedge: Hedge;
  /** Lifetime of a value that names none, in milliseconds; undefined: for ever. */
  readonly ttlMs: number | undefined;
  /** Of a register: clients may stamp their writes themselves. */
  readonly clientStamps: boolean;
  /** Of siblings: the absolute path of the user's merge function; undefined when clients decide. */
  readonly mergeFile: string | undefined;
  /** Of a counter: how long an increment waits for others to be written with; undefined: each is a write of its own. */
  readonly coalesceMs: number | undefined;
}

/** The lattice of what is stored under one address, a key's or a cell's. */
export function latticeNameOf({ type, cells }: Pick<BucketConfig, "type" | "cells">): string {
  return cells ?? type;
}

/** A checked `cluster.yaml`: every default filled in, every name known to exist. */
export interface ClusterConfig {
  readonly cluster: string;
  readonly partitions: number;
  readonly data: string;
  readonly durability: Durability;
  readonly nodes: readonly NodeConfig[];
  /** Buckets by name; a bucket not named here takes `defaults`. */
  readonly buckets: ReadonlyMap<string, BucketConfig>;
  readonly defaults: BucketConfig;
  readonly limits: Limits;
  readonly security: SecurityConfig;
}

export interface SecurityConfig {
  /** The shared secret of the nodes, or undefined: loopback only. */
  readonly secret: Uint8Array | undefined;
  /** Host names that clients may use besides the node's own. */
  readonly allowedHosts: readonly string[];
  /** Origins whose pages may change data. */
  readonly allowedOrigins: readonly string[];
}
