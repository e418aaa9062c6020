/**
 * `POST /v1/batch`: many reads and writes in one request.
 *
 * The answer is 200 whatever became of the items; each has its own status, as
 * its key alone would have had. With `"partial": false` one failure fails the
 * whole, with the problem of the highest status among them. A batch is admitted
 * as so many requests as it has items.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { BatchOutcome } from "../coordinator/batch.js";
import type { Failure, ReadOutcome, ReadRequest, WriteOutcome, WriteRequest } from "../coordinator/outcome.js";
import { BATCH_PATH, isBatch } from "./address.js";
import { type ParsedBatch, parseBatch } from "./batch-request.js";
import { expectedBytes, readBody } from "./body.js";
import { contextText } from "./context.js";
import type { Edge } from "./edge.js";
import { JSON_TYPE, typeRefusal } from "./json-body.js";
import { type Answered, mergeReads } from "./merging.js";
import { changedValue } from "./op-answer.js";
import { isPostKind } from "./op-request.js";
import { badRequest, methodNotAllowed, Problem, problemOf } from "./problem.js";
import { resultOf } from "./read.js";
import { refuse, sendProblem, sendText } from "./respond.js";
import { siblingOf } from "./siblings.js";
import { unkeptBody, unkeptWish } from "./write.js";

/** Answers, now or later, if the request's path is that of batches; says whether it is. */
export function handleBatch(edge: Edge, request: IncomingMessage, response: ServerResponse): boolean {
  if (!isBatch(request.url as string)) return false;
  const problem = take(edge, request, response);
  if (problem !== undefined) refuse(edge, request, response, problem);
  return true;
}

/** Takes the request on, or says why not. */
function take(edge: Edge, request: IncomingMessage, response: ServerResponse): Problem | undefined {
  const { headers, method, url } = request;
  if (method !== "POST") return methodNotAllowed(method, "POST");
  if (url !== BATCH_PATH) return badRequest("a batch says all in its body; its path takes no query");
  if (headers["idempotency-key"] !== undefined) {
    return badRequest("Idempotency-Key: each write of a batch has its own, as its idempotencyKey");
  }
  const unkept = unkeptWish(headers) ?? unkeptBody(headers) ?? typeRefusal(headers, "a batch");
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
    watch(edge, batch, outcome);
    if (batch.merge) mergeReads(edge, batch.request.reads, outcome.reads, (reads) => settle({ ...outcome, reads }));
    else settle(outcome);
  });
  function settle(outcome: BatchOutcome): void {
    edge.leave(bodyBytes, itemsOf(batch));
    record(edge, batch, outcome, startedMs);
    const failures = [...outcome.reads, ...outcome.writes].map((each) => (each.ok ? undefined : each.failure));
    const problem = batch.partial ? undefined : worst(failures, outcome.writes);
    if (problem !== undefined) return sendProblem(edge, response, problem);
    const { reads, writes } = batch.request;
    const results = outcome.reads.map((each, index) => JSON.stringify(readResult(each, reads[index] as ReadRequest)));
    const written = new WriteResults(batch.isMinimal, edge.limits.batchAnswerBytesMax);
    for (const [index, each] of outcome.writes.entries()) {
      results.push(written.textOf(each, writes[index] as WriteRequest));
    }
    const missing = failures.flatMap((failure, index) => (failure?.kind === "timeout" ? index : []));
    sendText(edge, response, 200, JSON_TYPE, `{"results":[${results.join(",")}],"missing":${JSON.stringify(missing)}}`);
  }
}

function watch({ crowding }: Edge, { request }: ParsedBatch, outcome: BatchOutcome): void {
  const outcomes = [...outcome.reads, ...outcome.writes];
  for (const [index, { bucket, key }] of [...request.reads, ...request.writes].entries()) {
    const met = outcomes[index];
    if (met?.ok) crowding.onMet(bucket, key, met.view);
  }
}

/** An empty batch is a request too. */
function itemsOf({ request }: ParsedBatch): number {
  return Math.max(1, request.reads.length + request.writes.length);
}

