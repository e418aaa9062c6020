import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { MalformedBytes, Reader, Writer } from "../../src/base/bytes.js";
import { readMessage, writeMessage } from "../../src/wire/codec.js";
import type { Message } from "../../src/wire/messages.js";
import { anyMessage } from "./any-message.js";

function encoded(each: Message): Uint8Array {
  const writer = new Writer();
  writeMessage(writer, each);
  return writer.finish();
}

function decoded(frame: Uint8Array): Message {
  const reader = new Reader(frame);
  const each = readMessage(reader);
  reader.end();
  return each;
}

test("every message comes back as it was sent", () => {
  fc.assert(
    fc.property(anyMessage, (each) => assert.deepEqual(decoded(encoded(each)), each)),
    { numRuns: 3000 },
  );
});

test("mangled messages are malformed or other messages, never anything else", () => {
  const mangling = fc.tuple(anyMessage, fc.nat(), fc.nat({ max: 255 }), fc.nat());
  fc.assert(
    fc.property(mangling, ([each, position, byte, cut]) => {
      const frame = Uint8Array.from(encoded(each));
      frame[position % frame.length] = byte;
      try {
        decoded(frame.subarray(0, 1 + (cut % frame.length)));
      } catch (error) {
        assert.ok(error instanceof MalformedBytes, String(error));
      }
    }),
    { numRuns: 5000 },
  );
});

test("a claimed count is not believed beyond the bytes that follow it", () => {
  const lie = new Writer().u8(2).u32(0xffffffff).finish();
  assert.throws(() => decoded(lie), MalformedBytes);
});
