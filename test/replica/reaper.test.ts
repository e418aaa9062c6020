import assert from "node:assert/strict";
import { test } from "node:test";
import { bytesToMapKey, utf8 } from "../../src/base/bytes.js";
import { DEFAULT_HEDGE } from "../../src/cluster-config.js";
import type { Level } from "../../src/config.js";
import { contextUpTo, EMPTY_CONTEXT } from "../../src/lattice/context.js";
import type { Op } from "../../src/lattice/op.js";
import type { NodeId } from "../../src/ports.js";
import { ALL_ROWS } from "../../src/replica/rows.js";
import { SimCluster, type SimClusterOptions } from "../../src/sim/cluster.js";
import { CALM } from "../../src/sim/transport.js";

/** Forgotten 700 ms after the first vote at the soonest: 500 for carriers, twice 100 for clocks. */
const LIMITS = { carrierAgeMaxMs: 500, clockSkewMsMax: 100, reapIntervalMs: 50, settleMs: 100 } as const;
const WAIT_MS = 700;

function clusterOf(options: SimClusterOptions): SimCluster {
  const cluster = new SimCluster({ ...options, limits: { ...LIMITS, ...options.limits } });
  cluster.startAll();
  return cluster;
}

function write(cluster: SimCluster, at: NodeId, key: string, op: Op, level: Level = "QUORUM") {
  return cluster.write(at, { bucket: "b", key: utf8(key), op, context: EMPTY_CONTEXT, level, deadlineMs: 5000 });
}

function putOf(value: string, expiresAtMs?: number): Op {
  return { kind: "put", contentType: "", value: utf8(value), expiresAtMs };
}

const DELETE: Op = { kind: "delete" };

function readOf(cluster: SimCluster, at: NodeId, key: string, level: Level = "ALL"): string | undefined {
  const asked = { bucket: "b", key: utf8(key), level, deadlineMs: 1000, hedge: DEFAULT_HEDGE, mend: true } as const;
  const outcome = cluster.read(at, asked);
  assert.ok(outcome.ok, outcome.ok ? "" : outcome.failure.detail);
  const [content] = outcome.view.contents;
  return content === undefined ? undefined : Buffer.from(content.value).toString();
}

function rowsOf(cluster: SimCluster, node: NodeId): number {
  const rows = cluster.disk(node).scan(ALL_ROWS.from, ALL_ROWS.to, 1_000_000, Number.POSITIVE_INFINITY).length;
  if (cluster.runs(node)) assert.equal(cluster.member(node).describe().rows, rows, "a tree counts other rows");
  return rows;
}

function rowsOfAll(cluster: SimCluster): number[] {
  return cluster.ids.map((id) => rowsOf(cluster, id));
}

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

test("an old copy of a disk does not bring back what all have forgotten since", () => {
  const cluster = clusterOf({ seed: "old copy", partitions: 1 });
  assert.ok(write(cluster, "n1", "gone", putOf("zombie"), "ALL").ok);
  assert.ok(write(cluster, "n1", "kept", putOf("kept"), "ALL").ok);
  cluster.run(1000);
  const everything = [Uint8Array.of(0), Uint8Array.of(255)] as const;
  const copy = cluster.disk("n3").scan(...everything, 1_000_000, Number.POSITIVE_INFINITY);
  assert.ok(write(cluster, "n1", "gone", DELETE, "ALL").ok);
  cluster.run(5000);
  assert.deepEqual(rowsOfAll(cluster), [1, 1, 1]);
  cluster.crash("n3");
  cluster.wipe("n3");
  cluster.disk("n3").write(new Map(copy.map((row) => [bytesToMapKey(row.key), row])));
  cluster.start("n3");
  for (let step = 0; step < 100; step++) {
    cluster.run(100);
    assert.equal(readOf(cluster, "n1", "gone", "ONE"), undefined);
    assert.equal(readOf(cluster, "n3", "gone", "QUORUM"), undefined);
  }
  assert.equal(cluster.member("n3").describe().rebuilding, 0);
  assert.deepEqual(rowsOfAll(cluster), [1, 1, 1]);
  assert.equal(readOf(cluster, "n3", "kept"), "kept");
});

