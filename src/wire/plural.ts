/**
 * What the plural questions have in common: a list of items, each with an answer of its own.
 *
 * A reply answers the items in their order, and may stop before the last one
 * when it has grown large enough.
 */
import { unreachable } from "../base/assert.js";
import type { Entry, KeepHint, Merge, Read, Reply, Request, Scan } from "./messages.js";
import type { Mint, Wish } from "./mint-messages.js";
import { bytesOfWish } from "./minting.js";
import type { Range, Span } from "./range-messages.js";

export type Plural = Read | Merge | Mint | KeepHint | Scan | Range;
export type Item = Uint8Array | Entry | Wish | Span;

const PLURAL: readonly Request["kind"][] = ["read", "merge", "mint", "keep-hint", "scan", "range"];

export function isPlural(request: Request): request is Plural {
  return PLURAL.includes(request.kind);
}

export function itemsOf(request: Plural): readonly Item[] {
  switch (request.kind) {
    case "read":
      return request.rows;
    case "merge":
    case "keep-hint":
      return request.entries;
    case "mint":
      return request.wishes;
    case "scan":
      return request.positions;
    case "range":
      return request.spans;
    default:
      return unreachable(request);
  }
}

/** The same question about other items. */
export function withItems(request: Plural, items: readonly Item[]): Plural {
  switch (request.kind) {
    case "read":
      return { ...request, rows: items as readonly Uint8Array[] };
    case "merge":
    case "keep-hint":
      return { ...request, entries: items as readonly Entry[] };
    case "mint":
      return { ...request, wishes: items as readonly Wish[] };
    case "scan":
      return { ...request, positions: items as readonly Uint8Array[] };
    case "range":
      return { ...request, spans: items as readonly Span[] };
    default:
      return unreachable(request);
  }
}

/** Whether two questions ask the same of their items, so that one message may carry both. */
export function mayShare(a: Plural, b: Plural): boolean {
  switch (a.kind) {
    case "read":
      return b.kind === "read";
    case "merge":
      return b.kind === "merge" && a.cause === b.cause;
    case "mint":
      return b.kind === "mint";
    case "keep-hint":
      return b.kind === "keep-hint" && a.target === b.target;
    case "scan":
      return b.kind === "scan" && a.bucket === b.bucket && a.keysMax === b.keysMax;
    case "range":
      return b.kind === "range" && a.cellsMax === b.cellsMax;
    default:
      return unreachable(a);
  }
}

export function bytesOfItem(item: Item): number {
  if ("op" in item) return bytesOfWish(item);
  if ("from" in item) return item.from.length + item.to.length;
  return "row" in item ? item.row.length + item.state.length : item.length;
}

/** What the states in a reply come to. */
export function stateBytesOf(reply: Reply | undefined): number {
  const answers = reply?.kind === "read-reply" ? reply.answers : reply?.kind === "range-reply" ? reply.pages : [];
  return answers.reduce((sum, { state }) => sum + (state?.length ?? 0), 0);
}

/** One reply for each item that was answered, in order. */
export function splitReply(reply: Reply): Reply[] {
  switch (reply.kind) {
    case "read-reply":
      return reply.answers.map((answer) => ({ kind: reply.kind, answers: [answer] }));
    case "merge-reply":
      return reply.results.map((result) => ({ kind: reply.kind, results: [result] }));
    case "mint-reply":
      return reply.results.map((result) => ({ kind: reply.kind, results: [result] }));
    case "keep-hint-reply":
      return reply.kept.map((isKept) => ({ kind: reply.kind, kept: [isKept] }));
    case "scan-reply":
      return reply.pages.map((page) => ({ kind: reply.kind, pages: [page] }));
    case "range-reply":
      return reply.pages.map((page) => ({ kind: reply.kind, pages: [page] }));
    default:
      return [];
  }
}
