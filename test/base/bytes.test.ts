import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { MalformedBytes, Reader, Writer } from "../../src/base/bytes.js";

const varint = (value: number) => new Writer(1).varint(value).finish();

test("a varint takes a byte for each seven bits, and comes back", () => {
  const sizes = [0, 127, 128, 2 ** 14, 2 ** 32, Number.MAX_SAFE_INTEGER].map((value) => varint(value).length);
  assert.deepEqual(sizes, [1, 1, 2, 3, 5, 8]);
  fc.assert(
    fc.property(fc.maxSafeNat(), (value) => {
      const reader = new Reader(varint(value));
      assert.equal(reader.varint(), value);
      reader.end();
    }),
  );
});

test("a varint has one form only, and ends within 2^53", () => {
  const malformed = [[], [0x80], [0x80, 0], [0xff, 0x80, 0x00], [255, 255, 255, 255, 255, 255, 255, 0x10]];
  for (const bytes of malformed) assert.throws(() => new Reader(Uint8Array.from(bytes)).varint(), MalformedBytes);
});
