/**
 * PUT, POST and DELETE of a key.
 *
 * A header that asks for more than is built is refused, not ignored: a client
 * that believes its write to be conditional must not be left in that belief.
 */
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import { changeIdOf } from "../coordinator/change-id.js";
import type { WriteOutcome } from "../coordinator/outcome.js";
import { type Context, EMPTY_CONTEXT } from "../lattice/context.js";
import type { ContextOwner } from "../lattice/context-token.js";
import type { Op } from "../lattice/op.js";
import type { Address } from "./address.js";
import { keyHeaders } from "./answer.js";
import { expectedBytes, readBody } from "./body.js";
import { contextFrom, stampRefusal } from "./context.js";
import type { Edge } from "./edge.js";
import { idKeyOf, stampedRefusal } from "./idempotency.js";
import { JSON_TYPE, parsedJson, refused, typeRefusal } from "./json-body.js";
import { contentTypeToStore } from "./media.js";
import { changedBody } from "./op-answer.js";
import { isPostKind, opOf, type PostKind, postKindOf, postRefusal, putRefusal } from "./op-request.js";
import { badRequest, Problem } from "./problem.js";
import { type KeyQuery, parseQuery } from "./query.js";
import { sendFailure } from "./read.js";
import { sendProblem, sendTogether } from "./respond.js";

/** Takes the request on, or says why not. */
export function put(
  edge: Edge,
  request: IncomingMessage,
  response: ServerResponse,
  address: Address,
  queryText: string,
): Problem | undefined {
  const { headers } = request;
  const bucket = edge.bucket(address.bucket);
  const unkept = unkeptWish(headers) ?? putRefusal(bucket) ?? unkeptBody(headers);
  if (unkept !== undefined) return unkept;
  const contentType = contentTypeToStore(headers["content-type"], edge.limits.contentTypeBytesMax);
  if (contentType instanceof Problem) return contentType;
  const query = parseQuery("put", queryText, bucket, edge.limits);
  if (query instanceof Problem) return query;
  const said = saidIn(edge, address, query, headers);
  if (said instanceof Problem) return said;
  const refusedStamp = stampedRefusal(said.idKey, query.stampUs) ?? stampRefusal(edge, query.stampUs, said.context);
  if (refusedStamp !== undefined) return refusedStamp;
  const bodyBytes = expectedBytes(headers, edge.limits.valueBytesMax);
  const refusal = edge.enter(bodyBytes);
  if (refusal !== undefined) return refusal;
  readBody(edge, request, response, { what: "a value", bytesMax: edge.limits.valueBytesMax }, (value) => {
    if (value === undefined) return edge.leave(bodyBytes);
    const expiresAtMs = query.ttlMs === undefined ? undefined : edge.wallMs() + query.ttlMs;
    write(edge, response, address, query, said, { kind: "put", contentType, value, expiresAtMs }, bodyBytes);
  });
  return undefined;
}

