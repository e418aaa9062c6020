import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { SimClock } from "../../src/sim/clock.js";
import { SimMeter } from "../../src/sim/meter.js";
import { Lag } from "../../src/wire/lag.js";
import type { Request } from "../../src/wire/messages.js";
import { Shedder } from "../../src/wire/shedder.js";

const REQUESTS = {
  scan: { kind: "scan", bucket: "b", keysMax: 1, positions: [] },
  hint: { kind: "merge", cause: "hint", entries: [] },
  sync: { kind: "sync-blocks", placement: 0, blocks: [] },
  read: { kind: "read", rows: [] },
  mend: { kind: "merge", cause: "mend", entries: [] },
  write: { kind: "merge", cause: "write", entries: [] },
  ping: { kind: "ping", actor: 1n, boundUs: 0, gossip: new Uint8Array(0) },
} as const satisfies Record<string, Request>;

const LIMITS = { shedLagMs: 100 };

function shedAt(standingMs: number): string[] {
  const shedder = new Shedder({ overdueMs: 0, standingMs }, LIMITS, new SimMeter());
  const names = Object.keys(REQUESTS) as (keyof typeof REQUESTS)[];
  return names.filter((name) => shedder.refusal(REQUESTS[name], 1000) === "overloaded");
}

describe("what a late node does not do", () => {
  test("the later it is, the more it refuses: scans, repairs, reads, writes, and control never", () => {
    assert.deepEqual(shedAt(0), []);
    assert.deepEqual(shedAt(100), []);
    assert.deepEqual(shedAt(101), ["scan"]);
    assert.deepEqual(shedAt(201), ["scan", "hint", "sync"]);
    assert.deepEqual(shedAt(301), ["scan", "hint", "sync", "read"]);
    assert.deepEqual(shedAt(401), ["scan", "hint", "sync", "read", "mend", "write"]);
    assert.deepEqual(shedAt(1e9), ["scan", "hint", "sync", "read", "mend", "write"]);
  });

  test("what may have waited longer than its asker does is expired, control never", () => {
    const meter = new SimMeter();
    const shedder = new Shedder({ overdueMs: 500, standingMs: 0 }, LIMITS, meter);
    assert.equal(shedder.refusal(REQUESTS.read, 500), "expired");
    assert.equal(shedder.refusal(REQUESTS.write, 400), "expired");
    assert.equal(shedder.refusal(REQUESTS.read, 501), undefined);
    assert.equal(shedder.refusal(REQUESTS.ping, 1), undefined);
    assert.equal(meter.sum("murmur_expired_total", { work: "read" }), 1);
    assert.equal(meter.sum("murmur_expired_total", { work: "write" }), 1);
  });
});

describe("how late a node is", () => {
  function paused(clock: ReturnType<SimClock["nodeClock"]>, world: SimClock, forMs: number): void {
    clock.pause();
    world.runUntil(world.nowMs() + forMs);
    clock.resume();
  }

  test("after a pause, by that pause until the beat comes, and no more after it", () => {
    const world = new SimClock();
    const clock = world.nodeClock();
    const lag = new Lag(clock);
    lag.start();
    world.runUntil(1050);
    assert.equal(lag.overdueMs, 0);
    paused(clock, world, 5000);
    assert.equal(lag.overdueMs, 4950);
    world.runUntil(world.nowMs() + 1);
    assert.equal(lag.overdueMs, 0);
    assert.equal(lag.standingMs, 0, "one pause is not a load");
  });

  test("when beat after beat is late, by the least of them", () => {
    const world = new SimClock();
    const clock = world.nodeClock();
    const lag = new Lag(clock);
    lag.start();
    for (const forMs of [400, 300, 600]) {
      paused(clock, world, forMs);
      world.runUntil(world.nowMs());
    }
    assert.equal(lag.standingMs, 200);
    world.runUntil(world.nowMs() + 100);
    assert.equal(lag.standingMs, 0);
  });

  test("a stopped one sets no more timers", () => {
    const world = new SimClock();
    const lag = new Lag(world);
    lag.start();
    lag.stop();
    assert.equal(world.step(), false);
  });
});
