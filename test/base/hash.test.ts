/** Hashes: golden vectors, and our own implementation against the library's. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import murmurhash from "murmurhash3js";
import { bytesToMapKey, utf8 } from "../../src/base/bytes.js";
import { DIGEST_BYTES, hash128, tokenOf, xorInto } from "../../src/base/hash.js";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const digests = fc.uint8Array({ minLength: DIGEST_BYTES, maxLength: DIGEST_BYTES });

test("a token is the first 64 bits of MurmurHash3 x64-128, signed", () => {
  assert.equal(tokenOf(utf8("hello")), -3758069500696749310n);
  assert.equal(tokenOf(utf8("")), 0n);
  const text = "The quick brown fox jumps over the lazy dog";
  assert.equal(tokenOf(utf8(text)), BigInt.asIntN(64, 0xe34bbc7bbc071b6cn));
});

test("the token of a text that is not ASCII is that of its UTF-8 bytes", () => {
  assert.notEqual(tokenOf(utf8("ü")), tokenOf(Uint8Array.of(0xfc)));
  assert.equal(tokenOf(utf8("ü")), tokenOf(Uint8Array.of(0xc3, 0xbc)));
});

test("digests have not changed", () => {
  const text = "The quick brown fox jumps over the lazy dog";
  assert.equal(hex(hash128(0, utf8(""))), "00000000000000000000000000000000");
  assert.equal(hex(hash128(1, utf8(""))), "88c4adec54d201b954d201b954d201b9");
  assert.equal(hex(hash128(0, utf8("hello"))), "2b2444a0db91def79adb31b69adb31b6");
  assert.equal(hex(hash128(0, utf8(text))), "2f1583c3ecee2c675d7bf66ce5e91d2c");
});

test("SMHasher's verification value of MurmurHash3_x86_128", () => {
  const hashes = Buffer.alloc(256 * DIGEST_BYTES);
  for (let length = 0; length < 256; length++) {
    const key = Uint8Array.from({ length }, (_, index) => index);
    hashes.set(hash128(256 - length, key), length * DIGEST_BYTES);
  }
  // The reference writes its words in the order of the machine, which is little-endian.
  hashes.swap32();
  assert.equal(hex(hash128(0, hashes)).slice(0, 8), "b3ece62a");
});

test("our own 128-bit hash is the library's, for every seed and every length", () => {
  const long = fc.integer({ min: 4090, max: 8200 }).map((length) => Uint8Array.from({ length }, (_, at) => at * 31));
  const bytes = fc.oneof({ weight: 4, arbitrary: fc.uint8Array({ maxLength: 100 }) }, long);
  fc.assert(
    fc.property(fc.integer({ min: -(2 ** 31), max: 2 ** 32 - 1 }), bytes, (seed, input) => {
      assert.equal(hex(hash128(seed, input)), murmurhash.x86.hash128(bytesToMapKey(input), seed));
    }),
    { numRuns: 1000 },
  );
});

test("where the bytes lie in their buffer does not matter", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 64 }), fc.nat(63), (bytes, start) => {
      const view = bytes.subarray(Math.min(start, bytes.length));
      assert.deepEqual(hash128(7, view), hash128(7, Uint8Array.from(view)));
    }),
  );
});

test("xorInto adds and removes, in any order", () => {
  fc.assert(
    fc.property(digests, digests, digests, (a, b, c) => {
      const one = Uint8Array.from(a);
      xorInto(one, b);
      xorInto(one, c);
      const other = Uint8Array.from(c);
      xorInto(other, b);
      xorInto(other, a);
      assert.deepEqual(one, other);
      xorInto(one, c);
      xorInto(one, b);
      assert.deepEqual(one, a);
    }),
  );
  assert.throws(() => xorInto(new Uint8Array(15), new Uint8Array(16)), /16 bytes/);
});
