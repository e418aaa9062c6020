/**
 * What a POST answers: the value that it left, as a GET would answer it, and the
 * context in which it was changed.
 */
import { assert } from "../base/assert.js";
import { utf8 } from "../base/bytes.js";
import type { WriteOutcome } from "../coordinator/outcome.js";
import type { PostKind } from "./op-request.js";

type Written = Extract<WriteOutcome, { ok: true }>;

/** An emptied set or map is a key without a value, which a GET answers with 404. */
const EMPTY: Readonly<Record<PostKind, Uint8Array>> = {
  add: utf8('{"value":0}'),
  "edit-set": utf8('{"value":[]}'),
  "edit-map": utf8('{"value":{}}'),
};

/** The JSON object whose `value` is what the key holds now. */
export function changedValue(kind: PostKind, { view }: Written): Uint8Array {
  return view?.contents[0]?.value ?? EMPTY[kind];
}

/** The same with `context`, as in Murmur-Context. Nothing is parsed: a set may have 100,000 elements. */
export function changedBody(kind: PostKind, outcome: Written, context: string): Uint8Array {
  const value = changedValue(kind, outcome);
  assert(value.at(-1) === CLOSING_BRACE, "a counter, a set and a map are shown as a JSON object");
  return Buffer.concat([value.subarray(0, -1), Buffer.from(`,"context":"${context}"}`)]);
}

const CLOSING_BRACE = 0x7d;
