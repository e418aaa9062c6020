/** Answers of HTTP/1.1, cut anywhere. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Answer, AnswerReader } from "../../src/load/answer.js";

const STREAM: ReadonlyArray<readonly [text: string, answer: Answer]> = [
  ["HTTP/1.1 204 No Content\r\nDate: now\r\n\r\n", { status: 204, isLast: false, text: "" }],
  ["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", { status: 200, isLast: false, text: "" }],
  [
    'HTTP/1.1 503 Busy\r\nX: Y\r\ncontent-length: 21\r\nRetry-After: 1\r\n\r\n{"code":"overloaded"}',
    { status: 503, isLast: false, text: '{"code":"overloaded"}' },
  ],
  [
    "HTTP/1.1 502 Bad\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n<a>\r\nb;x=1\r\n\r\n0\r\n\r\n0123\r\n0\r\n\r\n",
    { status: 502, isLast: false, text: "<a>\r\n0\r\n\r\n0123" },
  ],
  ["HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", { status: 304, isLast: false, text: "" }],
  ["HTTP/1.1 404 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", { status: 404, isLast: true, text: "" }],
];

test("answers are told one after the other, wherever their bytes are cut", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1 }), (lengths) => {
      const reader = new AnswerReader();
      for (const [text, answer] of STREAM) {
        let told: Answer | undefined | null;
        for (let at = 0, piece = 0; at < text.length; piece++) {
          assert.equal(told, undefined);
          const length = lengths[piece % lengths.length] as number;
          told = reader.read(Buffer.from(text.slice(at, at + length), "latin1"));
          at += length;
        }
        assert.deepEqual(told, answer);
        assert.equal(reader.end(), undefined);
      }
    }),
  );
});

test("an answer without a length ends with its connection", () => {
  const reader = new AnswerReader();
  assert.equal(reader.read(Buffer.from("HTTP/1.1 500 No\r\n\r\nsor")), undefined);
  assert.equal(reader.read(Buffer.from("ry")), undefined);
  assert.deepEqual(reader.end(), { status: 500, isLast: true, text: "sorry" });
});

test("what is no answer is told as such, also when it has no end", () => {
  assert.equal(new AnswerReader().read(Buffer.from("SSH-2.0-x\r\n\r\n\r\n\r\n")), null);
  const reader = new AnswerReader();
  let told: unknown;
  for (let piece = 0; piece < 20 && told === undefined; piece++) told = reader.read(Buffer.alloc(4096, "x"));
  assert.equal(told, null);
});
