/**
 * Repair over HTTP: begins one at this node, and tells how far it is.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { RepairOrder } from "../upkeep/repair.js";
import { BUCKET_NAME_EXPECTED, isBucketName, splitTarget } from "./address.js";
import type { Edge } from "./edge.js";
import { badRequest, Problem } from "./problem.js";
import { quoted } from "./query.js";
import { refuse, sendJson } from "./respond.js";
import type { RepairReport } from "./store.js";

export function answerRepair(edge: Edge, response: ServerResponse): void {
  sendJson(edge, response, 200, reportOf(edge));
}

/** `POST /v1/repair?check=true&bucket=B`. `begun` is false when one was under way: then it is that one's status. */
export function beginRepair(edge: Edge, request: IncomingMessage, response: ServerResponse): void {
  const order = orderOf(splitTarget(request.url as string).queryText);
  if (order instanceof Problem) return refuse(edge, request, response, order);
  const begun = edge.store.repair(order);
  sendJson(edge, response, 200, { ...reportOf(edge), begun });
}

function reportOf({ store }: Edge): RepairReport {
  return { node: store.self, ...store.repairStatus() };
}

function orderOf(queryText: string): RepairOrder | Problem {
  const given = new URLSearchParams(queryText);
  for (const name of given.keys()) {
    if (name !== "check" && name !== "bucket") return badRequest("a repair takes no parameter but check and bucket");
  }
  const check = given.get("check") ?? "false";
  if (check !== "true" && check !== "false") return badRequest(`check is true or false, not ${quoted(check)}`);
  const bucket = given.get("bucket") ?? undefined;
  if (bucket !== undefined && !isBucketName(bucket)) return badRequest(BUCKET_NAME_EXPECTED);
  return { isCheck: check === "true", bucket };
}
