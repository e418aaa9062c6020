/** The queue of rumours: bounded messages, the newest first, each so many times. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8 } from "../../src/base/bytes.js";
import { Gossip } from "../../src/membership/gossip.js";

const take = (gossip: Gossip, bytesMax: number) =>
  gossip.take(bytesMax, (node) => utf8(node)).map((rumour) => Buffer.from(rumour).toString());

test("SWIM 4.1: a rumour is sent lambda * log(n) times, then it rests", () => {
  for (const [members, sends] of [
    [3, 5],
    [25, 10],
    [1000, 21],
  ] as const) {
    const gossip = new Gossip(members, 3);
    gossip.add("n1");
    for (let sent = 0; sent < sends; sent++) assert.deepEqual(take(gossip, 100), ["n1"]);
    assert.deepEqual(take(gossip, 100), []);
  }
});

test("what was sent least goes first, and a message is never fuller than its bound", () => {
  const gossip = new Gossip(10, 1);
  for (const node of ["n1", "n2", "n3"]) gossip.add(node);
  assert.deepEqual(take(gossip, 4), ["n1", "n2"]);
  gossip.add("n4");
  assert.deepEqual(take(gossip, 5), ["n3", "n4"]);
  assert.deepEqual(take(gossip, 4), ["n1", "n2"]);
});

test("newer news of a member takes the place of older, and counts as never sent", () => {
  const gossip = new Gossip(2, 1);
  gossip.add("n1");
  gossip.add("n2");
  assert.deepEqual(take(gossip, 100), ["n1", "n2"]);
  gossip.add("n1");
  assert.deepEqual(take(gossip, 2), ["n1"]);
  assert.deepEqual(take(gossip, 100), ["n2", "n1"].sort().reverse());
  assert.deepEqual(take(gossip, 100), []);
});
