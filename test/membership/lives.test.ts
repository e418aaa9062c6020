/** What a peer remembers of the lives of a store, and answers to one that was left. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Flock } from "../../bench/flock.js";
import { FORMER_BOUND_US, FORMER_LIVES_MAX } from "../../src/membership/lives.js";
import { encodeTable, NOBODY } from "../../src/membership/members.js";

type Ping = (actor: bigint, boundUs: number, incarnation: number) => number;

/** n2 runs, and is pinged by an n1 of many lives. */
function listener(): { readonly ping: Ping; readonly spoken: () => bigint | undefined } {
  const flock = new Flock({ nodes: 2, seed: "lives" });
  flock.start("n2");
  const ping: Ping = (actor, boundUs, incarnation) => {
    const said = { incarnation, actor, isRebuilding: false, status: "alive", suspecters: NOBODY } as const;
    const gossip = encodeTable(new Map([["n1", said]]));
    return flock.of("n2").peers.onPing("n1", { kind: "ping", actor, boundUs, gossip }).rememberedBoundUs;
  };
  return { ping, spoken: () => flock.of("n2").peers.actorOf("n1") };
}

test("a store that speaks under a former actor is told that it forgot, and does not become the present one by it", () => {
  const { ping } = listener();
  assert.deepEqual([ping(1n, 50, 1), ping(1n, 70, 1), ping(1n, 60, 1)], [0, 50, 70]);
  assert.deepEqual([ping(2n, 10, 2), ping(2n, 10, 2)], [0, 10]);
  assert.deepEqual([ping(1n, 90, 3), ping(1n, 100, 4)], [FORMER_BOUND_US, FORMER_BOUND_US]);
  assert.deepEqual([ping(2n, 10, 5), ping(2n, 10, 5)], [10, 10]);
});

test("what is compared with a store that was set back is not taken for what its later life held", () => {
  const { ping, spoken } = listener();
  const spokenAfter = (actor: bigint, incarnation: number) => {
    ping(actor, 50, incarnation);
    return spoken();
  };
  assert.deepEqual([spokenAfter(1n, 1), spokenAfter(2n, 2)], [1n, 2n]);
  assert.equal(spokenAfter(1n, 1), 2n, "it said so before");
  assert.equal(spokenAfter(1n, 3), 1n);
});

test("an actor that is not durable yet ends no life", () => {
  const { ping } = listener();
  assert.deepEqual([ping(1n, 50, 1), ping(2n, 0, 2), ping(1n, 50, 3)], [0, 0, 50]);
});

test("a late ping of a life that nobody here has heard of leaves the present one present", () => {
  const { ping } = listener();
  assert.deepEqual([ping(2n, 10, 7), ping(1n, 50, 6), ping(2n, 10, 7)], [0, 0, 10]);
});

test("who forgot in a restart how often it had spoken is heard once it was told", () => {
  const { ping } = listener();
  assert.deepEqual([ping(1n, 50, 7), ping(2n, 10, 1), ping(2n, 10, 8), ping(2n, 10, 8)], [0, 0, 0, 10]);
  assert.equal(ping(1n, 50, 9), FORMER_BOUND_US);
});

test("of the lives of a store so many are remembered, and the oldest go first", () => {
  const { ping } = listener();
  for (let life = 1; life <= FORMER_LIVES_MAX + 2; life++) assert.equal(ping(BigInt(life), 1, life), 0);
  assert.equal(ping(2n, 1, 100), FORMER_BOUND_US);
  assert.equal(ping(1n, 1, 100), 0, "the oldest is forgotten");
});
