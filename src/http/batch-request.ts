/**
 * The body of `POST /v1/batch`: what is asked of which keys.
 *
 * Levels, timeouts and hedging mean what they mean behind the `?` of a key, and
 * are taken by the same code. A mistake is told with its place, such as
 * `reads[3].key`, and refuses the whole batch: nothing was asked of anybody.
 */
import { asBuffer, bytesToMapKey, utf8 } from "../base/bytes.js";
import type { BucketConfig } from "../cluster-config.js";
import type { BatchRequest } from "../coordinator/batch.js";
import { changeIdOf } from "../coordinator/change-id.js";
import type { ReadRequest, WriteRequest } from "../coordinator/outcome.js";
import { EMPTY_CONTEXT } from "../lattice/context.js";
import type { Op } from "../lattice/op.js";
import { type Address, BUCKET_NAME_EXPECTED, isBucketName, keyTrouble } from "./address.js";
import { cellRefusal, sortRefusal } from "./cells.js";
import { contextFrom, stampRefusal } from "./context.js";
import { base64Decoded, base64urlDecoded } from "./decode.js";
import type { Edge } from "./edge.js";
import { idKeyFrom, stampedRefusal } from "./idempotency.js";
import { Increments } from "./increments.js";
import { checkNames, type Fields, fieldsOf, parsedJson, refusal, refused, refuseWith } from "./json-body.js";
import { contentTypeToStore } from "./media.js";
import { opOf, postKindOf, postRefusal, putRefusal } from "./op-request.js";
import { badRequest, beyond, Problem } from "./problem.js";
import { defaultQuery, type KeyQuery, type Operation, PARAMETERS, quoted } from "./query.js";

export interface ParsedBatch {
  readonly request: BatchRequest;
  /** False: one failure fails the whole. */
  readonly partial: boolean;
  /** False: siblings as they are, where a bucket has a merge function. */
  readonly merge: boolean;
  /** Writes that were done are answered without value and context. */
  readonly isMinimal: boolean;
}

/** The fields of each object, for misspellings. */
const BATCH_FIELDS = ["reads", "writes", "r", "w", "timeoutMs", "partial", "hedge", "mend", "merge", "return"];
const READ_FIELDS = ["bucket", "key", "key64", "sort"];
const PUT_FIELDS = ["value", "contentType", "context", "stamp", "ttl", "delete"];
const WRITE_FIELDS = [...READ_FIELDS, ...PUT_FIELDS, "op", "idempotencyKey"];

/** Wishes of the whole batch, by the operation that they are for. */
const WISHES = { read: ["r", "hedge", "mend", "merge"], put: ["w"] } as const;

/** What the body asks for, or why it cannot be. */
export function parseBatch(edge: Edge, body: Uint8Array): ParsedBatch | Problem {
  return refused(() => new BatchParser(edge, fieldsOf(parsedJson(body), "")).parse());
}

class BatchParser {
  private readonly queries = new Map<string, KeyQuery>();
  private readonly deadlineMs: number;
  private readonly increments = new Increments();

  constructor(
    private readonly edge: Edge,
    private readonly fields: Fields,
  ) {
    checkNames("", fields, BATCH_FIELDS);
    this.deadlineMs = this.timeoutMs();
  }

  parse(): ParsedBatch {
    const { partial = true } = this.fields;
    if (typeof partial !== "boolean") throw refusal("partial", "takes true or false");
    const isMinimal = this.isMinimal();
    const [reads, writes] = [this.items("reads"), this.items("writes")];
    const { batchItemsMax } = this.edge.limits;
    if (reads.length + writes.length > batchItemsMax) {
      const detail = `${reads.length + writes.length} reads and writes; the limit is ${batchItemsMax} (batchItemsMax)`;
      throw refuseWith(beyond("too-large", detail, { batchItemsMax }));
    }
    // A wish is checked even where no item is left to have it.
    if (reads.length === 0) this.queryFor("read", undefined);
    if (writes.length === 0) this.queryFor("put", undefined);
    const request = {
      reads: reads.map((item, index) => this.read(item, `reads[${index}]`)),
      writes: writes.map((item, index) => this.increments.like(item) ?? this.write(item, `writes[${index}]`)),
    };
    checkOnce(request.writes);
    return { request, partial, merge: this.queryFor("read", undefined).merge, isMinimal };
  }

  /** As the preference of that name (RFC 7240, section 4.2). */
  private isMinimal(): boolean {
    const { return: wish = "representation" } = this.fields;
    if (wish === "minimal" || wish === "representation") return wish === "minimal";
    throw refusal("return", "takes minimal or representation");
  }

  private items(name: "reads" | "writes"): readonly unknown[] {
    const items = this.fields[name];
    if (items === undefined && this.fields[name === "reads" ? "writes" : "reads"] !== undefined) return [];
    if (!Array.isArray(items)) throw refusal(name, "takes a list; a batch has reads, writes or both");
    return items;
  }

