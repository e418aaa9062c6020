/**
 * Sums of rows: what a hash tree is made of.
 *
 * The sum of a set of rows is the xor of their stored digests, and their count;
 * so a row goes in and out in constant time, and the sum of two sets that share
 * no row is the sum of their sums. It is kept in five words of 32 bits, which
 * JavaScript adds and xors without allocating.
 *
 * Two stretches of tokens are compared by the first eight bytes. Rows that
 * differ look the same once in 2^64 comparisons, and any write to either side
 * draws anew: a difference may be seen a round later, and is not lost.
 */
import { assert } from "../base/assert.js";
import { wordAt } from "../base/short-bytes.js";
import { SUM_DIGEST_BYTES } from "../wire/sync-messages.js";

/** Four words of digest, then how many rows. */
export type Sum = Uint32Array;

export const SUM_WORDS = 5;

const DIGEST_WORDS = 4;
const COUNT = DIGEST_WORDS;

export function newSum(): Sum {
  return new Uint32Array(SUM_WORDS);
}

export function countOf(sum: Sum): number {
  return sum[COUNT] as number;
}

/** Whether the sum that begins at `at` is that of no rows. */
export function isNothing(words: Uint32Array, at: number): boolean {
  for (let word = 0; word < SUM_WORDS; word++) if (words[at + word] !== 0) return false;
  return true;
}

/** Adds the sum of other rows. Adding what is in already takes the digest out, but counts on: see `subtractSum`. */
export function addSum(target: Sum, other: Sum, at = 0): void {
  for (let word = 0; word < DIGEST_WORDS; word++) {
    target[word] = (target[word] as number) ^ (other[at + word] as number);
  }
  target[COUNT] = (target[COUNT] as number) + (other[at + COUNT] as number);
}

/** Adds to the words of a table that begin at `at`. */
export function addSumAt(table: Uint32Array, at: number, other: Sum): void {
  for (let word = 0; word < DIGEST_WORDS; word++) {
    table[at + word] = (table[at + word] as number) ^ (other[word] as number);
  }
  table[at + COUNT] = (table[at + COUNT] as number) + (other[COUNT] as number);
}

/** Takes rows out again. Counts are words: below zero they come round. */
export function subtractSum(target: Sum, other: Sum): void {
  const count = countOf(target) - countOf(other);
  addSum(target, other);
  target[COUNT] = count;
}

/** A row comes in. */
export function addRecord(sum: Sum, record: Uint8Array): void {
  xorDigest(sum, record);
  sum[COUNT] = (sum[COUNT] as number) + 1;
}

/** A row goes out. */
export function takeRecord(sum: Sum, record: Uint8Array): void {
  xorDigest(sum, record);
  sum[COUNT] = (sum[COUNT] as number) - 1;
}

/** What is compared with a peer. */
export function digestOfSum(sum: Sum): Uint8Array {
  const bytes = Buffer.allocUnsafe(SUM_DIGEST_BYTES);
  bytes.writeUInt32BE(sum[0] as number, 0);
  bytes.writeUInt32BE(sum[1] as number, 4);
  return bytes;
}

function xorDigest(sum: Sum, record: Uint8Array): void {
  assert(record.length >= DIGEST_WORDS * 4, "a record begins with its digest");
  for (let word = 0; word < DIGEST_WORDS; word++) sum[word] = (sum[word] as number) ^ wordAt(record, 4 * word);
}
