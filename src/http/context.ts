/**
 * A causal context as a client sends it back.
 */
import { type Context, decodeContext, highestTimeUs } from "../lattice/context.js";
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

/** The context in `text`, which the client sent under `name`; or why it cannot be. */
export function contextFrom(edge: Edge, text: string, name: string): Context | Problem {
  const { contextBytesMax } = edge.limits;
  const bytes = base64urlDecoded(text);
  if (bytes !== undefined && bytes.length > contextBytesMax) {
    return badRequest(`${name} has ${bytes.length} bytes; the limit is ${contextBytesMax}`);
  }
  const context = bytes === undefined ? undefined : decodeContext(bytes);
  if (context === undefined) return badRequest(`${name} is not one that this cluster answered`);
  if (highestTimeUs(context) > edge.store.latestContextMs() * US_PER_MS) {
    return badRequest(`${name} is from too far in the future`);
  }
  return context;
}
