/**
 * MurmurHash3 twice: tokens, which place keys on the ring, and row digests.
 *
 * Tokens come from murmurhash3js, and only this module knows it. Its traps:
 * it hashes strings only, one byte per character, so a key travels as Latin-1.
 * A token is hashed once per request and carried along.
 *
 * Digests are computed for every row of every write, so they have an
 * implementation of their own over bytes: the x86 variant of 128 bits, because
 * JavaScript multiplies 32-bit integers natively and 64-bit ones not at all.
 * The tests hold it against the library's.
 */
import murmurhash from "murmurhash3js";
import { assert } from "./assert.js";
import { bytesToMapKey } from "./bytes.js";

/** 16 bytes: the four words of a hash, each big-endian, as their hexadecimal is printed. */
export type Digest = Uint8Array;

export const DIGEST_BYTES = 16;

const C1 = 0x239b961b;
const C2 = 0xab0e9789;
const C3 = 0x38b34ae5;
const C4 = 0xa1e38b93;

// Words are read from one piece of memory: that is faster than to put each together from four bytes,
// and than to make a view of every input.
const SCRATCH_BYTES = 4096;
const scratch = new Uint8Array(SCRATCH_BYTES);
const words = new DataView(scratch.buffer);

// The hot keys of a node are few, and the library's arithmetic on 64 bits takes as long as a read. 200 kB at most.
const KEPT_TOKENS_MAX = 1024;
const KEPT_KEY_BYTES_MAX = 64;
const tokens = new Map<string, bigint>();

/** Where a partition key lies on the ring: the first 64 bits of MurmurHash3 x64-128, signed. */
export function tokenOf(key: Uint8Array): bigint {
  const mapKey = bytesToMapKey(key);
  const known = tokens.get(mapKey);
  if (known !== undefined) return known;
  const token = BigInt.asIntN(64, BigInt(`0x${murmurhash.x64.hash128(mapKey).slice(0, 16)}`));
  if (key.length <= KEPT_KEY_BYTES_MAX) {
    if (tokens.size >= KEPT_TOKENS_MAX) tokens.clear();
    tokens.set(mapKey, token);
  }
  return token;
}

/** MurmurHash3 x86_128 of the bytes. Allocates nothing but its result. */
export function hash128(seed: number, bytes: Uint8Array): Digest {
  const length = bytes.length;
  let h1 = seed | 0;
  let h2 = h1;
  let h3 = h1;
  let h4 = h1;
  for (let start = 0; start < length; start += SCRATCH_BYTES) {
    const loaded = load(bytes, start);
    const whole = loaded & ~15;
    for (let at = 0; at < whole; at += 16) {
      h1 ^= scramble(words.getInt32(at, true), C1, 15, C2);
      h1 = (Math.imul(rotate(h1, 19) + h2, 5) + 0x561ccd1b) | 0;
      h2 ^= scramble(words.getInt32(at + 4, true), C2, 16, C3);
      h2 = (Math.imul(rotate(h2, 17) + h3, 5) + 0x0bcaa747) | 0;
      h3 ^= scramble(words.getInt32(at + 8, true), C3, 17, C4);
      h3 = (Math.imul(rotate(h3, 15) + h4, 5) + 0x96cd1c35) | 0;
      h4 ^= scramble(words.getInt32(at + 12, true), C4, 18, C1);
      h4 = (Math.imul(rotate(h4, 13) + h1, 5) + 0x32ac3b17) | 0;
    }
    if (whole === loaded) continue;
    // The last bytes, filled up with zeros. A word of zeros scrambles to zero and changes nothing.
    h1 ^= scramble(words.getInt32(whole, true), C1, 15, C2);
    h2 ^= scramble(words.getInt32(whole + 4, true), C2, 16, C3);
    h3 ^= scramble(words.getInt32(whole + 8, true), C3, 17, C4);
    h4 ^= scramble(words.getInt32(whole + 12, true), C4, 18, C1);
  }
  h2 ^= length;
  h3 ^= length;
  h4 ^= length;
  h1 = ((h1 ^ length) + h2 + h3 + h4) | 0;
  h2 = avalanche(h2 + h1);
  h3 = avalanche(h3 + h1);
  h4 = avalanche(h4 + h1);
  h1 = (avalanche(h1) + h2 + h3 + h4) | 0;
  const digest = new Uint8Array(DIGEST_BYTES);
  putWord(digest, 0, h1);
  putWord(digest, 4, h2 + h1);
  putWord(digest, 8, h3 + h1);
  putWord(digest, 12, h4 + h1);
  return digest;
}

/** Adds a row to a set of rows, or takes it out again: the digest of a set is the xor of its rows' digests. */
export function xorInto(target: Uint8Array, other: Uint8Array): void {
  assert(target.length === DIGEST_BYTES && other.length === DIGEST_BYTES, "a digest has 16 bytes");
  for (let at = 0; at < DIGEST_BYTES; at++) target[at] = (target[at] as number) ^ (other[at] as number);
}

/** Copies the next bytes to the scratch memory, zeros up to a whole block behind them, and returns their number. */
function load(bytes: Uint8Array, start: number): number {
  const rest = bytes.length - start;
  const loaded = Math.min(rest, SCRATCH_BYTES);
  scratch.set(start === 0 && loaded === rest ? bytes : bytes.subarray(start, start + loaded));
  for (let at = loaded; (at & 15) !== 0; at++) scratch[at] = 0;
  return loaded;
}

function putWord(target: Uint8Array, at: number, value: number): void {
  target[at] = value >>> 24;
  target[at + 1] = value >>> 16;
  target[at + 2] = value >>> 8;
  target[at + 3] = value;
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}

function scramble(value: number, first: number, bits: number, second: number): number {
  return Math.imul(rotate(Math.imul(value, first), bits), second);
}

function avalanche(value: number): number {
  let mixed = value ^ (value >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}