function record(edge: Edge, { request }: ParsedBatch, outcome: BatchOutcome, startedMs: number): void {
  for (const [index, { level }] of request.reads.entries()) {
    edge.count("read", level, resultOf(outcome.reads[index] as ReadOutcome));
  }
  // Increments that are one write have one outcome.
  const times = new Map<WriteOutcome, number>();
  for (const written of outcome.writes) times.set(written, (times.get(written) ?? 0) + 1);
  for (const [index, { level }] of request.writes.entries()) {
    const written = outcome.writes[index] as WriteOutcome;
    const count = times.get(written);
    if (count === undefined) continue;
    times.delete(written);
    edge.count("write", level, written.ok ? "ok" : written.failure.kind, count);
  }
  edge.time("batch", startedMs);
}

function readResult(outcome: Answered, request: ReadRequest): object {
  if (!outcome.ok) return failedResult(outcome.failure);
  const { contents } = outcome.view;
  const [content] = contents;
  const context = contextText(request, outcome.view.context);
  if (content === undefined) return { status: 404, code: "not-found", context };
  if (contents.length > 1) return { status: 300, siblings: contents.map(siblingOf), context };
  return { status: 200, ...siblingOf(content), ...(outcome.isMerged ? { merged: true } : {}), context };
}

/** The results of writes as JSON. What increments that are one write have in common is written once. */
class WriteResults {
  /** Of values: those that have no room any more are left out, and may be read. */
  private leftBytes: number;
  private readonly increments = new Map<WriteOutcome, Result>();

  constructor(
    private readonly isMinimal: boolean,
    answerBytesMax: number,
  ) {
    this.leftBytes = answerBytesMax;
  }

  textOf(outcome: WriteOutcome, request: WriteRequest): string {
    const isIncrement = request.op.kind === "add";
    const known = isIncrement ? this.increments.get(outcome) : undefined;
    const result = known ?? writeResult(outcome, request, this.isMinimal);
    if (isIncrement && known === undefined) this.increments.set(outcome, result);
    if (result.valueBytes > this.leftBytes) return result.short;
    this.leftBytes -= result.valueBytes;
    return result.text;
  }
}

interface Result {
  readonly text: string;
  readonly valueBytes: number;
  /** Without the value. */
  readonly short: string;
}

/** 200 with the value that an `op` left; 204 for what was stored or deleted, and for a value that has no room. */
function writeResult(outcome: WriteOutcome, request: WriteRequest, isMinimal: boolean): Result {
  if (!outcome.ok) return withoutValue(failedResult(outcome.failure));
  if (isMinimal) return MINIMAL;
  const context = contextText(request, outcome.context);
  const short = withoutValue({ status: 204, context });
  const { kind } = request.op;
  if (!isPostKind(kind)) return short;
  const value = changedValue(kind, outcome);
  const text = JSON.stringify({ status: 200, ...siblingOf({ contentType: JSON_TYPE, value }), context });
  return { ...short, text, valueBytes: value.length };
}

function withoutValue(result: object): Result {
  const text = JSON.stringify(result);
  return { text, valueBytes: 0, short: text };
}

const MINIMAL = withoutValue({ status: 204 });

/** What the problem of a single request says, without what is the same for all of its kind. */
function failedResult(failure: Failure): object {
  const { status, code } = problemOf(failure, []);
  const { detail, level, required, received, alive, mayHaveApplied } = failure;
  return { status, code, detail, level, required, received, alive, mayHaveApplied };
}

/** The whole as a failure; undefined when nothing failed. */
export function worst(
  failures: readonly (Failure | undefined)[],
  writes: readonly WriteOutcome[],
  placeOf = (index: number) => `results[${index}]`,
): Problem | undefined {
  let [found, at, count]: [Problem | undefined, number, number] = [undefined, 0, 0];
  const mayHaveApplied = writes.some((write) => write.ok || write.failure.mayHaveApplied);
  for (const [index, failure] of failures.entries()) {
    if (failure === undefined) continue;
    count++;
    const problem = problemOf({ ...failure, mayHaveApplied }, []);
    if (found === undefined || problem.status > found.status) [found, at] = [problem, index];
  }
  if (found === undefined) return undefined;
  const detail = `${count} of ${failures.length} items failed, such as ${placeOf(at)}: ${found.detail}`;
  return new Problem(found.code, detail, found.headers, found.counts);
}
