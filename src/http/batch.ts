/**
 * `POST /v1/batch`: many reads and writes in one request.
 *
 * The answer is 200 whatever became of the items; each has its own status, as
 * its key alone would have had. With `"partial": false` one failure fails the
 * whole, with the problem of the highest status among them. A batch is admitted
 * as so many requests as it has items.
 */
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import { asBuffer } from "../base/bytes.js";
import type { BatchOutcome } from "../coordinator/batch.js";
import type { Failure, ReadOutcome, WriteOutcome } from "../coordinator/outcome.js";
import { contextText } from "./answer.js";
import { type ParsedBatch, parseBatch } from "./batch-request.js";
import { expectedBytes, readBody } from "./body.js";
import type { Edge } from "./edge.js";
import { contentTypeToSend } from "./media.js";
import { badRequest, methodNotAllowed, Problem, problemOf } from "./problem.js";
import { resultOf } from "./read.js";
import { refuse, sendProblem, sendText } from "./respond.js";
import { unkeptBody, unkeptWish } from "./write.js";

const PATH = "/v1/batch";
const JSON_TYPE = "application/json";

/** Answers, now or later, if the request's path is that of batches; says whether it is. */
export function handleBatch(edge: Edge, request: IncomingMessage, response: ServerResponse): boolean {
  const target = request.url as string;
  if (target !== PATH && !target.startsWith(`${PATH}?`)) return false;
  const problem = take(edge, request, response);
  if (problem !== undefined) refuse(edge, request, response, problem);
  return true;
}

/** Takes the request on, or says why not. */
function take(edge: Edge, request: IncomingMessage, response: ServerResponse): Problem | undefined {
  const { headers, method, url } = request;
  if (method !== "POST") return methodNotAllowed(method, "POST");
  if (url !== PATH) return badRequest("a batch says all in its body; its path takes no query");
  const unkept = unkeptWish(headers) ?? unkeptBody(headers) ?? typeRefusal(headers);
  if (unkept !== undefined) return unkept;
  const bytesMax = edge.limits.batchBytesMax;
  const bodyBytes = expectedBytes(headers, bytesMax);
  const refusal = edge.enter(bodyBytes);
  if (refusal !== undefined) return refusal;
  readBody(edge, request, response, { what: "a batch", bytesMax }, (body) => {
    if (body === undefined) return edge.leave(bodyBytes);
    const parsed = admitted(edge, parseBatch(edge, body));
    if (!(parsed instanceof Problem)) return run(edge, response, parsed, bodyBytes);
    edge.leave(bodyBytes);
    sendProblem(edge, response, parsed);
  });
  return undefined;
}

/** It came in as one request; now it is known to be more. */
function admitted(edge: Edge, parsed: ParsedBatch | Problem): ParsedBatch | Problem {
  return parsed instanceof Problem ? parsed : (edge.enter(0, itemsOf(parsed) - 1) ?? parsed);
}

function run(edge: Edge, response: ServerResponse, batch: ParsedBatch, bodyBytes: number): void {
  const startedMs = performance.now();
  edge.store.batch(batch.request, (outcome) => {
    edge.leave(bodyBytes, itemsOf(batch));
    record(edge, batch, outcome, startedMs);
    const failures = [...outcome.reads, ...outcome.writes].map((each) => (each.ok ? undefined : each.failure));
    const problem = batch.partial ? undefined : worst(failures, outcome.writes);
    if (problem !== undefined) return sendProblem(edge, response, problem);
    const results = [...outcome.reads.map(readResult), ...outcome.writes.map(writeResult)];
    const missing = failures.flatMap((failure, index) => (failure?.kind === "timeout" ? index : []));
    sendText(edge, response, 200, JSON_TYPE, JSON.stringify({ results, missing }));
  });
}

/** An empty batch is a request too. */
function itemsOf({ request }: ParsedBatch): number {
  return Math.max(1, request.reads.length + request.writes.length);
}

function record(edge: Edge, { request }: ParsedBatch, outcome: BatchOutcome, startedMs: number): void {
  for (const [index, { level }] of request.reads.entries()) {
    edge.count("read", level, resultOf(outcome.reads[index] as ReadOutcome));
  }
  for (const [index, { level }] of request.writes.entries()) {
    const written = outcome.writes[index] as WriteOutcome;
    edge.count("write", level, written.ok ? "ok" : written.failure.kind);
  }
  edge.time("batch", startedMs);
}

function readResult(outcome: ReadOutcome): object {
  if (!outcome.ok) return failedResult(outcome.failure);
  const [content] = outcome.view.contents;
  const context = contextText(outcome.view.context);
  if (content === undefined) return { status: 404, code: "not-found", context };
  const value = asBuffer(content.value).toString("base64");
  return { status: 200, value, contentType: contentTypeToSend(content.contentType), context };
}

function writeResult(outcome: WriteOutcome): object {
  return outcome.ok ? { status: 204, context: contextText(outcome.context) } : failedResult(outcome.failure);
}

/** What the problem of a single request says, without what is the same for all of its kind. */
function failedResult(failure: Failure): object {
  const { status, code } = problemOf(failure, []);
  const { detail, level, required, received, alive, mayHaveApplied } = failure;
  return { status, code, detail, level, required, received, alive, mayHaveApplied };
}

/** The whole as a failure; undefined when nothing failed. */
function worst(failures: readonly (Failure | undefined)[], writes: readonly WriteOutcome[]): Problem | undefined {
  let [found, at, count]: [Problem | undefined, number, number] = [undefined, 0, 0];
  const mayHaveApplied = writes.some((write) => write.ok || write.failure.mayHaveApplied);
  for (const [index, failure] of failures.entries()) {
    if (failure === undefined) continue;
    count++;
    const problem = problemOf({ ...failure, mayHaveApplied }, []);
    if (found === undefined || problem.status > found.status) [found, at] = [problem, index];
  }
  if (found === undefined) return undefined;
  const detail = `${count} of ${failures.length} items failed, such as results[${at}]: ${found.detail}`;
  return new Problem(found.code, detail, found.headers, found.counts);
}

function typeRefusal(headers: IncomingHttpHeaders): Problem | undefined {
  const [type, ...parameters] = (headers["content-type"] ?? "")
    .toLowerCase()
    .split(";")
    .map((part) => part.trim());
  const isPlain = parameters.every((parameter) => parameter === "charset=utf-8" || parameter === 'charset="utf-8"');
  if (type === JSON_TYPE && isPlain) return undefined;
  return new Problem("unsupported-media-type", "a batch is application/json in UTF-8");
}
