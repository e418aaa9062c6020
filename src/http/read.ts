/**
 * GET and HEAD of a key.
 *
 * The hot path of the edge: no promise, no URL object, one array of headers.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { asBuffer } from "../base/bytes.js";
import type { Failure, ReadOutcome } from "../coordinator/outcome.js";
import type { Content } from "../lattice/lattice.js";
import type { Address } from "./address.js";
import { addTiming, keyHeaders } from "./answer.js";
import type { Edge } from "./edge.js";
import { envelope } from "./envelope.js";
import { acceptsEnvelope, contentTypeToSend, ENVELOPE_TYPE, isActive } from "./media.js";
import { type Answered, mergeSiblings } from "./merging.js";
import { Problem, problemOf } from "./problem.js";
import { type KeyQuery, parseQuery } from "./query.js";
import { sendProblem, sendTogether } from "./respond.js";
import { type SiblingsBody, siblingsBody } from "./siblings.js";

/** Takes the request on, or says why not. */
export function read(
  edge: Edge,
  request: IncomingMessage,
  response: ServerResponse,
  address: Address,
  queryText: string,
): Problem | undefined {
  const query = parseQuery("read", queryText, edge.bucket(address.bucket), edge.limits);
  if (query instanceof Problem) return query;
  const refusal = edge.enter(0);
  if (refusal !== undefined) return refusal;
  const { level, deadlineMs, hedge, mend, sort } = query;
  const startedMs = performance.now();
  const settle = (outcome: Answered): void => {
    edge.leave(0);
    edge.record("read", level, resultOf(outcome), startedMs);
    if (outcome.ok) answer(edge, request, response, address, query, outcome);
    else sendFailure(edge, response, outcome.failure);
  };
  edge.store.read({ bucket: address.bucket, key: address.key, sort, level, deadlineMs, hedge, mend }, (outcome) => {
    if (outcome.ok) edge.crowding.onMet(address.bucket, address.key, outcome.view);
    if (query.merge) mergeSiblings(edge.mergers, address, outcome, settle);
    else settle(outcome);
  });
  return undefined;
}

export function sendFailure(edge: Edge, response: ServerResponse, failure: Failure): void {
  const headers: string[] = [];
  addTiming(headers, failure.replicas);
  sendProblem(edge, response, problemOf(failure, headers));
}

export function resultOf(outcome: ReadOutcome): string {
  if (!outcome.ok) return outcome.failure.kind;
  return outcome.view.contents.length > 0 ? "ok" : "not-found";
}

function answer(
  edge: Edge,
  request: IncomingMessage,
  response: ServerResponse,
  address: Address,
  query: KeyQuery,
  outcome: Extract<Answered, { ok: true }>,
): void {
  const { contents, context } = outcome.view;
  const [content] = contents;
  const { accept } = request.headers;
  const isEnvelope = acceptsEnvelope(accept);
  // Another version of a function may make another value of the same siblings.
  const { isMerged = false } = outcome;
  const isExact = !isEnvelope && contents.length <= 1 && !isMerged;
  const owner = { ...address, sort: query.sort };
  const { context: text, tag, list } = keyHeaders(owner, context, outcome.replicas, isExact, contents.length);
  list.push("Vary", "Accept");
  if (content !== undefined && !isMerged && isKnown(request.headers["if-none-match"], tag)) {
    sendTogether(edge, response, 304, [...list, ...REVALIDATE]);
  } else if (isEnvelope) {
    const body = envelope(address, query, outcome, text);
    list.push(...REVALIDATE, "Content-Type", ENVELOPE_TYPE, "Content-Length", String(Buffer.byteLength(body)));
    sendTogether(edge, response, STATUS_OF[Math.min(contents.length, 2)] as number, list, body);
  } else if (contents.length > 1) {
    sendSiblings(edge, response, list, siblingsBody(contents, text, tag, accept));
  } else if (content === undefined) {
    sendProblem(edge, response, new Problem("not-found", "this key has no value", list));
  } else {
    sendContent(edge, response, list, content);
  }
}

/** Of no value, one, and several. */
const STATUS_OF = [404, 200, 300];

function sendSiblings(edge: Edge, response: ServerResponse, headers: string[], siblings: SiblingsBody): void {
  const { contentType, body } = siblings;
  headers.push(...REVALIDATE, ...ISOLATE, "Content-Type", contentType, "Content-Length", String(body.length));
  if (isActive(contentType)) headers.push("Content-Disposition", "attachment");
  sendTogether(edge, response, 300, headers, body);
}

function sendContent(edge: Edge, response: ServerResponse, headers: string[], content: Content): void {
  const contentType = contentTypeToSend(content.contentType);
  const { value } = content;
  headers.push(...REVALIDATE, ...ISOLATE, "Content-Type", contentType, "Content-Length", String(value.length));
  if (isActive(contentType)) headers.push("Content-Disposition", "attachment");
  sendTogether(edge, response, 200, headers, asBuffer(value));
}

/** A cache may keep an answer and must ask again before it uses it. */
const REVALIDATE = ["Cache-Control", "no-cache", "X-Content-Type-Options", "nosniff"];

/** A value opened in a browser runs nothing, and other sites' pages cannot embed it. */
const ISOLATE = ["Content-Security-Policy", "sandbox", "Cross-Origin-Resource-Policy", "same-origin"];

/** Whether If-None-Match names what we hold. Our tags are quoted and have no quotes inside, so containing is naming. */
function isKnown(ifNoneMatch: string | undefined, tag: string): boolean {
  return ifNoneMatch !== undefined && (ifNoneMatch.includes(tag) || ifNoneMatch.trim() === "*");
}
