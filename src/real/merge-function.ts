/**
 * The contract of a user's merge function: what it is given, what it may return, and how that becomes bytes. Pure.
 */
import { utf8 } from "../base/bytes.js";
import { BYTES_TYPE, decodeValue, essenceOf, JSON_TYPE, TEXT_TYPE } from "../base/decoded-value.js";
import type { Content } from "../lattice/lattice.js";

/** One of several values of a key that were written concurrently. */
export interface Sibling {
  readonly contentType: string;
  /** Parsed for application/json, a string for text/*, else a Uint8Array. */
  readonly value: unknown;
}

export interface MergedKey {
  readonly bucket: string;
  readonly key: string;
}

/**
 * The default export of a bucket's `merge` file. `siblings` are two or more, and come in the same order at every node.
 * It returns the one value that stands for all of them: the value alone, which is then of the siblings' type if that
 * can say it, or a value with its type. It must return the same for the same siblings: it runs anew at each read.
 */
export type MergeFunction = (siblings: readonly Sibling[], key: MergedKey) => unknown;

/** What the function is given for stored values. */
export function siblingsOf(contents: readonly Content[]): Sibling[] {
  return contents.map(({ contentType, value }) => ({ contentType, value: decodeValue(value, contentType) }));
}

/** What the function returned, as a value to answer with; or a sentence that says why it is none. */
export function contentOf(returned: unknown, siblings: readonly Pick<Sibling, "contentType">[]): Content | string {
  if (isTyped(returned)) return encoded(returned.value, returned.contentType);
  const types = new Set(siblings.map(({ contentType }) => contentType));
  const [shared] = types.size === 1 ? types : [];
  return encoded(returned, shared !== undefined && canSay(shared, returned) ? shared : typeFor(returned));
}

function isTyped(returned: unknown): returned is Sibling {
  if (typeof returned !== "object" || returned === null) return false;
  const names = Object.keys(returned).sort();
  const isPair = names.length === 2 && names[0] === "contentType" && names[1] === "value";
  return isPair && typeof (returned as Sibling).contentType === "string";
}

function typeFor(value: unknown): string {
  if (value instanceof Uint8Array) return BYTES_TYPE;
  return typeof value === "string" ? TEXT_TYPE : JSON_TYPE;
}

function canSay(contentType: string, value: unknown): boolean {
  if (value instanceof Uint8Array) return true;
  const essence = essenceOf(contentType);
  return essence === JSON_TYPE || (typeof value === "string" && essence.startsWith("text/"));
}

function encoded(value: unknown, contentType: string): Content | string {
  if (value instanceof Uint8Array) return { contentType, value: new Uint8Array(value) };
  if (typeof value === "string" && essenceOf(contentType) !== JSON_TYPE) return { contentType, value: utf8(value) };
  try {
    const json = JSON.stringify(value) as string | undefined;
    return json === undefined ? `it returned ${typeof value}, which is no value` : { contentType, value: utf8(json) };
  } catch (error) {
    return `it returned what JSON cannot say: ${(error as Error).message}`;
  }
}
