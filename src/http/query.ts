/**
 * What stands behind the `?` of a key's address.
 *
 * Whatever is not understood is refused by name: a misspelt `timeout` that is
 * silently ignored would be found in production, at night.
 */
import { utf8 } from "../base/bytes.js";
import { parseDurationMs } from "../base/duration.js";
import { nearestName } from "../base/names.js";
import type { BucketConfig, Hedge } from "../cluster-config.js";
import { LEVEL_NAMES, type Level, type Limits, READ_LEVEL_NAMES } from "../config.js";
import { HEDGE_EXPECTED, parseHedgePolicy } from "../coordinator/hedge-policy.js";
import { cellRefusal, isOfRange, sortRefusal } from "./cells.js";
import { decodedText } from "./decode.js";
import { ownersCount, parseLevel } from "./level.js";
import { badRequest, beyond, type Problem } from "./problem.js";

export interface KeyQuery {
  level: Level;
  deadlineMs: number;
  hedge: Hedge;
  /** False for `mend=never`. */
  mend: boolean;
  /** False for `merge=never`: siblings as they are, where a bucket has a merge function. */
  merge: boolean;
  ttlMs: number | undefined;
  /** The client's own stamp, in microseconds since 1970. */
  stampUs: number | undefined;
  /** Of a listing: keys on a page, and behind which page. */
  keysMax: number;
  after: string | undefined;
  /** Of a cell, its sort key; of a range, the first and the one at which it ends. */
  sort: Uint8Array | undefined;
  from: Uint8Array | undefined;
  to: Uint8Array | undefined;
}

export type Operation = "read" | "put" | "post" | "delete" | "list" | "range" | "range-delete";

/** Takes one value over into `query`, or says why not. */
type Parameter = (query: KeyQuery, value: string, bucket: BucketConfig, limits: Limits) => Problem | undefined;

/** The parameters of each operation, by name; the description of the API is made from it too. */
export const PARAMETERS: Readonly<Record<Operation, ReadonlyMap<string, Parameter>>> = {
  read: new Map<string, Parameter>([
    ["r", takeReadLevel],
    ["timeout", takeTimeout],
    ["mend", takeMend],
    ["merge", takeMerge],
    ["hedge", takeHedge],
    ["sort", takeSort],
  ]),
  put: new Map<string, Parameter>([
    ["w", takeWriteLevel],
    ["timeout", takeTimeout],
    ["ttl", takeTtl],
    ["stamp", takeStamp],
    ["sort", takeSort],
  ]),
  post: new Map<string, Parameter>([
    ["w", takeWriteLevel],
    ["timeout", takeTimeout],
    ["sort", takeSort],
  ]),
  list: new Map<string, Parameter>([
    ["limit", takeLimit],
    ["after", takeAfter],
    ["r", takeReadLevel],
    ["timeout", takeTimeout],
    ["hedge", takeHedge],
  ]),
  range: new Map<string, Parameter>([
    ["from", takeFrom],
    ["to", takeTo],
    ["limit", takeCells],
    ["r", takeReadLevel],
    ["timeout", takeTimeout],
    ["mend", takeMend],
    ["hedge", takeHedge],
  ]),
  "range-delete": new Map<string, Parameter>([
    ["from", takeFrom],
    ["to", takeTo],
    ["limit", takeCells],
    ["w", takeWriteLevel],
    ["timeout", takeTimeout],
  ]),
  delete: new Map<string, Parameter>([
    ["w", takeWriteLevel],
    ["timeout", takeTimeout],
    ["stamp", takeStamp],
    ["sort", takeSort],
  ]),
};

/** What the bucket says by itself. */
export function defaultQuery(operation: Operation, bucket: BucketConfig, limits: Limits): KeyQuery {
  const { read, write } = bucket.consistency;
  return {
    level: operation === "read" || operation === "list" || operation === "range" ? read : write,
    deadlineMs: limits.requestDeadlineMs,
    hedge: bucket.hedge,
    mend: true,
    merge: true,
    ttlMs: bucket.ttlMs,
    stampUs: undefined,
    keysMax: Math.min(PAGE_ITEMS, isOfRange(operation) ? limits.rangeItemsMax : limits.listKeysMax),
    after: undefined,
    sort: undefined,
    from: undefined,
    to: undefined,
  };
}