/** Takes the request on, or says why not. */
export function post(
  edge: Edge,
  request: IncomingMessage,
  response: ServerResponse,
  address: Address,
  queryText: string,
): Problem | undefined {
  const { headers } = request;
  const bucket = edge.bucket(address.bucket);
  const kind = postKindOf(bucket);
  if (kind === undefined) return postRefusal(bucket);
  const unkept = unkeptWish(headers) ?? unkeptBody(headers) ?? typeRefusal(headers, "an operation");
  if (unkept !== undefined) return unkept;
  const query = parseQuery("post", queryText, bucket, edge.limits);
  if (query instanceof Problem) return query;
  const said = saidIn(edge, address, query, headers);
  if (said instanceof Problem) return said;
  const bytesMax = edge.limits.valueBytesMax;
  const bodyBytes = expectedBytes(headers, bytesMax);
  const refusal = edge.enter(bodyBytes);
  if (refusal !== undefined) return refusal;
  readBody(edge, request, response, { what: "an operation", bytesMax }, (body) => {
    if (body === undefined) return edge.leave(bodyBytes);
    const op = refused(() => opOf(kind, parsedJson(body), "", edge.limits));
    if (!(op instanceof Problem)) return write(edge, response, address, query, said, op, bodyBytes);
    edge.leave(bodyBytes);
    sendProblem(edge, response, op);
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
  const query = parseQuery("delete", queryText, edge.bucket(address.bucket), edge.limits);
  if (query instanceof Problem) return query;
  const said = saidIn(edge, address, query, request.headers);
  if (said instanceof Problem) return said;
  const refusedStamp = stampedRefusal(said.idKey, query.stampUs) ?? stampRefusal(edge, query.stampUs, said.context);
  if (refusedStamp !== undefined) return refusedStamp;
  const refusal = edge.enter(0);
  if (refusal !== undefined) return refusal;
  write(edge, response, address, query, said, { kind: "delete" }, 0);
  return undefined;
}

function write(
  edge: Edge,
  response: ServerResponse,
  address: Address,
  query: KeyQuery,
  { context, idKey }: Said,
  op: Op,
  bodyBytes: number,
): void {
  const { level, deadlineMs, stampUs, sort } = query;
  const owner = { ...address, sort };
  const startedMs = performance.now();
  const named = idKey === undefined ? {} : { id: changeIdOf(idKey, op) };
  edge.store.write({ ...owner, op, context, ...named, stampUs, level, deadlineMs }, (outcome) => {
    edge.leave(bodyBytes);
    edge.record("write", level, outcome.ok ? "ok" : outcome.failure.kind, startedMs);
    if (!outcome.ok) return sendFailure(edge, response, outcome.failure);
    edge.crowding.onMet(address.bucket, address.key, outcome.view);
    if (isPostKind(op.kind)) answerChanged(edge, response, owner, op.kind, outcome);
    else answerStored(edge, response, owner, outcome);
  });
}

type Written = Extract<WriteOutcome, { ok: true }>;

function answerStored(edge: Edge, response: ServerResponse, owner: ContextOwner, outcome: Written): void {
  sendTogether(edge, response, 204, keyHeaders(owner, outcome.context, outcome.replicas, true).list);
}

/** What a POST has made of the key. The tag is weak: a GET answers the value without the context. */
function answerChanged(
  edge: Edge,
  response: ServerResponse,
  owner: ContextOwner,
  kind: PostKind,
  outcome: Written,
): void {
  const { context, list } = keyHeaders(owner, outcome.context, outcome.replicas, false);
  const body = changedBody(kind, outcome, context);
  list.push("Content-Type", JSON_TYPE, "Content-Length", String(body.length), ...NOT_KEPT);
  sendTogether(edge, response, 200, list, body);
}

const NOT_KEPT = ["Cache-Control", "no-store", "X-Content-Type-Options", "nosniff"];

/** A wish that is not built yet. */
export function unkeptWish(headers: IncomingHttpHeaders): Problem | undefined {
  if (
    headers["if-match"] !== undefined ||
    headers["if-none-match"] !== undefined ||
    headers["if-unmodified-since"] !== undefined
  ) {
    return new Problem("not-built", "conditional writes need consensus, which is not built yet");
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

/** What a client says of its change in headers. */
interface Said {
  /** What it has seen. */
  readonly context: Context;
  readonly idKey: string | undefined;
}

function saidIn(edge: Edge, address: Address, { sort }: KeyQuery, headers: IncomingHttpHeaders): Said | Problem {
  const text = headers["murmur-context"];
  const owner = { ...address, sort };
  const context = text === undefined ? EMPTY_CONTEXT : contextFrom(edge, owner, String(text), "Murmur-Context");
  if (context instanceof Problem) return context;
  const idKey = idKeyOf(headers);
  return idKey instanceof Problem ? idKey : { context, idKey };
}
