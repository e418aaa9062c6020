/**
 * A causal context as a client sends it back.
 */
import { type Context, decodeContext, highestTimeUs } from "../lattice/context.js";
import { base64urlDecoded } from "./decode.js";
import type { Edge } from "./edge.js";
import { badRequest, type Problem } from "./problem.js";

const US_PER_MS = 1000;

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
