/**
 * What a caller of a batch gives and gets: public types, as in options.ts.
 */
import type { Abort, BatchFailed, Consistency, GetResult, MapEdit, SetEdit, WriteResult } from "./options.js";

export interface BatchRead {
  readonly bucket: string;
  readonly key: string;
  /** In a row bucket: which cell of the key. */
  readonly sort?: string;
}

export interface BatchPut extends BatchRead {
  /** As for `put`. */
  readonly value: unknown;
  readonly contentType?: string;
  readonly ttl?: string | number;
  readonly context?: string;
  readonly idempotencyKey?: string | true;
  readonly stamp?: number;
}

export interface BatchDelete extends BatchRead {
  readonly delete: true;
  readonly context?: string;
  readonly idempotencyKey?: string | true;
  readonly stamp?: number;
}

/** Changes a counter, a set or a map. */
export interface BatchChange extends BatchRead {
  readonly op: { readonly add: number } | SetEdit | MapEdit;
  readonly context?: string;
  readonly idempotencyKey?: string | true;
}

export interface BatchOptions {
  readonly reads?: readonly BatchRead[];
  /** A key, or a cell of one, at most once, unless all that it gets are increments: two other writes of one key have no order among them. */
  readonly writes?: readonly (BatchPut | BatchDelete | BatchChange)[];
  /** One level for all, or one for reads and one for writes. */
  readonly consistency?: Consistency | { readonly read?: Consistency; readonly write?: Consistency };
  readonly timeoutMs?: number;
  readonly hedge?: string;
  /** "never": reads without repairing replicas that are behind. */
  readonly mend?: "never";
  /** "never": siblings as they are, where a bucket has a merge function. */
  readonly merge?: "never";
  /** False: rejects when a single item fails. Default: each item has its own outcome. */
  readonly partial?: boolean;
  /** minimal: what a write left is not answered, nor its context. */
  readonly return?: "minimal" | "representation";
  readonly signal?: Abort;
}

/** What a node takes in one batch, by default. */
export const BATCH_ITEMS_MAX = 1000;

export type BatchReadResult = ({ readonly ok: true } & Omit<GetResult, "replicas">) | BatchFailed;
/** `context` is empty with `return: "minimal"`. `value` is what an `op` left; undefined then, and when the answer of the batch had no room for it, and for puts and deletes. */
export type BatchWriteResult = ({ readonly ok: true; readonly value?: unknown } & WriteResult) | BatchFailed;

/** In the order of the request. */
export interface BatchResult {
  readonly reads: readonly BatchReadResult[];
  readonly writes: readonly BatchWriteResult[];
}