  private read(item: unknown, place: string): ReadRequest {
    const fields = fieldsOf(item, place);
    checkNames(place, fields, READ_FIELDS);
    const address = this.address(fields, place);
    const { level, mend, hedge } = this.queryFor("read", address.bucket);
    const sort = this.sort("read", fields, address, place);
    return { ...address, sort, level, mend, hedge, deadlineMs: this.deadlineMs };
  }

  private write(item: unknown, place: string): WriteRequest {
    const fields = fieldsOf(item, place);
    checkNames(place, fields, WRITE_FIELDS);
    const address = this.address(fields, place);
    const query = this.queryFor("put", address.bucket);
    const text = fields.context;
    if (text !== undefined && typeof text !== "string") throw refusal(`${place}.context`, "takes a text");
    const owner = { ...address, sort: this.sort("put", fields, address, place) };
    const context = text === undefined ? EMPTY_CONTEXT : contextFrom(this.edge, owner, text, `${place}.context`);
    if (context instanceof Problem) throw refuseWith(context);
    const stampUs = this.stampUs(fields, place, query, address.bucket);
    const idKey = idKeyIn(fields, place);
    const refusedStamp =
      stampedRefusal(idKey, stampUs, `${place}: `) ?? stampRefusal(this.edge, stampUs, context, `${place}.stamp`);
    if (refusedStamp !== undefined) throw refuseWith(refusedStamp);
    const { level } = query;
    const bucket = this.edge.bucket(address.bucket);
    const op =
      fields.op === undefined ? this.putOrDelete(fields, place, query, bucket) : this.op(fields, place, bucket);
    const named = idKey === undefined ? {} : { id: changeIdOf(idKey, op) };
    const request = { ...owner, op, context, ...named, stampUs, level, deadlineMs: this.deadlineMs };
    this.increments.keep(fields, request);
    return request;
  }

  private sort(operation: Operation, fields: Fields, { bucket }: Address, place: string): Uint8Array | undefined {
    const { sort: text } = fields;
    const sort = text === undefined ? undefined : bytesOfText(text, `${place}.sort`);
    const wrong = sort === undefined ? undefined : sortRefusal(sort, this.edge.limits.keyBytesMax, `${place}.sort`);
    const problem = wrong ?? cellRefusal(operation, sort, this.edge.bucket(bucket), `${place}.`);
    if (problem !== undefined) throw refuseWith(problem);
    return sort;
  }

  private stampUs({ stamp }: Fields, place: string, query: KeyQuery, bucket: string): number | undefined {
    if (stamp === undefined) return undefined;
    const own = { ...query };
    this.take("put", "stamp", stamp, own, this.edge.bucket(bucket), `${place}.`);
    return own.stampUs;
  }

  /** As the body of a POST to the key. */
  private op(fields: Fields, place: string, bucket: BucketConfig): Op {
    const kind = postKindOf(bucket);
    if (kind === undefined) throw refuseWith(postRefusal(bucket, `${place}.op: `));
    const extra = ["value", "contentType", "ttl", "delete", "stamp"].find((name) => fields[name] !== undefined);
    if (extra !== undefined) throw refusal(`${place}.${extra}`, "an op has none");
    return opOf(kind, fields.op, `${place}.op`, this.edge.limits);
  }

  private putOrDelete(fields: Fields, place: string, query: KeyQuery, bucket: BucketConfig): Op {
    const { delete: isDelete = false, value: text } = fields;
    if (typeof isDelete !== "boolean") throw refusal(`${place}.delete`, "takes true or false");
    if (isDelete) {
      const extra = ["value", "contentType", "ttl"].find((name) => fields[name] !== undefined);
      if (extra !== undefined) throw refusal(`${place}.${extra}`, "a delete has none");
      return { kind: "delete" };
    }
    const mismatch = putRefusal(bucket, `${place}: `);
    if (mismatch !== undefined) throw refuseWith(mismatch);
    const value = typeof text === "string" ? base64Decoded(text) : undefined;
    if (value === undefined) throw refusal(`${place}.value`, "takes the bytes in base64, with its padding");
    const { valueBytesMax } = this.edge.limits;
    if (value.length > valueBytesMax) {
      const detail = `${place}.value: ${value.length} bytes; the limit is ${valueBytesMax}`;
      throw refuseWith(new Problem("too-large", detail));
    }
    const ttlMs = this.ttlMs(fields, place, query);
    const expiresAtMs = ttlMs === undefined ? undefined : this.edge.wallMs() + ttlMs;
    return { kind: "put", contentType: this.contentType(fields, place), value, expiresAtMs };
  }

  private contentType(fields: Fields, place: string): string {
    const { contentType } = fields;
    if (contentType !== undefined && typeof contentType !== "string") {
      throw refusal(`${place}.contentType`, "takes a text");
    }
    const stored = contentTypeToStore(contentType, this.edge.limits.contentTypeBytesMax);
    if (stored instanceof Problem) throw refusal(`${place}.contentType`, stored.detail);
    return stored;
  }