for (const [type, put, opOf] of [
  ["counter", '{"value":7}', (): Op => ({ kind: "add", by: 7 })],
  ["set", '{"value":["anew"]}', (element: string): Op => ({ kind: "edit-set", add: [element], remove: [] })],
] as const) {
  test(`an old copy does not bring back what was forgotten of a key that was made anew, type ${type}`, () => {
    const cluster = clusterOf({ seed: "anew", partitions: 1, bucket: { type } });
    assert.ok(write(cluster, "n3", "k", opOf("zombie"), "ALL").ok);
    cluster.run(1000);
    cluster.disk("n3").copy();
    assert.ok(write(cluster, "n1", "k", DELETE, "ALL").ok);
    cluster.run(5000);
    assert.deepEqual(rowsOfAll(cluster), [0, 0, 0]);
    cluster.crash("n3");
    cluster.disk("n3").restore("snapshot");
    cluster.run(1000);
    cluster.start("n3");
    cluster.runUntil(
      () => cluster.member("n3").describe().rebuilding > 0 && cluster.member("n1").opinionOf("n3").alive,
    );
    assert.ok(write(cluster, "n1", "k", opOf("anew")).ok);
    for (let step = 0; step < 50; step++) {
      assert.equal(readOf(cluster, "n1", "k", "QUORUM"), put);
      cluster.run(100);
    }
    assert.equal(readOf(cluster, "n3", "k"), put);
  });
}

for (const [type, whole, opOf] of [
  ["counter", '{"value":11}', (by: number): Op => ({ kind: "add", by })],
  ["set", '{"value":["1","10"]}', (by: number): Op => ({ kind: "edit-set", add: [`${by}`], remove: [] })],
] as const) {
  test(`owners that all begin a new life join what they hold, however old it is, type ${type}`, () => {
    for (const behind of ["n1", "n2", "n3"] as const) {
      const cluster = clusterOf({ seed: `all moved ${behind}`, partitions: 1, bucket: { type } });
      assert.ok(write(cluster, "n1", "k", opOf(1), "ALL").ok);
      cluster.crash(behind);
      const others = cluster.ids.filter((id) => id !== behind);
      assert.ok(write(cluster, others[0] as NodeId, "k", opOf(10)).ok);
      for (const id of others) cluster.crash(id);
      for (const id of cluster.ids) {
        cluster.disk(id).copy();
        cluster.disk(id).restore("files");
      }
      // Longer than anything may travel.
      cluster.run(2000);
      for (const id of cluster.ids) cluster.start(id);
      cluster.runUntil(() => cluster.ids.every((id) => cluster.member(id).describe().rebuilding === 0));
      assert.equal(readOf(cluster, "n1", "k"), whole);
    }
  });
}

test("a hint does not make anew what was forgotten of the old copy that it meets", () => {
  const cluster = clusterOf({ seed: "hint before sync", partitions: 1, bucket: { type: "counter" } });
  assert.ok(write(cluster, "n3", "k", { kind: "add", by: 5 }, "ALL").ok);
  cluster.run(1000);
  cluster.disk("n3").copy();
  assert.ok(write(cluster, "n1", "k", DELETE, "ALL").ok);
  cluster.run(5000);
  assert.deepEqual(rowsOfAll(cluster), [0, 0, 0]);
  cluster.crash("n3");
  cluster.disk("n3").restore("files");
  cluster.run(5000);
  assert.ok(write(cluster, "n1", "k", { kind: "add", by: 7 }).ok);
  cluster.start("n3");
  cluster.runUntil(() => cluster.ids.every((id) => cluster.member(id).describe().rebuilding === 0));
  cluster.run(1000);
  assert.equal(readOf(cluster, "n3", "k"), '{"value":7}');
});
