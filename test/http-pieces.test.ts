/** What is kept of a body while it arrives. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Pieces } from "../src/http/body.js";

test("a body that comes byte by byte is kept in few pieces, and comes out as it was sent", () => {
  const pieces = new Pieces();
  const sent = Buffer.from(Array.from({ length: 100_001 }, (_, index) => index % 251));
  for (let at = 0; at < sent.length; at++) {
    pieces.add(sent.subarray(at, at + 1));
    assert.ok(pieces.count <= 1024 + at / 1024, `${pieces.count} pieces of ${at} bytes`);
  }
  assert.ok(sent.equals(pieces.joined()));
});

test("a body of one piece is not copied", () => {
  const pieces = new Pieces();
  const sent = Buffer.from("all at once");
  pieces.add(sent);
  assert.equal(pieces.joined(), sent);
  assert.equal(new Pieces().joined().length, 0);
});
