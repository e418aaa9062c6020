/** The reaper, on virtual time. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8 } from "../../src/base/bytes.js";
import { contextUpTo } from "../../src/lattice/context.js";
import type { NodeId } from "../../src/ports.js";
import { CALM } from "../../src/sim/transport.js";

import { clusterOf, DELETE, putOf, readOf, rowsOf, rowsOfAll, WAIT_MS, write } from "./forgetful-cluster.js";

test("a tombstone is forgotten by all its owners, and only when no carrier can be left", () => {
  const cluster = clusterOf({ seed: "forgotten" });
  for (const key of ["a", "b", "c"]) assert.ok(write(cluster, "n1", key, putOf(key), "ALL").ok);
  for (const key of ["a", "b"]) assert.ok(write(cluster, "n2", key, DELETE).ok);
  cluster.run(WAIT_MS);
  assert.deepEqual(rowsOfAll(cluster), [3, 3, 3]);
  cluster.run(2000);
  assert.deepEqual(rowsOfAll(cluster), [1, 1, 1]);
  assert.equal(readOf(cluster, "n3", "a"), undefined);
  assert.equal(readOf(cluster, "n3", "c"), "c");
});

test("an expired value is forgotten like a tombstone; one that has time left is not", () => {
  const cluster = clusterOf({ seed: "expired" });
  const wallMs = cluster.clock.wallMs();
  assert.ok(write(cluster, "n1", "short", putOf("x", wallMs + 500)).ok);
  assert.ok(write(cluster, "n1", "long", putOf("y", wallMs + 60_000)).ok);
  cluster.run(5000);
  assert.deepEqual(rowsOfAll(cluster), [1, 1, 1]);
  assert.equal(readOf(cluster, "n2", "long"), "y");
});

test("a key that is created anew lives on, whenever that happens", () => {
  for (let afterMs = 0; afterMs < 3000; afterMs += 37) {
    const cluster = clusterOf({ seed: `anew ${afterMs}` });
    assert.ok(write(cluster, "n1", "k", putOf("old"), "ALL").ok);
    assert.ok(write(cluster, "n1", "k", DELETE).ok);
    cluster.run(afterMs);
    assert.ok(write(cluster, "n2", "k", putOf("new")).ok);
    cluster.run(5000);
    assert.equal(readOf(cluster, "n3", "k"), "new", `after ${afterMs} ms`);
    assert.deepEqual(rowsOfAll(cluster), [1, 1, 1]);
  }
});

test("while one owner is down nothing is forgotten, and soon after it is back all is", () => {
  const cluster = clusterOf({ seed: "down" });
  assert.ok(write(cluster, "n1", "k", putOf("old"), "ALL").ok);
  cluster.crash("n3");
  cluster.run(3000);
  assert.ok(write(cluster, "n1", "k", DELETE).ok);
  cluster.run(60_000);
  assert.deepEqual(rowsOfAll(cluster), [1, 1, 1]);
  cluster.start("n3");
  cluster.run(10_000);
  assert.deepEqual(rowsOfAll(cluster), [0, 0, 0]);
});

test("an owner that was wiped between the votes starts them over", () => {
  const cluster = clusterOf({ seed: "wiped" });
  assert.ok(write(cluster, "n1", "k", DELETE, "ALL").ok);
  cluster.run(500);
  cluster.crash("n2");
  cluster.wipe("n2");
  cluster.start("n2");
  cluster.run(400);
  assert.equal(cluster.member("n2").describe().rebuilding, 0);
  assert.deepEqual(rowsOfAll(cluster), [1, 1, 1]);
  cluster.run(200);
  assert.deepEqual(rowsOfAll(cluster), [1, 1, 1]);
  cluster.run(5000);
  assert.deepEqual(rowsOfAll(cluster), [0, 0, 0]);
});

test("a tombstone with a stamp from the future is kept until the future has come", () => {
  const cluster = clusterOf({ seed: "future", clock: (index) => ({ offsetMs: index === 0 ? 4000 : 0 }) });
  const aheadUs = (cluster.clock.wallMs() + 10_000) * 1000;
  const ahead = { bucket: "b", key: utf8("k"), op: DELETE, level: "ALL", deadlineMs: 1000 } as const;
  assert.ok(cluster.write("n2", { ...ahead, context: contextUpTo({ timeUs: aheadUs, actor: 1n }) }).ok);
  cluster.run(8000);
  cluster.nodeClock("n1").jump(-4000);
  assert.deepEqual(rowsOfAll(cluster), [1, 1, 1]);
  cluster.run(10_000);
  assert.deepEqual(rowsOfAll(cluster), [0, 0, 0]);
});

test("an owner whose clock is off votes for nothing", () => {
  const cluster = clusterOf({ seed: "off" });
  assert.ok(write(cluster, "n1", "k", DELETE, "ALL").ok);
  cluster.nodeClock("n3").jump(5000);
  cluster.run(10_000);
  assert.deepEqual(rowsOfAll(cluster), [1, 1, 1]);
  cluster.nodeClock("n3").jump(-5000);
  cluster.run(5000);
  assert.deepEqual(rowsOfAll(cluster), [0, 0, 0]);
});

test("a frame that outlived the tombstone raises nobody from the dead", () => {
  const cluster = clusterOf({ seed: "late frame", nodes: 4, replication: 3, partitions: 1 });
  const owners = cluster.layout.owners[0]?.[0] as readonly NodeId[];
  const far = cluster.ids.find((id) => !owners.includes(id)) as NodeId;
  // Every frame comes twice, some of them seconds later.
  cluster.network.weather = { ...CALM, duplicateRate: 1, delayMsMax: 400 };
  cluster.network.slow(far, 10);
  for (let round = 0; round < 20; round++) {
    write(cluster, far, "k", putOf(`value ${round}`));
    cluster.network.slow(far, 1);
    assert.ok(write(cluster, owners[0] as NodeId, "k", DELETE).ok);
    cluster.network.slow(far, 10);
    cluster.run(200);
  }
  cluster.network.slow(far, 1);
  cluster.network.weather = CALM;
  cluster.run(10_000);
  assert.deepEqual(
    owners.map((id) => rowsOf(cluster, id)),
    [0, 0, 0],
  );
});

test("an owner that crashed before it forgot is met again, and all forget in the end", () => {
  const cluster = clusterOf({ seed: "half", limits: { reapIntervalMs: 10 } });
  for (let key = 0; key < 50; key++) assert.ok(write(cluster, "n1", `k${key}`, DELETE, "ALL").ok);
  cluster.runUntil(() => rowsOfAll(cluster).some((rows) => rows < 50), 10_000);
  const late = cluster.ids.find((id) => rowsOf(cluster, id) > 0);
  if (late !== undefined) {
    cluster.crash(late, "lost");
    cluster.run(1000);
    cluster.start(late);
  }
  cluster.run(30_000);
  assert.deepEqual(rowsOfAll(cluster), [0, 0, 0]);
});

test("over datacenters each row is forgotten once, whatever syncs come between its owners' deletions", () => {
  const cluster = clusterOf({
    ...{ seed: "afar", nodes: 6, partitions: 4, distanceMs: 50, replication: { dc1: 3, dc2: 3 } },
    place: (index) => ({ datacenter: index < 3 ? "dc1" : "dc2", rack: `r${index}` }),
    limits: { syncIntervalMs: 20, carrierAgeMaxMs: 1000 },
  });
  for (let key = 0; key < 20; key++) assert.ok(write(cluster, "n1", `k${key}`, DELETE, "ALL").ok);
  cluster.runUntil(() => rowsOfAll(cluster).every((rows) => rows === 0));
  cluster.run(2000);
  assert.deepEqual(rowsOfAll(cluster), [0, 0, 0, 0, 0, 0]);
  const reaped = cluster.ids.reduce((sum, id) => sum + cluster.meter(id).sum("murmur_reaped_rows_total"), 0);
  assert.equal(reaped, 20 * 6);
});