/** The wishes in `text`, on top of what the bucket says by itself. */
export function parseQuery(
  operation: Operation,
  text: string,
  bucket: BucketConfig,
  limits: Limits,
): KeyQuery | Problem {
  const query = defaultQuery(operation, bucket, limits);
  const seen: string[] = [];
  for (const pair of text.split("&")) {
    if (pair === "") continue;
    const equals = pair.indexOf("=");
    const name = decodedText(equals < 0 ? pair : pair.slice(0, equals));
    const value = decodedText(equals < 0 ? "" : pair.slice(equals + 1));
    if (name === undefined || value === undefined) return badRequest("the query is not percent-encoded UTF-8");
    const parameter = PARAMETERS[operation].get(name);
    if (parameter === undefined) return unknownParameter(operation, name);
    if (seen.includes(name)) return badRequest(`${name} is given twice`);
    seen.push(name);
    const problem = parameter(query, value, bucket, limits);
    if (problem !== undefined) return problem;
  }
  return cellRefusal(operation, query.sort, bucket) ?? query;
}

function unknownParameter(operation: Operation, name: string): Problem {
  const names = [...PARAMETERS[operation].keys()];
  const nearest = nearestName(name, names);
  const remedy = nearest === undefined ? "" : `; did you mean ${nearest}?`;
  return badRequest(`unknown parameter ${quoted(name)}: a ${operation} takes ${names.join(", ")}${remedy}`);
}

function takeReadLevel(query: KeyQuery, value: string, bucket: BucketConfig): Problem | undefined {
  const level = parseLevel(value, ownersCount(bucket.replication));
  if (level === undefined) return unknownLevel("r", READ_LEVEL_NAMES, value, bucket);
  if (level === "ANY") return badRequest("ANY is a level of writes; a read takes ONE or more");
  query.level = level;
  return undefined;
}

function takeWriteLevel(query: KeyQuery, value: string, bucket: BucketConfig): Problem | undefined {
  const level = parseLevel(value, ownersCount(bucket.replication));
  if (level === undefined) return unknownLevel("w", LEVEL_NAMES, value, bucket);
  query.level = level;
  return undefined;
}

function unknownLevel(name: string, levels: readonly string[], value: string, bucket: BucketConfig): Problem {
  const nearest = nearestName(value, levels);
  const remedy = nearest === undefined ? "" : `; did you mean ${nearest}?`;
  const owners = ownersCount(bucket.replication);
  const known = `${levels.join(", ")} or a number from 1 to ${owners}`;
  return badRequest(`${name} takes ${known}, not ${quoted(value)}${remedy}`);
}

function takeTimeout(query: KeyQuery, value: string, _bucket: BucketConfig, limits: Limits): Problem | undefined {
  const timeoutMs = parseDurationMs(value);
  if (timeoutMs === undefined || timeoutMs === 0) {
    return badRequest(`timeout takes a duration such as 500ms or 2s, not ${quoted(value)}`);
  }
  if (timeoutMs > limits.requestDeadlineMsMax) {
    return timeoutBeyond(limits);
  }
  query.deadlineMs = timeoutMs;
  return undefined;
}

export function timeoutBeyond({ requestDeadlineMsMax }: Limits): Problem {
  return beyond("bad-request", `timeout is at most ${requestDeadlineMsMax}ms (requestDeadlineMsMax)`, {
    requestDeadlineMsMax,
  });
}

function takeTtl(query: KeyQuery, value: string, _bucket: BucketConfig, limits: Limits): Problem | undefined {
  const ttlMs = parseDurationMs(value);
  if (ttlMs === undefined || ttlMs === 0) {
    return badRequest(`ttl takes a duration such as 60s or 12h, not ${quoted(value)}`);
  }
  if (ttlMs > limits.ttlMsMax) return badRequest(`ttl is at most ${limits.ttlMsMax}ms (ttlMsMax)`);
  query.ttlMs = ttlMs;
  return undefined;
}

