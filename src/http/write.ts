/**
 * PUT and DELETE of a key.
 *
 * A header that asks for more than is built is refused, not ignored: a client
 * that believes its write to be conditional, or counted once, must not be
 * left in that belief.
 */
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import type { WriteOutcome } from "../coordinator/outcome.js";
import { type Context, EMPTY_CONTEXT } from "../lattice/context.js";
import type { Op } from "../lattice/op.js";
import type { Address } from "./address.js";
import { keyHeaders } from "./answer.js";
import { expectedBytes, readBody } from "./body.js";
import { contextFrom, stampRefusal } from "./context.js";
import type { Edge } from "./edge.js";
import { contentTypeToStore } from "./media.js";
import { badRequest, Problem } from "./problem.js";
import { type KeyQuery, parseQuery } from "./query.js";
import { sendFailure } from "./read.js";
import { sendTogether } from "./respond.js";

/** Takes the request on, or says why not. */
export function put(
  edge: Edge,
  request: IncomingMessage,
  response: ServerResponse,
  address: Address,
  queryText: string,
): Problem | undefined {
  const { headers } = request;
  const unkept = unkeptWish(headers) ?? unkeptBody(headers);
  if (unkept !== undefined) return unkept;
  const contentType = contentTypeToStore(headers["content-type"], edge.limits.contentTypeBytesMax);
  if (contentType instanceof Problem) return contentType;
  const context = contextOf(edge, headers);
  if (context instanceof Problem) return context;
  const query = parseQuery("put", queryText, edge.bucket(address.bucket), edge.limits);
  if (query instanceof Problem) return query;
  const refusedStamp = stampRefusal(edge, query.stampUs, context);
  if (refusedStamp !== undefined) return refusedStamp;
  const bodyBytes = expectedBytes(headers, edge.limits.valueBytesMax);
  const refusal = edge.enter(bodyBytes);
  if (refusal !== undefined) return refusal;
  readBody(edge, request, response, { what: "a value", bytesMax: edge.limits.valueBytesMax }, (value) => {
    if (value === undefined) return edge.leave(bodyBytes);
    const expiresAtMs = query.ttlMs === undefined ? undefined : edge.wallMs() + query.ttlMs;
    write(edge, response, address, query, context, { kind: "put", contentType, value, expiresAtMs }, bodyBytes);
  });
  return undefined;
}

/** Takes the request on, or says why not. A body has no meaning here and is not looked at. */
export function remove(
  edge: Edge,
  request: IncomingMessage,
  response: ServerResponse,
  address: Address,
  queryText: string,
): Problem | undefined {
  const unkept = unkeptWish(request.headers);
  if (unkept !== undefined) return unkept;
  const context = contextOf(edge, request.headers);
  if (context instanceof Problem) return context;
  const query = parseQuery("delete", queryText, edge.bucket(address.bucket), edge.limits);
  if (query instanceof Problem) return query;
  const refusedStamp = stampRefusal(edge, query.stampUs, context);
  if (refusedStamp !== undefined) return refusedStamp;
  const refusal = edge.enter(0);
  if (refusal !== undefined) return refusal;
  write(edge, response, address, query, context, { kind: "delete" }, 0);
  return undefined;
}

function write(
  edge: Edge,
  response: ServerResponse,
  address: Address,
  query: KeyQuery,
  context: Context,
  op: Op,
  bodyBytes: number,
): void {
  const { level, deadlineMs, stampUs } = query;
  const startedMs = performance.now();
  edge.store.write({ bucket: address.bucket, key: address.key, op, context, stampUs, level, deadlineMs }, (outcome) => {
    edge.leave(bodyBytes);
    edge.record("write", level, outcome.ok ? "ok" : outcome.failure.kind, startedMs);
    answer(edge, response, outcome);
  });
}

function answer(edge: Edge, response: ServerResponse, outcome: WriteOutcome): void {
  if (outcome.ok) sendTogether(edge, response, 204, keyHeaders(outcome.context, outcome.replicas, true).list);
  else sendFailure(edge, response, outcome.failure);
}

/** A wish that is not built yet. */
export function unkeptWish(headers: IncomingHttpHeaders): Problem | undefined {
  if (
    headers["if-match"] !== undefined ||
    headers["if-none-match"] !== undefined ||
    headers["if-unmodified-since"] !== undefined
  ) {
    return new Problem("not-built", "conditional writes need consensus, which is not built yet");
  }
  if (headers["idempotency-key"] !== undefined) {
    return new Problem("not-built", "Idempotency-Key is not built yet: a retry would count again");
  }
  return undefined;
}

/** A body that would not be kept as it came. */
export function unkeptBody(headers: IncomingHttpHeaders): Problem | undefined {
  const coding = headers["content-encoding"];
  if (coding !== undefined && coding.toLowerCase() !== "identity") {
    return new Problem(
      "unsupported-media-type",
      "Content-Encoding is not kept with a value; send the bytes without it",
    );
  }
  const transfer = headers["transfer-encoding"];
  if (transfer !== undefined && transfer.toLowerCase() !== "chunked") {
    return new Problem("not-built", "the only Transfer-Encoding is chunked");
  }
  if (headers["content-range"] !== undefined)
    return badRequest("a PUT replaces the whole value; it has no Content-Range");
  return undefined;
}

/** What the client has seen, as its header says; or why that cannot be. */
function contextOf(edge: Edge, headers: IncomingHttpHeaders): Context | Problem {
  const text = headers["murmur-context"];
  return text === undefined ? EMPTY_CONTEXT : contextFrom(edge, String(text), "Murmur-Context");
}
