/**
 * A script: everything that is done to a simulated cluster, written down before it begins.
 *
 * The seed draws the script (swarm.ts) and the script alone decides the run. So a
 * run can be replayed, printed, and made smaller by leaving steps out: a step
 * that makes no sense when its time comes (to start what runs already) is passed
 * over, and any part of a script is a script.
 */
import type { Durability, HedgePolicy, Replication } from "../cluster-config.js";
import type { Level, Limits } from "../config.js";
import type { StorageError } from "../ports.js";
import type { CopyKind, Tail } from "./disk.js";
import type { Weather } from "./transport.js";

/** What the cluster is made of. */
export interface Shape {
  readonly nodes: number;
  readonly datacenters: number;
  /** How long a packet takes from one to another, at least. */
  readonly distanceMs: number;
  readonly replication: Replication;
  readonly partitions: number;
  readonly limits: Partial<Limits>;
  readonly durability: Durability;
  /** How long a group commit takes. */
  readonly commitMs: number;
  /** By node: how far its wall clock is ahead, and how fast it runs. */
  readonly clocks: readonly NodeTime[];
}

export interface NodeTime {
  readonly offsetMs: number;
  readonly driftPpm: number;
}

/** Nodes are numbered from 0. */
export type Fault =
  | { readonly kind: "weather"; readonly weather: Weather }
  /** Nothing passes from these to those. */
  | { readonly kind: "cut"; readonly from: readonly number[]; readonly to: readonly number[] }
  | { readonly kind: "heal" }
  /** kill -9. What was on its way to the disk is lost, kept, or torn. */
  | { readonly kind: "crash"; readonly node: number; readonly tail: Tail }
  /** The machine goes down: at most so many of the last groups that were not synced are gone. */
  | { readonly kind: "power"; readonly node: number; readonly tail: Tail; readonly groups: number }
  | { readonly kind: "stop"; readonly node: number }
  | { readonly kind: "start"; readonly node: number }
  | { readonly kind: "wipe"; readonly node: number }
  /** An operator copies a store; and later puts the copy in its place. */
  | { readonly kind: "copy"; readonly node: number }
  | { readonly kind: "restore"; readonly node: number; readonly as: CopyKind }
  | { readonly kind: "pause"; readonly node: number }
  | { readonly kind: "resume"; readonly node: number }
  /** Everything to and from it takes so many times as long. */
  | { readonly kind: "slow"; readonly node: number; readonly factor: number }
  | { readonly kind: "jump"; readonly node: number; readonly byMs: number }
  /** So many of the next commits fail; none: the disk is sound again. */
  | { readonly kind: "disk"; readonly node: number; readonly groups: number; readonly error: StorageError["kind"] }
  /** Such a share of its reads fails. */
  | { readonly kind: "reads"; readonly node: number; readonly failRate: number }
  /** Everybody needs so long for each frame, one after the other. */
  | { readonly kind: "busy"; readonly msPerFrame: number }
  /** One stored row, chosen by a number, cannot be read; or has a bit turned round. */
  | { readonly kind: "unreadable"; readonly node: number; readonly pick: number }
  | { readonly kind: "flip"; readonly node: number; readonly pick: number };

/** Whatever a client asks for. */
interface Request {
  /** Who: it sees its own writes, and sends along what it saw. */
  readonly client: number;
  /** Whom it asks, and after a failure the next, so many times. */
  readonly node: number;
  readonly retries: number;
  readonly key: number;
  readonly level: Level;
  readonly deadlineMs: number;
  /** Whether a write carries what its client saw last. */
  readonly isAware: boolean;
  /** Whether a read mends who is behind. */
  readonly mend: boolean;
}

/** What a client does with a register. */
export interface Operation extends Request {
  readonly kind: "read" | "put" | "delete";
  /** Of a put: after how long the value is gone. */
  readonly ttlMs: number | undefined;
}

/** Reads the cells of a row, page after page. The key is any cell's of it. */
export interface RangeReading extends Request {
  readonly kind: "range";
  /** Sort keys; undefined: from the first, to the last. */
  readonly from: string | undefined;
  readonly to: string | undefined;
  /** Of a page. */
  readonly cellsMax: number;
}

/** Types whose changes an owner mints. A bucket has the name of its type. */
export const MINTED_TYPES = ["siblings", "counter", "set", "map"] as const;
export type MintedType = (typeof MINTED_TYPES)[number];

/** What a client does with a key of another type. */
export interface Change extends Request {
  readonly type: MintedType;
  readonly kind: "read" | "put" | "delete" | "add" | "edit-set" | "edit-map";
  /** Of a sibling's put: after how long the value is gone. */
  readonly ttlMs?: number;
  /** Of an addition. */
  readonly by?: number;
  /** Of a set's edit. */
  readonly add?: readonly string[];
  readonly remove?: readonly string[];
  /** Of a map's edit: all of it or nothing. */
  readonly fields?: readonly FieldEdit[];
  /** It has an id, one for all times that it is tried: then it counts once. */
  readonly isNamed?: boolean;
}

/** What an edit does to one field of a map. */
export interface FieldEdit {
  readonly kind: "set" | "add" | "put-in" | "take-out" | "remove";
  /** Within maps in the map with slashes. */
  readonly field: string;
  /** Of an addition. */
  readonly by?: number;
  /** Of a set. */
  readonly element?: string;
}

/** Something done at a time, in milliseconds since the cluster was ready. A fault names the kind that the swarm drew it for. */
export interface Step {
  readonly atMs: number;
  readonly deed:
    | { readonly operation: Operation }
    | { readonly range: RangeReading }
    | { readonly change: Change }
    | { readonly fault: Fault; readonly drawnFor: string };
}

export interface Script {
  readonly seed: number;
  readonly shape: Shape;
  readonly hedge: HedgePolicy;
  /** The kinds of fault that this run enables. */
  readonly swarm: readonly string[];
  /** In order of time. */
  readonly steps: readonly Step[];
}
