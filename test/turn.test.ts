import assert from "node:assert/strict";
import { test } from "node:test";
import type { Storage, Transport, World } from "../src/ports.js";
import { SimClock } from "../src/sim/clock.js";
import { SimMeter } from "../src/sim/meter.js";
import { SimRandom } from "../src/sim/random.js";
import { Turn } from "../src/turn.js";

/** A turn over ports that write down, in order, what reaches them. */
function traced(): { turn: Turn; trace: string[]; clock: SimClock; receive: () => void } {
  const trace: string[] = [];
  const clock = new SimClock();
  let receive = () => {};
  const transport: Transport = {
    send: (to, bytes) => trace.push(`send ${to} ${bytes[0]}`),
    onReceive: (receiver) => {
      receive = () => receiver("n2", [Uint8Array.of(1), Uint8Array.of(2)]);
    },
    release: () => trace.push("release sends"),
  };
  const storage: Storage = {
    latest: () => undefined,
    durable: () => undefined,
    scan: () => [],
    commit: (_batch, onDone) => {
      trace.push("commit");
      clock.after(1, () => onDone());
    },
    salvage: () => {},
    identity: () => "",
    release: () => trace.push("release commits"),
  };
  const log = { info() {}, warn() {} };
  const world: World = { clock, transport, storage, log, random: new SimRandom(1), meter: new SimMeter(), bootId: "" };
  return { turn: new Turn(world), trace, clock, receive: () => receive() };
}

test("an input runs to its end, then the local queue, then sends and commits are released once, then answers", () => {
  const { turn, trace } = traced();
  turn.run(() => {
    turn.answer(() => trace.push("answer"));
    turn.later(() => {
      trace.push("local");
      turn.later(() => trace.push("local of local"));
    });
    turn.world.transport.send("n2", Uint8Array.of(7));
    turn.world.storage.commit([], () => {});
    trace.push("end of input");
  });
  const input = ["send n2 7", "commit", "end of input", "local", "local of local"];
  assert.deepEqual(trace, [...input, "release commits", "release sends", "answer"]);
});

test("frames of one read are one turn; a timer and a finished commit are turns of their own", () => {
  const { turn, trace, clock, receive } = traced();
  turn.world.transport.onReceive((from, frames) => trace.push(`${frames.length} frames of ${from}`));
  receive();
  assert.deepEqual(trace.splice(0), ["2 frames of n2", "release commits", "release sends"]);
  turn.run(() => turn.world.storage.commit([], () => trace.push("durable")));
  turn.world.clock.after(5, () => trace.push("timer"));
  trace.splice(0);
  while (clock.step());
  assert.deepEqual(trace, ["durable", "release commits", "release sends", "timer", "release commits", "release sends"]);
});

test("who is answered may begin the next turn at once", () => {
  const { turn, trace } = traced();
  turn.run(() => turn.answer(() => turn.run(() => trace.push("next"))));
  assert.deepEqual(trace, ["release commits", "release sends", "next", "release commits", "release sends"]);
});

test("a port that calls back inside a turn is a programmer's error", () => {
  const { turn } = traced();
  assert.throws(() => turn.run(() => turn.run(() => {})), /called back inside a turn/);
});

test("later and answer belong to a turn", () => {
  const { turn } = traced();
  assert.throws(() => turn.later(() => {}), /only a turn has a later/);
  assert.throws(() => turn.answer(() => {}), /only a turn has answers/);
});
