/**
 * Conflicts over HTTP: which register writes through this node took away what nobody had looked at.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { BUCKET_NAME_EXPECTED, isBucketName, splitTarget } from "./address.js";
import type { Edge } from "./edge.js";
import { badRequest, Problem } from "./problem.js";
import { quoted } from "./query.js";
import { refuse, sendJson } from "./respond.js";

/** `GET /v1/conflicts?bucket=B&limit=N`: names and times, never a value. */
export function answerConflicts(edge: Edge, request: IncomingMessage, response: ServerResponse): void {
  const wish = wishOf(splitTarget(request.url as string).queryText);
  if (wish instanceof Problem) refuse(edge, request, response, wish);
  else sendJson(edge, response, 200, edge.store.conflicts(wish.bucket, wish.itemsMax));
}

function wishOf(queryText: string): { bucket: string | undefined; itemsMax: number } | Problem {
  const given = new URLSearchParams(queryText);
  for (const name of given.keys()) {
    if (name !== "bucket" && name !== "limit") return badRequest("conflicts take no parameter but bucket and limit");
  }
  const bucket = given.get("bucket") ?? undefined;
  if (bucket !== undefined && !isBucketName(bucket)) return badRequest(BUCKET_NAME_EXPECTED);
  const limit = given.get("limit") ?? String(ITEMS);
  if (!/^[1-9]\d{0,5}$/.test(limit)) return badRequest(`limit takes a number from 1 on, not ${quoted(limit)}`);
  return { bucket, itemsMax: Number(limit) };
}

/** On an answer, when a client names no limit. */
const ITEMS = 100;
