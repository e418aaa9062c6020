/**
 * What the HTTP edge needs of a node: declared here by its user, joined in node.ts.
 * Every callback comes exactly once; it may come before the call returns.
 */
import type { BatchOutcome, BatchRequest } from "../coordinator/batch.js";
import type { ListOutcome, ListRequest } from "../coordinator/list.js";
import type { ReadOutcome, ReadRequest, WriteOutcome, WriteRequest } from "../coordinator/outcome.js";
import type { OverwriteKind } from "../coordinator/overwrites.js";
import type { RangeOutcome, RangeRequest } from "../coordinator/range.js";
import type { MemberStatus } from "../membership/members.js";
import type { MemberChange } from "../membership/peers.js";
import type { NodeId } from "../ports.js";
import type { HintStatus } from "../upkeep/deliver.js";
import type { FlushOutcome } from "../upkeep/flush.js";
import type { RepairOrder, RepairStatus } from "../upkeep/repair.js";

export interface Store {
  readonly self: NodeId;
  read(request: ReadRequest, done: (outcome: ReadOutcome) => void): void;
  write(request: WriteRequest, done: (outcome: WriteOutcome) => void): void;
  batch(request: BatchRequest, done: (outcome: BatchOutcome) => void): void;
  list(request: ListRequest, done: (outcome: ListOutcome) => void): void;
  range(request: RangeRequest, done: (outcome: RangeOutcome) => void): void;
  /** Contexts with stamps beyond this are 400: milliseconds since 1970. */
  latestContextMs(): number;
  cluster(): ClusterStatus;
  ring(): RingStatus;
  owners(bucket: string, key: Uint8Array): OwnersStatus;
  latency(): LatencyReport;
  hints(): HintsReport;
  /** The last values that registers lost through this node, of one bucket or of all. */
  conflicts(bucket: string | undefined, itemsMax: number): ConflictsReport;
  /** Begins a repair; false when one is under way. */
  repair(order: RepairOrder): boolean;
  repairStatus(): RepairStatus;
  /** Waits until all hints kept here are delivered. False when too many wait already: then `done` never comes. */
  flushHints(timeoutMs: number, done: (outcome: FlushOutcome) => void): boolean;
  top(): TopReport;
  condition(): Condition;
  /** Whoever follows the members from now on, in place of who did before. */
  followMembers(onChange: (node: NodeId, change: MemberChange) => void): void;
}

/** How far a node's repair is, or its last one. `begun`: as its order was answered. */
export interface RepairReport extends RepairStatus {
  readonly node: NodeId;
  readonly begun?: boolean;
}

/** The last register writes through a node that took away what nobody had looked at, the newest first. No values. */
export interface ConflictsReport {
  readonly node: NodeId;
  readonly conflicts: readonly {
    readonly bucket: string;
    readonly key: string;
    /** Of a cell of a row. */
    readonly sort?: string;
    readonly kind: OverwriteKind;
    /** When it was noticed, as in RFC 3339. */
    readonly at: string;
    readonly lost: StampReport;
    /** What stands in its place. */
    readonly kept: StampReport;
  }[];
}

export interface StampReport {
  /** As in RFC 3339, to the microsecond; and in microseconds since 1970. */
  readonly time: string;
  readonly timeUs: number;
  /** The life of a store that stamped it, as 16 hex digits, and the node whose it is at present, if one's. */
  readonly actor: string;
  readonly node: NodeId | undefined;
}

/** For whom a node keeps what. */
export interface HintsReport {
  readonly node: NodeId;
  readonly targets: readonly HintStatus[];
}

/** How long a node's peers take to answer its reads. What was seen too seldom is left out. */
export interface LatencyReport {
  readonly node: NodeId;
  readonly hedge: {
    /** The policy of buckets that name none of their own. */
    readonly after: string;
    readonly budgetPercent: number;
    /** Spare questions that may be asked at once. */
    readonly tokens: number;
  };
  readonly peers: readonly {
    readonly node: NodeId;
    readonly samples: number;
    readonly p50Ms: number | undefined;
    readonly p95Ms: number | undefined;
    readonly p99Ms: number | undefined;
    /** When a read asks a spare in its place; undefined: never. */
    readonly hedgeAfterMs: number | undefined;
    /** It is late at present: others are asked first. */
    readonly overdue: boolean;
    /** Questions on their way. */
    readonly unanswered: number;
  }[];
}

/** The keys that a node is asked for most, the hottest first. Only what it coordinates itself. */
export interface TopReport {
  readonly node: NodeId;
  readonly keys: readonly {
    readonly bucket: string;
    readonly key: string;
    readonly readsPerSecond: number;
    readonly writesPerSecond: number;
    /** By so much the sum of both may be too small. */
    readonly errorPerSecond: number;
  }[];
}

/** What a node can say of itself at any time without effort. */
export interface Condition {
  /** Rows of its own replica. */
  readonly rows: number;
  /** Owned partitions in which it does not vote yet. */
  readonly rebuilding: number;
  /** Why it does not coordinate at present; undefined when it does. */
  readonly refusing: string | undefined;
}

export type NodeState = "up" | "down";

export interface NodeStatus {
  readonly node: NodeId;
  /** Whether it answers this node. */
  readonly state: NodeState;
  /** What all members say of it together: alive, suspect or dead; undefined while nobody has heard of it. */
  readonly membership: MemberStatus | undefined;
  readonly host: string;
  readonly http: number;
  readonly peer: number;
  readonly rack: string;
  readonly datacenter: string;
  /** Partitions it owns over all placements, and how many of them still rebuild (undefined: not known here). */
  readonly partitions: number;
  readonly rebuilding: number | undefined;
  /** Its clock against ours, in milliseconds; undefined while it was never heard. */
  readonly clockOffsetMs: number | undefined;
}

export interface ClusterStatus {
  readonly cluster: string;
  readonly self: NodeId;
  readonly version: string;
  readonly partitions: number;
  readonly layout: { readonly version: number; readonly digest: string };
  readonly durability: string;
  readonly uptimeMs: number;
  /** Rows of this node's own replica. */
  readonly rows: number;
  /** The actor of this store's present life, as 16 hex digits. */
  readonly incarnation: string;
  /** Why this node does not coordinate at present (its clock is off); undefined when it does. */
  readonly refusing: string | undefined;
  readonly nodes: readonly NodeStatus[];
  readonly buckets: readonly ({ readonly bucket: string } & BucketStatus)[];
  /** Of buckets that are not named. */
  readonly defaults: BucketStatus;
}

interface BucketStatus {
  readonly type: string;
  readonly replication: unknown;
}

export interface RingStatus {
  readonly partitions: number;
  readonly layout: { readonly version: number; readonly digest: string };
  readonly placements: readonly {
    readonly replication: unknown;
    /** Owners of each partition in preference order, by partition number. */
    readonly owners: readonly (readonly NodeId[])[];
  }[];
}

export interface OwnersStatus {
  /** Signed 64-bit token, in decimal. */
  readonly token: string;
  readonly partition: number;
  readonly owners: readonly {
    readonly node: NodeId;
    readonly datacenter: string;
    readonly rack: string;
    readonly state: "up" | "down" | "rebuilding";
  }[];
}
