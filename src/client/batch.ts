/**
 * Many reads and writes in one request: `POST /v1/batch`. Each item has its own
 * outcome; one that failed says why, and does not hide the others.
 */

import { asBuffer } from "../base/bytes.js";
import { decodeValue } from "../base/decoded-value.js";
import { checkBucket, checkedStamp, checkKey } from "./arguments.js";
import type {
  BatchChange,
  BatchDelete,
  BatchOptions,
  BatchPut,
  BatchRead,
  BatchReadResult,
  BatchResult,
  BatchWriteResult,
} from "./batch-options.js";
import { innerValue } from "./change.js";
import type { Endpoint } from "./endpoint.js";
import { type ErrorFacts, errorOf, MurmurError } from "./errors.js";
import { idKeyOf } from "./idempotency.js";
import type { BatchFailed, Sibling } from "./options.js";
import { mayStillBe } from "./problem.js";
import { askAny } from "./rest-call.js";
import type { Shared } from "./shared.js";
import { encodeValue, jsonOf } from "./value.js";

type BatchWrite = BatchPut | BatchDelete | BatchChange;

/** `tried` are not asked if others are there; who is asked is added to them. */
export async function runBatch(shared: Shared, options: BatchOptions, tried: Endpoint[] = []): Promise<BatchResult> {
  const { reads = [], writes = [], consistency, hedge, mend, merge, partial } = options;
  checkItems([...reads, ...writes]);
  const levels = typeof consistency === "object" ? consistency : { read: consistency, write: consistency };
  const items = {
    reads: reads.map(({ bucket, key, sort }) => ({ bucket, key, sort })),
    writes: writes.map((write) => writeItem(shared, write)),
    ...(levels.read === undefined || reads.length === 0 ? {} : { r: levels.read }),
    ...(levels.write === undefined || writes.length === 0 ? {} : { w: levels.write }),
    ...{ hedge, mend, merge, partial, return: options.return },
  };
  const { json, node, isUnknown } = await askAny(shared, {
    method: "POST",
    path: () => "/v1/batch",
    body: (timeoutMs) => bodyOf({ ...items, timeoutMs }, writes),
    isWrite: writes.length > 0,
    countsOnce: writes.every(countsOnce),
    ...options,
    tried,
  });
  const { results } = json as { results?: readonly Item[] };
  if (results?.length !== reads.length + writes.length) {
    const mayHaveApplied = writes.length > 0;
    throw new MurmurError({ code: "bad-answer", detail: "not the answer to a batch", mayHaveApplied, node });
  }
  // That is said of the node, and of nothing in the batch.
  if (results.length > 0 && results.every(({ code }) => code === "clock-skew")) {
    tried.at(-1)?.rest(shared.world.nowMs(), shared.limits.unavailableRestMs);
  }
  const seen = [...reads, ...writes];
  for (const [index, { context }] of results.entries()) {
    const { bucket, key, sort } = seen[index] as BatchRead;
    // A cell's context says nothing about its key.
    if (context !== undefined && sort === undefined) shared.contexts.onSeen(bucket, key, context);
  }
  return {
    reads: results.slice(0, reads.length).map((item) => readResult(item, node)),
    writes: results.slice(reads.length).map((item) => writeResult(item, node, isUnknown)),
  };
}

function checkItems(items: readonly BatchRead[]): void {
  let known: string | undefined;
  for (const { bucket, key, sort } of items) {
    if (bucket !== known) checkBucket(bucket);
    known = bucket;
    checkKey(key);
    if (sort !== undefined) checkKey(sort, "sort key");
  }
}

/** A write that is the same one when it is repeated. */
function countsOnce(write: BatchWrite): boolean {
  return write.idempotencyKey !== undefined || ("stamp" in write && write.stamp !== undefined);
}

/** Throws BadRequestError for what JSON cannot say. */
function bodyOf(batch: object, writes: readonly BatchWrite[]): string {
  try {
    return JSON.stringify(batch);
  } catch {
    for (const [index, write] of writes.entries()) if ("op" in write) jsonOf(write.op, `writes[${index}].op`);
    return jsonOf(batch, "the batch");
  }
}

function writeItem(shared: Shared, write: BatchWrite): object {
  const { bucket, key, sort } = write;
  const address = { bucket, key, sort };
  const stamp = "op" in write || write.stamp === undefined ? undefined : checkedStamp(write.stamp);
  const context = shared.contexts.forWrite(bucket, key, write.context, stamp !== undefined);
  const idempotencyKey = idKeyOf(write.idempotencyKey, shared.world.random);
  if ("delete" in write) return { ...address, delete: true, context, stamp, idempotencyKey };
  if ("op" in write) return { ...address, op: write.op, context, idempotencyKey };
  const { bytes, contentType } = encodeValue(write.value, write.contentType);
  const ttl = typeof write.ttl === "number" ? `${write.ttl}ms` : write.ttl;
  return { ...address, value: asBuffer(bytes).toString("base64"), contentType, ttl, context, stamp, idempotencyKey };
}

/** One item of the answer: as the answer about its key alone would have been. */
interface Item extends Partial<Omit<ErrorFacts, "status">> {
  readonly status: number;
  readonly value?: string;
  readonly contentType?: string;
  readonly context?: string;
  readonly siblings?: readonly { readonly value: string; readonly contentType: string }[];
}

function readResult(item: Item, node: string): BatchReadResult {
  const { status, value, contentType, context = "" } = item;
  const nothing = { value: undefined, siblings: [], contentType: undefined, context };
  if (status === 404) return { ok: true, found: false, ...nothing };
  if (status === 300) return { ok: true, found: true, ...nothing, siblings: (item.siblings ?? []).map(siblingOf) };
  if (status !== 200 || value === undefined || contentType === undefined) return failed(item, node);
  return { ok: true, found: true, ...nothing, ...siblingOf({ value, contentType }) };
}

function siblingOf({ value, contentType }: { value: string; contentType: string }): Sibling {
  return { value: decodeValue(Buffer.from(value, "base64"), contentType), contentType };
}

/** `isUnknown`: what refuses it now may have been done by an earlier attempt. */
function writeResult(item: Item, node: string, isUnknown: boolean): BatchWriteResult {
  const { status, value, contentType = "", context } = item;
  if (status === 204) return { ok: true, context: context ?? "" };
  if (status !== 200 || value === undefined || context === undefined) {
    const mayHaveApplied = isUnknown || mayStillBe(status, item.code, item.mayHaveApplied);
    return failed({ ...item, mayHaveApplied }, node);
  }
  return { ok: true, context, value: innerValue(decodeValue(Buffer.from(value, "base64"), contentType)) };
}

function failed(
  { code = "bad-answer", detail = "an item without a verdict", ...facts }: Item,
  node: string,
): BatchFailed {
  return { ok: false, error: errorOf({ ...facts, code, detail, node }) };
}
