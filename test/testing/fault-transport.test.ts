import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { NodeId } from "../../src/ports.js";
import { SimClock } from "../../src/sim/clock.js";
import { SimRandom } from "../../src/sim/random.js";
import { CALM, SimNetwork } from "../../src/sim/transport.js";
import { type Faults, FaultTransport, NO_FAULTS } from "../../src/testing/fault-transport.js";
import { simulatedFleet } from "../ports/sim-fleet.js";
import { transportSuite } from "../ports/transport.suite.js";

const HELD_BYTES_MAX = 1000;

transportSuite({
  name: "able to fail, but without a fault",
  open: (ids, limits) =>
    simulatedFleet(ids, limits, (inner, clock, id) => new FaultTransport(inner, clock, new SimRandom(id), 0)),
});

/** n1 and n2 in virtual time, and what n2 heard at which millisecond. */
class Pair {
  readonly clock = new SimClock();
  readonly heard: { readonly atMs: number; readonly text: string }[] = [];
  readonly one: FaultTransport;
  readonly two: FaultTransport;

  constructor() {
    const network = new SimNetwork(this.clock, new SimRandom("network"));
    network.weather = { ...CALM, delayMsMin: 0, delayMsMax: 0 };
    const open = (id: NodeId) => new FaultTransport(network.port(id), this.clock, new SimRandom(id), HELD_BYTES_MAX);
    this.one = open("n1");
    this.two = open("n2");
    this.two.onReceive((_, frames) => {
      for (const frame of frames) this.heard.push({ atMs: this.clock.nowMs(), text: Buffer.from(frame).toString() });
    });
  }

  send(...texts: readonly string[]): void {
    for (const text of texts) this.one.send("n2", Buffer.from(text));
    this.one.release();
  }

  texts(): string[] {
    return this.heard.map(({ text }) => text);
  }
}

function slow(percent: number, delayMs: number): Faults {
  return { ...NO_FAULTS, slowness: { percent, delayMs } };
}

describe("the transport that fails on command", () => {
  test("drops what is sent to a peer that is cut off, and nothing after the heal", () => {
    const pair = new Pair();
    pair.one.faults = { ...NO_FAULTS, cutTo: ["n2"] };
    pair.send("lost");
    pair.one.faults = { ...NO_FAULTS, cutTo: ["n3"] };
    pair.send("arrives");
    pair.clock.runUntil(10);
    assert.deepEqual(pair.texts(), ["arrives"]);
  });

  test("drops what comes from a peer that is cut off, even what was on its way", () => {
    const pair = new Pair();
    pair.send("on its way");
    pair.two.faults = { ...NO_FAULTS, cutFrom: ["n1"] };
    pair.clock.runUntil(10);
    pair.send("lost");
    pair.clock.runUntil(20);
    pair.two.faults = NO_FAULTS;
    pair.send("arrives");
    pair.clock.runUntil(30);
    assert.deepEqual(pair.texts(), ["arrives"]);
  });

  test("delays the share it is told to, and lets the others pass at once", () => {
    const pair = new Pair();
    pair.one.faults = slow(10, 50);
    for (let frame = 0; frame < 1000; frame++) {
      pair.send(`${frame}`);
      pair.clock.runUntil(frame + 1);
    }
    pair.clock.runUntil(2000);
    assert.equal(pair.heard.length, 1000);
    const lateness = pair.heard.map(({ atMs, text }) => atMs - Number(text));
    const late = lateness.filter((lateMs) => lateMs > 0);
    assert.ok(late.every((lateMs) => lateMs === 50));
    assert.ok(late.length > 60 && late.length < 140, `${late.length} of 1000 were late`);
  });

  test("delays all that goes far, beside what is late anyhow", () => {
    const pair = new Pair();
    const distance = { to: ["n2"], delayMs: 20 };
    pair.one.faults = { ...NO_FAULTS, distance: { ...distance, to: ["n3"] } };
    pair.send("near");
    pair.one.faults = { ...NO_FAULTS, distance };
    pair.send("far");
    pair.one.faults = { ...slow(100, 50), distance };
    pair.send("far and late");
    pair.clock.runUntil(100);
    assert.deepEqual(pair.heard, [
      { atMs: 0, text: "near" },
      { atMs: 20, text: "far" },
      { atMs: 70, text: "far and late" },
    ]);
  });

  test("a delayed frame is not released before its turn, and counts its delay from there", () => {
    const pair = new Pair();
    pair.one.faults = slow(100, 50);
    pair.one.send("n2", Buffer.from("held"));
    pair.clock.runUntil(100);
    assert.deepEqual(pair.heard, []);
    pair.one.release();
    pair.clock.runUntil(149);
    assert.deepEqual(pair.heard, []);
    pair.clock.runUntil(150);
    assert.deepEqual(pair.texts(), ["held"]);
  });

  test("a cut also holds for what was delayed before it", () => {
    const pair = new Pair();
    pair.one.faults = slow(100, 50);
    pair.send("held");
    pair.one.faults = { ...NO_FAULTS, cutTo: ["n2"] };
    pair.clock.runUntil(100);
    assert.deepEqual(pair.heard, []);
  });

  test("holds back no more than its limit, and drops the rest", () => {
    const pair = new Pair();
    pair.one.faults = slow(100, 50);
    pair.send("a".repeat(HELD_BYTES_MAX - 1), "bc", "d");
    pair.clock.runUntil(50);
    assert.deepEqual(pair.texts(), ["a".repeat(HELD_BYTES_MAX - 1), "d"]);
    pair.send("e".repeat(HELD_BYTES_MAX));
    pair.clock.runUntil(100);
    assert.equal(pair.heard.length, 3);
  });
});
