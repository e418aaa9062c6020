/**
 * Facts: what two nodes must agree on before they exchange a frame, field by
 * field, and how a disagreement is said.
 *
 * A disagreement is always told from one's own side (`ours`, `theirs`) and names
 * the first field that differs, because "handshake failed" sends an operator
 * searching while "layout is … here and … there" does not.
 */
import { createHash } from "node:crypto";
import { assert } from "../base/assert.js";
import { Reader, Writer } from "../base/bytes.js";
import type { NodeId } from "../ports.js";

/** Fields in the order in which they are compared: the most telling one first. */
export type Facts = ReadonlyArray<readonly [field: string, value: string]>;

/** A field in which two nodes disagree, as one of them sees it. */
export interface Difference {
  readonly field: string;
  readonly ours: string;
  readonly theirs: string;
}

/** A peer with which there is no connection, and why. */
export interface Refusal extends Difference {
  readonly peer: NodeId;
}

const FACTS_MAX = 255;
const PRINTED_CHARACTERS_MAX = 256;
/** What is shown of a longer value; its hash stands for the rest. */
const SHOWN_CHARACTERS = 200;
const SHOWN_HASH_DIGITS = 32;

/**
 * The facts in a form that fits a handshake: a long value is cut and ends in its
 * hash. Both sides do the same, so equal values stay equal and others differ.
 */
export function abridged(facts: Facts): Facts {
  return facts.map(([field, value]) => {
    if (value.length <= PRINTED_CHARACTERS_MAX) return [field, value];
    const hash = createHash("sha256").update(value).digest("hex").slice(0, SHOWN_HASH_DIGITS);
    return [field, `${value.slice(0, SHOWN_CHARACTERS)}… ${hash}`];
  });
}

/** The first field that differs: ours in our order, then any that only they have. */
export function firstDifference(ours: Facts, theirs: Facts): Difference | undefined {
  const theirValues = new Map(theirs);
  for (const [field, value] of ours) {
    const theirValue = theirValues.get(field) ?? "(absent)";
    if (theirValue !== value) return { field, ours: value, theirs: theirValue };
  }
  const ourFields = new Set(ours.map(([field]) => field));
  for (const [field, value] of theirs) {
    if (!ourFields.has(field)) return { field, ours: "(absent)", theirs: value };
  }
  return undefined;
}

export function writeFacts(facts: Facts): Uint8Array {
  assert(facts.length <= FACTS_MAX, "the number of facts is one byte");
  const writer = new Writer().u8(facts.length);
  for (const [field, value] of facts) writer.text(field).text(value);
  return writer.finish();
}

export function readFacts(bytes: Uint8Array): Facts {
  const reader = new Reader(bytes);
  const facts: Array<readonly [string, string]> = [];
  for (let left = reader.u8(); left > 0; left--) facts.push([reader.text(), reader.text()]);
  reader.end();
  return facts;
}

/** The refusal as a sentence for people. */
export function refusalSentence({ peer, field, ours, theirs }: Refusal): string {
  return `no connection with ${peer}: ${field} is "${ours}" here and "${theirs}" there`;
}

/** Text from a stranger, fit for a log and a terminal. */
export function printable(text: string): string {
  return text.slice(0, PRINTED_CHARACTERS_MAX).replace(/[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/gu, "?");
}
