/**
 * A causal context on its way to a client and back: base64url, tied to its key.
 */
import { asBuffer } from "../base/bytes.js";
import { type Context, highestTimeUs } from "../lattice/context.js";
import {
  type ContextOwner,
  decodeContextToken,
  encodeContextToken,
  isContextOf,
  isUncheckedContext,
} from "../lattice/context-token.js";
import { base64urlDecoded } from "./decode.js";
import type { Edge } from "./edge.js";
import { badRequest, type Problem } from "./problem.js";

const US_PER_MS = 1000;

/** Why a write with this context cannot have this stamp of its client's; undefined when it can, or has none. */
export function stampRefusal(
  edge: Edge,
  stampUs: number | undefined,
  context: Context,
  name = "stamp",
): Problem | undefined {
  if (stampUs === undefined) return undefined;
  if (stampUs > edge.store.latestContextMs() * US_PER_MS) {
    return badRequest(`${name} is from too far in the future: it takes microseconds since 1970`);
  }
  if (stampUs > highestTimeUs(context)) return undefined;
  return badRequest(`${name} is not above the context that came with it: the write would lose to what it has seen`);
}

/** As it travels: in `Murmur-Context`, and in the results of batches and ranges. */
export function contextText(owner: ContextOwner, context: Context): string {
  return asBuffer(encodeContextToken(owner, context)).toString("base64url");
}

/** The context in `text`, which the client sent under `name` for a change of `owner`; or why it cannot be. */
export function contextFrom(edge: Edge, owner: ContextOwner, text: string, name: string): Context | Problem {
  const { contextBytesMax } = edge.limits;
  const bytes = base64urlDecoded(text);
  if (bytes !== undefined && bytes.length > contextBytesMax) {
    return badRequest(`${name} has ${bytes.length} bytes; the limit is ${contextBytesMax}: ${REMEDY}`);
  }
  const context = bytes === undefined ? undefined : decodeContextToken(bytes);
  if (bytes === undefined || context === undefined) {
    const isOld = bytes !== undefined && isUncheckedContext(bytes);
    return badRequest(`${name} ${isOld ? OUTDATED : "is not one that this cluster answered"}`);
  }
  if (!isContextOf(owner, bytes)) return badRequest(`${name} ${FOREIGN}`);
  if (highestTimeUs(context) > edge.store.latestContextMs() * US_PER_MS) {
    return badRequest(`${name} is from too far in the future`);
  }
  return context;
}

const REMEDY = "read this key again, and send the context of that answer";
const FOREIGN = `is the context of another key: ${REMEDY}`;
const OUTDATED = `was answered by an earlier version of MurmurDB: ${REMEDY}`;