/** Last-writer-wins trusts stamps: whoever may choose them decides which writes of others are lost. */
function takeStamp(query: KeyQuery, value: string, bucket: BucketConfig): Problem | undefined {
  if (!bucket.clientStamps) {
    return badRequest(
      "stamp: this bucket's writes are stamped by its nodes; a register bucket takes stamps of clients with clientStamps: true in the cluster's file",
    );
  }
  const stampUs = Number(value);
  if (!/^[1-9]\d{0,15}$/.test(value) || !Number.isSafeInteger(stampUs)) {
    return badRequest(`stamp takes microseconds since 1970, not ${quoted(value)}`);
  }
  query.stampUs = stampUs;
  return undefined;
}

function takeLimit(query: KeyQuery, value: string, _bucket: BucketConfig, limits: Limits): Problem | undefined {
  return takeCount(query, value, "listKeysMax", limits);
}

function takeCells(query: KeyQuery, value: string, _bucket: BucketConfig, limits: Limits): Problem | undefined {
  return takeCount(query, value, "rangeItemsMax", limits);
}

function takeCount(
  query: KeyQuery,
  value: string,
  name: "listKeysMax" | "rangeItemsMax",
  limits: Limits,
): Problem | undefined {
  const count = Number(value);
  const most = limits[name];
  if (!Number.isInteger(count) || count < 1 || count > most || String(count) !== value) {
    return beyond("bad-request", `limit takes a number from 1 to ${most}, not ${quoted(value)}`, { [name]: most });
  }
  query.keysMax = count;
  return undefined;
}

function takeSort(query: KeyQuery, value: string, _bucket: BucketConfig, limits: Limits): Problem | undefined {
  const sort = utf8(value);
  query.sort = sort;
  return sortRefusal(sort, limits.keyBytesMax);
}

/** The next of a page is a sort key with a zero behind it. */
function takeFrom(query: KeyQuery, value: string, _bucket: BucketConfig, limits: Limits): Problem | undefined {
  query.from = utf8(value);
  return sortRefusal(query.from, limits.keyBytesMax + 1, "from");
}

function takeTo(query: KeyQuery, value: string, _bucket: BucketConfig, limits: Limits): Problem | undefined {
  query.to = utf8(value);
  return sortRefusal(query.to, limits.keyBytesMax + 1, "to");
}

/** Whether it is one of ours is seen where the bucket is known by name. */
function takeAfter(query: KeyQuery, value: string): Problem | undefined {
  query.after = value;
  return undefined;
}

function takeMend(query: KeyQuery, value: string): Problem | undefined {
  if (value !== "never") return badRequest(`mend takes only never, not ${quoted(value)}`);
  query.mend = false;
  return undefined;
}

function takeMerge(query: KeyQuery, value: string): Problem | undefined {
  if (value !== "never") return badRequest(`merge takes only never, not ${quoted(value)}`);
  query.merge = false;
  return undefined;
}

function takeHedge(query: KeyQuery, value: string, bucket: BucketConfig): Problem | undefined {
  if (value === "tied") return badRequest(`tied requests are not built yet; hedge takes ${HEDGE_EXPECTED}`);
  const after = parseHedgePolicy(value);
  if (after === undefined) return badRequest(`hedge takes ${HEDGE_EXPECTED}, not ${quoted(value)}`);
  query.hedge = { ...bucket.hedge, after };
  return undefined;
}

/** What a client wrote, short enough to repeat. */
export function quoted(text: string): string {
  return JSON.stringify(text.length <= ECHO_CHARACTERS_MAX ? text : `${text.slice(0, ECHO_CHARACTERS_MAX)}…`);
}

/** Keys or cells of a page, when a client names no limit. */
const PAGE_ITEMS = 100;

const ECHO_CHARACTERS_MAX = 40;
