/**
 * `GET /v1/buckets/{bucket}/partitions/{key}`: the living cells of one key of a row bucket, in the order of their
 * sort keys; and with DELETE, the end of them (range-delete.ts).
 */
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import { asBuffer } from "../base/bytes.js";
import type { LivingCell } from "../coordinator/range.js";
import { type Address, partitionAddress, splitTarget } from "./address.js";
import { addTiming } from "./answer.js";
import { contextText } from "./context.js";
import type { Edge } from "./edge.js";
import { JSON_TYPE } from "./json-body.js";
import { badRequest, methodNotAllowed, Problem } from "./problem.js";
import { parseQuery } from "./query.js";
import { deleteRange } from "./range-delete.js";
import { sendFailure } from "./read.js";
import { refuse, sendText } from "./respond.js";
import { siblingOf } from "./siblings.js";
import { unkeptWish } from "./write.js";

/** Answers, now or later, if the request's path is that of a range; says whether it is. */
export function handleRange(edge: Edge, request: IncomingMessage, response: ServerResponse): boolean {
  const { path, queryText } = splitTarget(request.url as string);
  const address = partitionAddress(path, edge.limits.keyBytesMax);
  if (address === undefined) return false;
  const problem = address instanceof Problem ? address : take(edge, request, response, address, queryText);
  if (problem !== undefined) refuse(edge, request, response, problem);
  return true;
}

/** Takes the request on, or says why not. */
function take(
  edge: Edge,
  { method, headers }: IncomingMessage,
  response: ServerResponse,
  address: Address,
  queryText: string,
): Problem | undefined {
  if (method === "DELETE") return unkeptOfCells(headers) ?? deleteRange(edge, response, address, queryText);
  if (method !== "GET" && method !== "HEAD") return methodNotAllowed(method, "GET, HEAD, DELETE");
  const query = parseQuery("range", queryText, edge.bucket(address.bucket), edge.limits);
  if (query instanceof Problem) return query;
  const refusal = edge.enter(0);
  if (refusal !== undefined) return refusal;
  const startedMs = performance.now();
  const { from, to, keysMax: cellsMax, level, deadlineMs, hedge, mend } = query;
  edge.store.range({ ...address, from, to, cellsMax, level, deadlineMs, hedge, mend }, (outcome) => {
    edge.leave(0);
    edge.record("read", level, outcome.ok ? "ok" : outcome.failure.kind, startedMs);
    if (!outcome.ok) return sendFailure(edge, response, outcome.failure);
    const next = outcome.next === undefined ? null : asBuffer(outcome.next).toString();
    const headers: string[] = [];
    addTiming(headers, outcome.replicas);
    for (const { view } of outcome.cells) edge.crowding.onMet(address.bucket, address.key, view);
    const cells = outcome.cells.map((cell) => cellOf(address, cell));
    sendText(edge, response, 200, JSON_TYPE, JSON.stringify({ cells, next }), headers);
  });
  return undefined;
}

/** What a delete of many cells cannot keep: it decides on each of them by what it reads itself. */
function unkeptOfCells(headers: IncomingHttpHeaders): Problem | undefined {
  for (const name of ["murmur-context", "idempotency-key"]) {
    if (headers[name] !== undefined) return badRequest(`${name}: is of one cell; delete that one, with ?sort=`);
  }
  return unkeptWish(headers);
}

/** Of a cell with siblings all of them, as a read of it tells them. */
function cellOf(address: Address, { sort, view }: LivingCell): unknown {
  const [content, ...others] = view.contents.map(siblingOf);
  const cell = { sort: asBuffer(sort).toString() };
  const context = contextText({ ...address, sort }, view.context);
  return others.length === 0 ? { ...cell, ...content, context } : { ...cell, siblings: [content, ...others], context };
}
