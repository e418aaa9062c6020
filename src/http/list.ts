/**
 * `GET /v1/buckets/{bucket}/keys`: the keys of a bucket, page by page, in the order of their tokens.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { asBuffer } from "../base/bytes.js";
import { bucketAddress, splitTarget } from "./address.js";
import type { Edge } from "./edge.js";
import { pageToken, readPageToken } from "./page-token.js";
import { badRequest, methodNotAllowed, Problem } from "./problem.js";
import { parseQuery } from "./query.js";
import { sendFailure } from "./read.js";
import { refuse, sendText } from "./respond.js";

/** Answers, now or later, if the request's path is that of a listing; says whether it is. */
export function handleList(edge: Edge, request: IncomingMessage, response: ServerResponse): boolean {
  const { path, queryText } = splitTarget(request.url as string);
  const bucket = bucketAddress(path);
  if (bucket === undefined) return false;
  const problem = bucket instanceof Problem ? bucket : take(edge, request, response, bucket, queryText);
  if (problem !== undefined) refuse(edge, request, response, problem);
  return true;
}

/** Takes the request on, or says why not. */
function take(
  edge: Edge,
  request: IncomingMessage,
  response: ServerResponse,
  bucket: string,
  queryText: string,
): Problem | undefined {
  const { method } = request;
  if (method !== "GET" && method !== "HEAD") return methodNotAllowed(method, "GET, HEAD");
  const query = parseQuery("list", queryText, edge.bucket(bucket), edge.limits);
  if (query instanceof Problem) return query;
  const after = query.after === undefined ? undefined : readPageToken(bucket, query.after);
  if (query.after !== undefined && after === undefined) {
    return badRequest("after takes the next of a page of this bucket, as it was answered");
  }
  const refusal = edge.enter(0);
  if (refusal !== undefined) return refusal;
  const startedMs = performance.now();
  const { level, deadlineMs, keysMax, hedge } = query;
  edge.store.list({ bucket, after, keysMax, level, deadlineMs, hedge }, (outcome) => {
    edge.leave(0);
    edge.time("list", startedMs);
    if (!outcome.ok) return sendFailure(edge, response, outcome.failure);
    const keys = outcome.keys.map((key) => asBuffer(key).toString());
    const next = outcome.next === undefined ? null : pageToken(bucket, outcome.next);
    sendText(edge, response, 200, "application/json", JSON.stringify({ keys, next }));
  });
  return undefined;
}
