/**
 * What a caller gives and gets: the public types of the client. They name no
 * library's types, so that the package type-checks wherever it is installed.
 */
import type { MurmurError } from "./errors.js";
import type { ClientLimits } from "./limits.js";

/** A level by name, in any case, or a number of owners. Undefined: the bucket's own. */
export type Consistency = string | number;

export interface MurmurClientOptions {
  /** Base URLs of one node or more: the rest of the cluster is learned from them. */
  readonly nodes: readonly string[];
  /** Only nodes of this datacenter are asked, so that LOCAL_QUORUM means the same one each time. Undefined: all of them. */
  readonly datacenter?: string;
  /** The whole of an operation, retries included, unless the call says otherwise. Default: 2000. */
  readonly timeoutMs?: number;
  /** "never": a silent node is waited for, and no second one is asked. */
  readonly hedge?: "never";
  /** Increments of a counter that are called for within so many milliseconds are sent as one. Default 0: each by itself. */
  readonly coalesceMs?: number;
  readonly limits?: Partial<ClientLimits>;
}

export interface BucketOptions {
  /** In place of the client's own. */
  readonly coalesceMs?: number;
}

/** What an AbortSignal is to us. */
export interface Abort {
  readonly aborted: boolean;
  readonly reason?: unknown;
  addEventListener(type: "abort", listener: () => void): void;
  removeEventListener(type: "abort", listener: () => void): void;
}

export interface CallOptions {
  readonly consistency?: Consistency;
  readonly timeoutMs?: number;
  readonly signal?: Abort;
}

/** Of one key, or of one cell of a key. */
export interface CellOptions extends CallOptions {
  /** In a row bucket: which cell of the key. */
  readonly sort?: string;
}

export interface GetOptions extends CellOptions {
  /** When the node asks a spare replica: `p95`, `10ms`, `max(p95,5ms)`, `never`. "never" also keeps this client from asking a second node. */
  readonly hedge?: string;
  /** "never": reads without repairing replicas that are behind. */
  readonly mend?: "never";
  /** "never": siblings as they are, where the bucket has a merge function. */
  readonly merge?: "never";
  /** Rejects with SiblingsError when there is more than one value. */
  readonly single?: boolean;
}

export interface DeleteOptions extends CellOptions {
  /** What an earlier get or write answered: the write supersedes it. */
  readonly context?: string;
  /**
   * What you call this change of this key; true: a random name. Then it counts once, however often and of whichever node it
   * is asked for, and is asked for again when its outcome is unknown. It costs a read of a quorum, and about 45 bytes of the key for a day.
   */
  readonly idempotencyKey?: string | true;
  /**
   * In a bucket with `clientStamps`: microseconds since 1970 in place of the cluster's own stamp. The later stamp wins, whenever it
   * comes, and no remembered context goes along. It is the same write when it is repeated: so it is when its outcome is unknown.
   */
  readonly stamp?: number;
}

export interface PutOptions extends DeleteOptions {
  /** Stored with the value. With it, a string and bytes go as they are; anything else becomes JSON. */
  readonly contentType?: string;
  /** The value's lifetime: `60s`, `12h`, or milliseconds. */
  readonly ttl?: string | number;
}

export interface WriteResult {
  /** Opaque: give it to a later write that is meant to supersede this one. */
  readonly context: string;
}

/** Of a counter, a set, a map: the context matters to what is removed alone. Without it, that is whatever a quorum holds. */
export interface ChangeOptions extends CellOptions {
  readonly context?: string;
  /** As for `put`. */
  readonly idempotencyKey?: string | true;
}

export interface ChangeResult<Value> extends WriteResult {
  /** What the key holds now, at the owner that changed it. */
  readonly value: Value;
}

export interface AddManyOptions extends CallOptions {
  /** Of the whole call: repeated with the same increments under the same name, it counts once. `true`: the client names it. */
  readonly idempotencyKey?: string | true;
}

/** One item of many: what became of it is no matter of the others. */
export interface BatchFailed {
  readonly ok: false;
  readonly error: MurmurError;
}

/** Of one increment among many; `value` is what its counter held after all of them. */
export type AddResult = ({ readonly ok: true } & ChangeResult<number>) | BatchFailed;

/** Elements that go into a set and that come out of it; none is in both. */
export interface SetEdit {
  readonly add?: readonly string[];
  readonly remove?: readonly string[];
}

/** Fields of a map by name, all changed at once; none is in two of these. */
export interface MapEdit {
  /** Registers: anything that JSON can say. */
  readonly set?: Readonly<Record<string, unknown>>;
  /** What is added to counters. */
  readonly counters?: Readonly<Record<string, number>>;
  readonly sets?: Readonly<Record<string, SetEdit>>;
  readonly maps?: Readonly<Record<string, MapEdit>>;
  readonly remove?: readonly string[];
}

/** The fields of a map: a number for a counter, a list of texts for a set, an object for a map, else what was set. */
export type MapFields = Readonly<Record<string, unknown>>;

/** A counter, a set or a map as it was read; an absent one is 0, [] or {}. */
export interface ReadResult<Value> {
  readonly found: boolean;
  readonly value: Value;
  readonly context: string;
  readonly replicas: readonly Replica[];
}

export interface KeysOptions extends CallOptions {
  /** Keys of one page; the node has a limit of its own, 1000 by default. */
  readonly limit?: number;
  /** The `next` of the page before. */
  readonly after?: string;
}

