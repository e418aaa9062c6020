/**
 * Hints over HTTP: for whom this node keeps what, and the sync point that waits
 * until all of it is delivered.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { parseDurationMs } from "../base/duration.js";
import { splitTarget } from "./address.js";
import type { Edge } from "./edge.js";
import { badRequest, overloaded, Problem } from "./problem.js";
import { quoted, timeoutBeyond } from "./query.js";
import { refuse, sendJson } from "./respond.js";

export function answerHints(edge: Edge, response: ServerResponse): void {
  sendJson(edge, response, 200, edge.store.hints());
}

/** `POST /v1/hints/flush?timeout=30s`. 200 also when the time was over: then `complete` is false. */
export function flushHints(edge: Edge, request: IncomingMessage, response: ServerResponse): void {
  const timeoutMs = timeoutOf(edge, splitTarget(request.url as string).queryText);
  if (timeoutMs instanceof Problem) return refuse(edge, request, response, timeoutMs);
  const { store } = edge;
  const hasBegun = store.flushHints(timeoutMs, ({ hints, left }) =>
    sendJson(edge, response, 200, { node: store.self, hints, left, complete: left === 0 }),
  );
  if (hasBegun) return;
  refuse(edge, request, response, overloaded("as many wait for hints as may (hintFlushesPendingMax)"));
}

function timeoutOf({ limits }: Edge, queryText: string): number | Problem {
  const most = limits.requestDeadlineMsMax;
  if (queryText === "") return most;
  const [, text] = /^timeout=([^&]*)$/.exec(queryText) ?? [];
  if (text === undefined) return badRequest("a flush takes no parameter but timeout");
  const timeoutMs = parseDurationMs(text);
  if (timeoutMs === undefined || timeoutMs === 0) {
    return badRequest(`timeout takes a duration such as 500ms or 2s, not ${quoted(text)}`);
  }
  return timeoutMs <= most ? timeoutMs : timeoutBeyond(limits);
}