  private ttlMs({ ttl }: Fields, place: string, query: KeyQuery): number | undefined {
    if (ttl === undefined) return query.ttlMs;
    const own = { ...query };
    this.take("put", "ttl", ttl, own, this.edge.config.defaults, `${place}.`);
    return own.ttlMs;
  }

  private address(fields: Fields, place: string): Address {
    const { bucket, key, key64 } = fields;
    if (typeof bucket !== "string") throw refusal(`${place}.bucket`, "takes a bucket's name");
    if (!isBucketName(bucket)) throw refusal(`${place}.bucket`, `${BUCKET_NAME_EXPECTED}, not ${quoted(bucket)}`);
    if ((key === undefined) === (key64 === undefined)) throw refusal(place, "takes either key or key64");
    const name = key === undefined ? "key64" : "key";
    const bytes = key === undefined ? bytesOfBase64(key64, `${place}.key64`) : bytesOfText(key, `${place}.key`);
    const trouble = keyTrouble(bytes, this.edge.limits.keyBytesMax);
    if (trouble !== undefined) throw refusal(`${place}.${name}`, trouble);
    return { bucket, key: bytes };
  }

  /** What the batch wishes for items of this bucket; for the defaults when there are none. */
  private queryFor(operation: "read" | "put", bucket: string | undefined): KeyQuery {
    const name = `${operation} ${bucket}`;
    const known = this.queries.get(name);
    if (known !== undefined) return known;
    const config = bucket === undefined ? this.edge.config.defaults : this.edge.bucket(bucket);
    const query = defaultQuery(operation, config, this.edge.limits);
    for (const wish of WISHES[operation]) {
      const value = this.fields[wish];
      if (value !== undefined) this.take(operation, wish, value, query, config);
    }
    this.queries.set(name, query);
    return query;
  }

  private take(
    operation: Operation,
    name: string,
    value: unknown,
    query: KeyQuery,
    bucket: BucketConfig,
    place = "",
  ): void {
    if (typeof value !== "string" && typeof value !== "number") throw refusal(`${place}${name}`, "takes a text");
    const problem = PARAMETERS[operation].get(name)?.(query, String(value), bucket, this.edge.limits);
    if (problem !== undefined) throw refuseWith(badRequest(`${place}${problem.detail}`));
  }

  private timeoutMs(): number {
    const { requestDeadlineMs, requestDeadlineMsMax } = this.edge.limits;
    const { timeoutMs = requestDeadlineMs } = this.fields;
    const isPossible = typeof timeoutMs === "number" && timeoutMs >= 1 && timeoutMs <= requestDeadlineMsMax;
    if (!isPossible) {
      const detail = `timeoutMs: takes milliseconds, from 1 to ${requestDeadlineMsMax}`;
      throw refuseWith(beyond("bad-request", detail, { requestDeadlineMsMax }));
    }
    return timeoutMs;
  }
}

/** What a header says of a single write, a batch says of each. */
function idKeyIn({ idempotencyKey: text }: Fields, place: string): string | undefined {
  if (text === undefined) return undefined;
  if (typeof text !== "string") throw refusal(`${place}.idempotencyKey`, "takes a text");
  const idKey = idKeyFrom(text, `${place}.idempotencyKey`);
  if (idKey instanceof Problem) throw refuseWith(idKey);
  return idKey;
}

/** Two writes of one key have no order among them: which one stays would be chance. But increments need none. */
function checkOnce(writes: readonly WriteRequest[]): void {
  const first = new Map<string, number>();
  const counted = new Set<Uint8Array>();
  for (const [index, { bucket, key, sort, op }] of writes.entries()) {
    const isIncrement = op.kind === "add";
    if (isIncrement && counted.has(key)) continue;
    const name = `${bucket} ${key.length} ${bytesToMapKey(key)} ${sort === undefined ? "" : bytesToMapKey(sort)}`;
    const before = first.get(name);
    if (before === undefined) first.set(name, index);
    else if (!isIncrement || writes[before]?.op.kind !== "add") {
      throw refusal(`writes[${index}]`, `the same key as writes[${before}]; a batch writes a key once`);
    }
    if (isIncrement) counted.add(key);
  }
}

/** A text may hold half a character, which no UTF-8 can say. */
function bytesOfText(text: unknown, place: string): Uint8Array {
  if (typeof text !== "string") throw refusal(place, "takes a text");
  const bytes = utf8(text);
  if (asBuffer(bytes).toString() === text) return bytes;
  throw refusal(place, "has half of a surrogate pair: it is not Unicode text");
}

function bytesOfBase64(text: unknown, place: string): Uint8Array {
  const bytes = typeof text === "string" ? base64urlDecoded(text) : undefined;
  if (bytes === undefined) throw refusal(place, "takes the key's bytes in base64url without padding");
  return bytes;
}