export interface RangeOptions extends CallOptions {
  /** The first sort key, or the `next` of the page before. */
  readonly from?: string;
  /** The sort key before which to end. */
  readonly to?: string;
  /** Cells of one page; the node has a limit of its own, 1000 by default. */
  readonly limit?: number;
}

/** One of several concurrent values. */
export interface Sibling {
  readonly value: unknown;
  readonly contentType: string;
}

/** One replica's part in an answer. */
export interface Replica {
  readonly node: string;
  /** When it was asked, since the request began. */
  readonly askedMs: number;
  /** How long it took. Undefined: it had not answered yet. */
  readonly ms: number | undefined;
  /** first, hedge, self, late */
  readonly role: string;
  /** same, behind (and mended), failed, pending */
  readonly state: string;
}

export interface GetResult<Value = unknown> {
  readonly found: boolean;
  /** Parsed JSON for application/json, a string for text/*, else a Uint8Array; undefined when absent or when there are siblings. */
  readonly value: Value | undefined;
  /** All values when there is more than one; otherwise empty. */
  readonly siblings: readonly Sibling[];
  readonly contentType: string | undefined;
  readonly context: string;
  readonly replicas: readonly Replica[];
}

export interface KeyPage {
  readonly keys: readonly string[];
  /** Give it as `after` to go on; undefined after the last page. */
  readonly next: string | undefined;
}

/** One cell of a key in a row bucket. */
export interface Cell {
  readonly sort: string;
  /** Undefined when there are several values: see `siblings`. */
  readonly value: unknown;
  readonly contentType: string | undefined;
  readonly siblings: readonly Sibling[];
  readonly context: string;
}

export interface CellPage {
  /** In the order of their sort keys' bytes. Fewer than asked for mean nothing. */
  readonly cells: readonly Cell[];
  /** Give it as `from` to go on; undefined after the last page. */
  readonly next: string | undefined;
}

export interface DeletedCells {
  /** Fewer than asked for mean nothing, nor does 0. */
  readonly deleted: number;
  /** Give it as `from` to go on; undefined when no cell is left. */
  readonly next: string | undefined;
}

/** The keys of one bucket and their values. Every promise rejects with a MurmurError, or with the signal's reason. */
export interface Bucket {
  readonly name: string;
  /** An absent key is an answer, not an error: `found` is false. */
  get<Value = unknown>(key: string, options?: GetOptions): Promise<GetResult<Value>>;
  /** A string is stored as text, bytes as they are, anything else as JSON. */
  put(key: string, value: unknown, options?: PutOptions): Promise<WriteResult>;
  delete(key: string, options?: DeleteOptions): Promise<WriteResult>;
  /** Adds to a counter; `by` may be negative. Once it may have counted it is not sent again, unless it has an `idempotencyKey`: after a TimeoutError nobody knows. */
  add(key: string, by: number, options?: ChangeOptions): Promise<ChangeResult<number>>;
  /**
   * Adds to many counters, and to each as often as it is named: `[['a', 1], ['b', 5], ['a', 1]]`, or a Map. One promise
   * for all; each has a result of its own, in the order given. Rejects when nothing was sent because of a mistake.
   */
  addMany(increments: Iterable<readonly [key: string, by: number]>, options?: AddManyOptions): Promise<AddResult[]>;
  /** Puts elements into a set; an add wins over a remove that has not seen it. */
  addTo(key: string, elements: string | readonly string[], options?: ChangeOptions): Promise<ChangeResult<string[]>>;
  /** Takes elements out of a set: what `context` saw of them, or without one whatever a quorum holds. */
  removeFrom(
    key: string,
    elements: string | readonly string[],
    options?: ChangeOptions,
  ): Promise<ChangeResult<string[]>>;
  /** Both at once. */
  editSet(key: string, edit: SetEdit, options?: ChangeOptions): Promise<ChangeResult<string[]>>;
  /** Changes several fields of a map, all or none. */
  editMap(key: string, edit: MapEdit, options?: ChangeOptions): Promise<ChangeResult<MapFields>>;
  /** The value of a counter. */
  count(key: string, options?: GetOptions): Promise<ReadResult<number>>;
  /** The elements of a set, in the order of their UTF-8 bytes. */
  elements(key: string, options?: GetOptions): Promise<ReadResult<string[]>>;
  /** The fields of a map. */
  fields(key: string, options?: GetOptions): Promise<ReadResult<MapFields>>;
  /** One page of the bucket's keys, in the order of their tokens. */
  keys(options?: KeysOptions): Promise<KeyPage>;
  /** All keys of the bucket, page after page. Keys written or deleted meanwhile may or may not be among them. */
  eachKey(options?: KeysOptions): AsyncGenerator<string, void, undefined>;
  /** One page of a key's cells, in a row bucket. */
  range(key: string, options?: RangeOptions): Promise<CellPage>;
  /** All cells of a key from `from` up to `to`, page after page: each that lives throughout is told once. */
  eachCell(key: string, options?: RangeOptions): AsyncGenerator<Cell, void, undefined>;
  /** Deletes the cells of a key from `from` up to `to`, as they are read, and `limit` of them at most (100): `next` tells whether to go on. */
  deleteCells(key: string, options?: RangeOptions): Promise<DeletedCells>;
}
