/**
 * Requests about one key: `/v1/buckets/{bucket}/keys/{key}` and its `keys64` form.
 *
 * They come straight from node:http, past Express: for the raw request line,
 * and for an order of magnitude in speed.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { type Address, keyAddress, splitTarget } from "./address.js";
import type { Edge } from "./edge.js";
import { methodNotAllowed, Problem } from "./problem.js";
import { read } from "./read.js";
import { refuse } from "./respond.js";
import { post, put, remove } from "./write.js";

export const KEY_METHODS = "GET, HEAD, PUT, DELETE, POST";

/** Answers, now or later, if the request's path is that of a key; says whether it is. */
export function handleKey(edge: Edge, request: IncomingMessage, response: ServerResponse): boolean {
  const { path, queryText } = splitTarget(request.url as string);
  const address = keyAddress(path, edge.limits.keyBytesMax);
  if (address === undefined) return false;
  const problem = address instanceof Problem ? address : dispatch(edge, request, response, address, queryText);
  if (problem !== undefined) refuse(edge, request, response, problem);
  return true;
}

function dispatch(
  edge: Edge,
  request: IncomingMessage,
  response: ServerResponse,
  address: Address,
  queryText: string,
): Problem | undefined {
  switch (request.method) {
    case "GET":
    case "HEAD":
      return read(edge, request, response, address, queryText);
    case "PUT":
      return put(edge, request, response, address, queryText);
    case "DELETE":
      return remove(edge, request, response, address, queryText);
    case "POST":
      return post(edge, request, response, address, queryText);
    default:
      return methodNotAllowed(request.method, KEY_METHODS);
  }
}
