/** The storage suite on both bodies, and the faults of the simulated one. SQLite's are in storage-disk.test.ts. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { StorageDamage } from "../../src/ports.js";
import { SimClock } from "../../src/sim/clock.js";
import { SimDisk } from "../../src/sim/disk.js";
import { SimStorage } from "../../src/sim/storage.js";
import { storageSuite } from "./storage.suite.js";
import { barrier, commit, type Harness, put, remove, text } from "./storage-harness.js";
import { RealHarness } from "./storage-real.js";

const COMMIT_MS = 2;

function simulated(groupOnItsWay: "lost" | "kept"): Harness {
  const clock = new SimClock();
  const disk = new SimDisk();
  const open = (): SimStorage => new SimStorage({ clock, disk, commitMs: COMMIT_MS });
  let storage = open();
  return {
    get storage() {
      return storage;
    },
    async begin() {
      // Half of a commit's time: it is under way after one call and done after two.
      clock.runUntil(clock.nowMs() + COMMIT_MS / 2);
    },
    async settle() {
      const done = barrier(storage);
      while (clock.step());
      await done;
    },
    crash() {
      storage.crash(groupOnItsWay);
      storage = open();
    },
    setFull(isFull) {
      disk.fail(isFull ? Number.POSITIVE_INFINITY : 0, "full");
    },
    async close() {},
  };
}

storageSuite("simulated", () => simulated("lost"), 150);
storageSuite("simulated, a crash keeps the group on its way", () => simulated("kept"), 150);
storageSuite("SQLite, synced in groups", () => new RealHarness("group"), 20);
storageSuite("SQLite, synced in groups, a crash loses power", () => new RealHarness("group", true), 20);
storageSuite("SQLite, synced by the operating system", () => new RealHarness("os"), 20);

describe("faults of the simulated disk", () => {
  function start(): { clock: SimClock; disk: SimDisk; storage: SimStorage } {
    const clock = new SimClock();
    const disk = new SimDisk();
    return { clock, disk, storage: new SimStorage({ clock, disk, commitMs: COMMIT_MS }) };
  }

  test("a dead process is never called back, and its disk is free for the next", () => {
    const { clock, disk, storage } = start();
    const outcome = commit(storage, [put("a", "1")]);
    storage.crash();
    clock.runUntil(100);
    assert.equal(outcome.isDone, false);
    assert.equal(new SimStorage({ clock, disk, commitMs: COMMIT_MS }).latest(text("a")), undefined);
  });

  test("a process that dies in a callback hears of no other commit", () => {
    const { clock, disk, storage } = start();
    storage.commit([put("a", "1")], () => storage.crash());
    const second = commit(storage, [put("b", "1")]);
    clock.runUntil(100);
    assert.equal(second.isDone, false);
    assert.ok(disk.read("b"), "both were one group");
  });

  test("so many groups fail as were ordered to, then the disk works", () => {
    const { clock, disk, storage } = start();
    disk.fail(2, "io");
    const kinds: Array<string | undefined> = [];
    for (let round = 0; round < 3; round++) {
      const outcome = commit(storage, [put("a", `${round}`)]);
      clock.runUntil(clock.nowMs() + COMMIT_MS);
      kinds.push(outcome.error?.kind);
    }
    assert.deepEqual(kinds, ["io", "io", undefined]);
  });

  test("a damaged row throws in every view that shows it, until it is written again", () => {
    const { clock, disk, storage } = start();
    commit(storage, [put("a", "1"), put("b", "1")]);
    clock.runUntil(COMMIT_MS);
    disk.damage(text("b"));
    assert.throws(() => storage.latest(text("b")), StorageDamage);
    assert.throws(() => storage.durable(text("b")), StorageDamage);
    assert.throws(() => storage.scan(text("a"), text("c"), 10), StorageDamage);
    assert.equal(storage.scan(text("a"), text("b"), 10).length, 1);
    commit(storage, [put("b", "2")]);
    assert.equal(storage.latest(text("b"))?.length, 1);
    assert.throws(() => storage.durable(text("b")), StorageDamage);
    clock.runUntil(2 * COMMIT_MS);
    assert.equal(storage.scan(text("a"), text("c"), 10).length, 2);
  });

  test("a wiped disk is empty and sound", () => {
    const { clock, disk, storage } = start();
    commit(storage, [put("a", "1")]);
    clock.runUntil(COMMIT_MS);
    disk.damage(text("a"));
    disk.fail(1, "full");
    storage.crash();
    disk.wipe();
    const next = new SimStorage({ clock, disk, commitMs: COMMIT_MS });
    assert.equal(next.latest(text("a")), undefined);
    const outcome = commit(next, [put("a", "2")]);
    clock.runUntil(clock.nowMs() + COMMIT_MS);
    assert.deepEqual(outcome, { isDone: true, error: undefined });
  });

  test("20,000 rows in random order come back in key order", () => {
    const { clock, storage } = start();
    const keys = Array.from({ length: 20_000 }, (_, index) =>
      ((index * 0x9e3779b1) >>> 0).toString(16).padStart(8, "0"),
    );
    for (const key of keys) storage.commit([put(key, "")], () => {});
    storage.release();
    clock.runUntil(COMMIT_MS);
    for (const key of keys.slice(0, 10_000)) storage.commit([remove(key)], () => {});
    storage.release();
    clock.runUntil(2 * COMMIT_MS);
    const found = storage.scan(text(""), text("g"), 20_000).map(({ key }) => new TextDecoder().decode(key));
    assert.deepEqual(found, keys.slice(10_000).sort());
  });
});
