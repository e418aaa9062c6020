/**
 * `DELETE /v1/buckets/{bucket}/partitions/{key}`: deletes the living cells of one key of a row bucket, a page with each
 * request.
 *
 * There is no tombstone of a whole key: it would have to be asked by each read of a cell. A page of cells is
 * read first, as a change that reads first does it (a majority's), so that what was acknowledged is found; then each is
 * deleted with the context that was read. So what somebody writes meanwhile stays, and a repeated request
 * does what is left to do: when a delete fails, the request fails, and what is gone is gone.
 */
import type { ServerResponse } from "node:http";
import { asBuffer } from "../base/bytes.js";
import { readLevelBefore } from "../coordinator/minting.js";
import type { WriteOutcome, WriteRequest } from "../coordinator/outcome.js";
import type { RangeOutcome } from "../coordinator/range.js";
import type { Address } from "./address.js";
import { worst } from "./batch.js";
import type { Edge } from "./edge.js";
import { JSON_TYPE } from "./json-body.js";
import { Problem } from "./problem.js";
import { type KeyQuery, parseQuery, quoted } from "./query.js";
import { sendFailure } from "./read.js";
import { sendProblem, sendText } from "./respond.js";

/** Of the deadline: so much may pass until the cells are known. */
const READING_SHARE = 0.5;
const LEAST_DEADLINE_MS = 1;

/** Takes the request on, or says why not. */
export function deleteRange(
  edge: Edge,
  response: ServerResponse,
  address: Address,
  queryText: string,
): Problem | undefined {
  const query = parseQuery("range-delete", queryText, edge.bucket(address.bucket), edge.limits);
  if (query instanceof Problem) return query;
  const refusal = edge.enter(0);
  if (refusal !== undefined) return refusal;
  const startedMs = performance.now();
  const { from, to, level, hedge } = query;
  const cellsMax = Math.min(query.keysMax, edge.limits.batchItemsMax);
  const page = { ...address, from, to, cellsMax, level: readLevelBefore(level), hedge, mend: true };
  edge.store.range({ ...page, deadlineMs: query.deadlineMs * READING_SHARE }, (outcome) => {
    const end = (problem?: Problem) => {
      edge.leave(0);
      edge.time("batch", startedMs);
      if (problem !== undefined) sendProblem(edge, response, problem);
    };
    if (!outcome.ok) {
      end();
      return sendFailure(edge, response, outcome.failure);
    }
    // It came in as one request; now it is known to be more.
    const others = Math.max(0, outcome.cells.length - 1);
    const overload = edge.enter(0, others);
    if (overload !== undefined) return end(overload);
    const deadlineMs = Math.max(LEAST_DEADLINE_MS, query.deadlineMs - (performance.now() - startedMs));
    const writes = outcome.cells.map((cell) => deleteOf(address, cell, { ...query, deadlineMs }));
    edge.store.batch({ reads: [], writes }, ({ writes: outcomes }) => {
      edge.leave(0, others);
      for (const each of outcomes) edge.count("write", level, each.ok ? "ok" : each.failure.kind);
      const problem = failureOf(writes, outcomes);
      end(problem);
      if (problem === undefined) answer(edge, response, outcome);
    });
  });
  return undefined;
}

type Found = Extract<RangeOutcome, { ok: true }>;

function deleteOf(
  address: Address,
  { sort, view }: Found["cells"][number],
  { level, deadlineMs }: KeyQuery,
): WriteRequest {
  return { ...address, sort, op: { kind: "delete" }, context: view.context, stampUs: undefined, level, deadlineMs };
}

function failureOf(writes: readonly WriteRequest[], outcomes: readonly WriteOutcome[]): Problem | undefined {
  const failures = outcomes.map((each) => (each.ok ? undefined : each.failure));
  const placeOf = (index: number) => `the cell ${quoted(asBuffer(writes[index]?.sort ?? new Uint8Array()).toString())}`;
  return worst(failures, outcomes, placeOf);
}

function answer(edge: Edge, response: ServerResponse, { cells, next }: Found): void {
  const told = { deleted: cells.length, next: next === undefined ? null : asBuffer(next).toString() };
  sendText(edge, response, 200, JSON_TYPE, JSON.stringify(told));
}
