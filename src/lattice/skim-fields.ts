/**
 * Going over the fields of a packed map, by their kinds: what fields.ts reads, and the sizes that it counts.
 */

import { skimElement } from "./elements.js";
import { FIELD_OVERHEAD_BYTES } from "./field-kinds.js";
import { APART, COUNTER, MAP, REGISTER, SET } from "./fields.js";
import { BASE, SHARD_BYTES } from "./shards.js";
import type { Skimmer, SkimStore } from "./skimmer.js";

/** What is in a field; returns the size of all but its name. */
export function skimField(skimmer: Skimmer, letter: number): number {
  return FIELD_OVERHEAD_BYTES + (SKIMS.get(letter)?.(skimmer) ?? 0);
}

const ADDITION_BYTES = 8;
const READING_BYTES = 16;
const ACTOR_BYTES = 8;

function skimRegister(skimmer: Skimmer): number {
  let bytes = 0;
  for (let left = skimmer.varint(); left > 0; left--) {
    skimmer.stamp();
    const jsonBytes = skimmer.varint();
    skimmer.skip(jsonBytes);
    bytes += jsonBytes + FIELD_OVERHEAD_BYTES;
  }
  return bytes;
}

function skimCounter(skimmer: Skimmer): number {
  let shards = 0;
  for (let left = skimmer.varint(); left > 0; shards++) {
    skimmer.skip(ACTOR_BYTES + READING_BYTES);
    const baseBytes = skimmer.u8() === BASE.part ? READING_BYTES : 0;
    skimmer.skip(baseBytes);
    left -= ACTOR_BYTES + READING_BYTES + 1 + baseBytes;
  }
  return SHARD_BYTES * shards;
}

function skimAdditions(skimmer: Skimmer): number {
  const count = skimmer.varint();
  for (let left = count; left > 0; left--) {
    skimmer.stamp();
    skimmer.skip(ADDITION_BYTES);
  }
  return FIELD_OVERHEAD_BYTES * count;
}

function skimEntries(skimmer: Skimmer, skimStore: SkimStore): number {
  let bytes = 0;
  for (let left = skimmer.varint(); left > 0; left--) {
    const { nameAt, nameEnd, storeBytes } = skimmer.entry(skimStore);
    bytes += nameEnd - nameAt + storeBytes;
  }
  return bytes;
}

const SKIMS: ReadonlyMap<number, (skimmer: Skimmer) => number> = new Map(
  (
    [
      [REGISTER, skimRegister],
      [COUNTER, skimCounter],
      [APART, skimAdditions],
      [SET, (skimmer: Skimmer) => skimEntries(skimmer, skimElement)],
      [MAP, (skimmer: Skimmer) => skimEntries(skimmer, skimField)],
    ] as const
  ).map(([letter, skim]) => [letter.charCodeAt(0), skim]),
);
