/**
 * The headers that every answer about a key carries: its causal context, an
 * ETag made of that context, and who was asked for it and when.
 */
import { hash } from "node:crypto";
import type { Asked } from "../coordinator/outcome.js";
import type { Context } from "../lattice/context.js";
import type { ContextOwner } from "../lattice/context-token.js";
import { contextText } from "./context.js";

/** 128 bits: enough that two contexts of one key never share a tag. */
const ETAG_CHARACTERS = 22;

export interface KeyHeaders {
  /** As in `Murmur-Context`. */
  readonly context: string;
  /** The entity tag in its quotes, without the mark of weakness. */
  readonly tag: string;
  /** Names and values in turn; the caller may add to them. */
  readonly list: string[];
}

/**
 * `isExact` unless answers of one context may differ in their bytes: then the tag is marked weak. `siblings` beyond one
 * are part of the tag: they become fewer as they expire, and no context tells.
 */
export function keyHeaders(
  owner: ContextOwner,
  context: Context,
  replicas: readonly Asked[],
  isExact: boolean,
  siblings = 0,
): KeyHeaders {
  const text = contextText(owner, context);
  const tagged = siblings > 1 ? `${text} ${siblings}` : text;
  const tag = `"${hash("sha256", tagged, "base64url").slice(0, ETAG_CHARACTERS)}"`;
  const list = ["Murmur-Context", text, "ETag", isExact ? tag : `W/${tag}`];
  addTiming(list, replicas);
  return { context: text, tag, list };
}

/** One entry per replica asked: its name, when it was asked unless at once, how long it took unless it is silent, its role and its state. */
export function addTiming(headers: string[], replicas: readonly Asked[]): void {
  if (replicas.length > 0) headers.push("Server-Timing", replicas.map(timing).join(", "));
}

/** How long a replica took to answer, in milliseconds to two decimals; undefined while it is silent. */
export function tookMs(asked: Asked): number | undefined {
  return asked.answeredMs === undefined ? undefined : rounded(asked.answeredMs - asked.askedMs);
}

/** When it was asked, in milliseconds since the request began. */
export function startMs(asked: Asked): number {
  return rounded(asked.askedMs);
}

function rounded(ms: number): number {
  return Math.round(ms * 100) / 100;
}

function timing(asked: Asked): string {
  const [begun, ms] = [startMs(asked), tookMs(asked)];
  const start = begun === 0 ? "" : `;start=${begun}`;
  const duration = ms === undefined ? "" : `;dur=${ms}`;
  return `${asked.node}${start}${duration};desc="${asked.role} ${asked.state}"`;
}
