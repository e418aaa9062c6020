/**
 * Writing answers: the one place that does.
 *
 * A client may have left meanwhile, a stopping node closes behind each answer,
 * and a refusal often comes before the request's body: who closes a socket
 * with unread bytes in it resets it, and the client never sees why. So the
 * answer goes out whole, then the body is read away for a bounded while.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { isBatch } from "./address.js";
import type { Edge } from "./edge.js";
import type { Problem } from "./problem.js";

const PROBLEM_TYPE = "application/problem+json";

/** Sends an answer. `headers` are names and values in turn, with Content-Length wherever there is a body. */
export function send(
  edge: Edge,
  response: ServerResponse,
  status: number,
  headers: string[],
  body?: Uint8Array | string,
): void {
  if (!begin(edge, response, status, headers)) return;
  response.end(body);
  edge.unread.add(response);
}

/** As `send`, for a request that was read to its end: its answer leaves together with others. */
export function sendTogether(
  edge: Edge,
  response: ServerResponse,
  status: number,
  headers: string[],
  body?: Uint8Array | string,
): void {
  if (begin(edge, response, status, headers)) edge.outbox.end(response, body);
}

/** False when there is nobody left to answer. */
function begin(edge: Edge, response: ServerResponse, status: number, headers: string[]): boolean {
  if (response.destroyed) return false;
  if (edge.draining) response.shouldKeepAlive = false;
  response.writeHead(status, headers);
  return true;
}

export function sendText(
  edge: Edge,
  response: ServerResponse,
  status: number,
  type: string,
  text: string,
  headers: readonly string[] = [],
): void {
  // As bytes: a long text would be held twice until it is read.
  const body = Buffer.from(text);
  send(edge, response, status, [...textHeaders(type, body), ...headers], body);
}

export function sendJson(edge: Edge, response: ServerResponse, status: number, value: unknown): void {
  sendText(edge, response, status, "application/json", `${JSON.stringify(value, undefined, 2)}\n`);
}

/** Sends a problem whose request was read to its end. */
export function sendProblem(edge: Edge, response: ServerResponse, problem: Problem): void {
  const body = problem.toJson();
  send(edge, response, problem.status, [...textHeaders(PROBLEM_TYPE, body), ...problem.headers], body);
}

/** Refuses a request of which `readBytes` of the body were read, and perhaps not all. */
export function refuse(
  edge: Edge,
  request: IncomingMessage,
  response: ServerResponse,
  problem: Problem,
  readBytes = 0,
): void {
  edge.meter.count("murmur_requests_refused_total", { code: problem.code });
  const { batchBytesMax, valueBytesMax } = edge.limits;
  const discardBytesMax = 2 * (isBatch(request.url as string) ? batchBytesMax : valueBytesMax);
  if (readBytes === 0 && endsWithin(request, discardBytesMax)) sendProblem(edge, response, problem);
  else if (!response.destroyed) sendThenClose(edge, request, response, problem, discardBytesMax - readBytes);
}

/** The whole answer at once, the connection's end only when the rest of the body is read away. */
function sendThenClose(
  edge: Edge,
  request: IncomingMessage,
  response: ServerResponse,
  problem: Problem,
  discardBytesMax: number,
): void {
  const body = problem.toJson();
  response.shouldKeepAlive = false;
  response.writeHead(problem.status, [...textHeaders(PROBLEM_TYPE, body), ...problem.headers]);
  response.write(body);
  discard(edge, request, discardBytesMax, () => response.end());
}

/** Whether what is left of the request is small enough to be read away and the connection kept. */
function endsWithin(request: IncomingMessage, bytesMax: number): boolean {
  const { headers } = request;
  if (headers["transfer-encoding"] !== undefined || headers.expect !== undefined) return false;
  return Number(headers["content-length"] ?? 0) <= bytesMax;
}

/** Reads away at most `bytesMax` of the body, then calls `done`, once. */
function discard(edge: Edge, request: IncomingMessage, bytesMax: number, done: () => void): void {
  let leftBytes = bytesMax;
  const finish = (): void => {
    clearTimeout(timer);
    request.off("data", onData).off("end", finish).off("close", finish);
    done();
  };
  const onData = (chunk: Uint8Array): void => {
    leftBytes -= chunk.length;
    if (leftBytes < 0) finish();
  };
  const timer = setTimeout(finish, edge.limits.lingerMsMax);
  request.on("data", onData).on("end", finish).on("close", finish);
}

/** Texts of ours are never sniffed into something else, and never older than the question. */
function textHeaders(type: string, text: string | Uint8Array): string[] {
  const length = String(Buffer.byteLength(text));
  return [
    "Content-Type",
    type,
    "Content-Length",
    length,
    "X-Content-Type-Options",
    "nosniff",
    "Cache-Control",
    "no-store",
  ];
}
