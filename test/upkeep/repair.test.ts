import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8 } from "../../src/base/bytes.js";
import { EMPTY_CONTEXT } from "../../src/lattice/context.js";
import { SimCluster } from "../../src/sim/cluster.js";

const ALL = [Uint8Array.of(1), Uint8Array.of(2), 1_000_000] as const;
const HOUR_MS = 3_600_000;

function write(cluster: SimCluster, at: string, bucket: string, from: number, to: number): void {
  for (let index = from; index < to; index++) {
    const op = { kind: "put", contentType: "", value: utf8(`${index} at ${at}`), expiresAtMs: undefined } as const;
    const about = {
      bucket,
      key: utf8(`key ${index}`),
      op,
      context: EMPTY_CONTEXT,
      level: "ONE",
      deadlineMs: 1000,
    } as const;
    cluster.member(at).write(about, () => {});
    if (index % 100 === 0) cluster.run(20);
  }
  cluster.run(500);
}

/** Three nodes, of which n3 misses rows of two buckets; nothing is compared unless it is ordered. */
function apart(seed: string): SimCluster {
  const cluster = new SimCluster({ seed, limits: { syncIntervalMs: HOUR_MS, hintRowsMax: 0, settleMs: 0 } });
  cluster.startAll();
  write(cluster, "n1", "b", 0, 300);
  cluster.run(10_000);
  cluster.network.partition([["n1", "n2"], ["n3"]]);
  cluster.run(3000);
  write(cluster, "n1", "b", 300, 340);
  write(cluster, "n1", "c", 0, 10);
  return cluster;
}

function repaired(cluster: SimCluster, node: string, order: { isCheck?: boolean; bucket?: string } = {}) {
  const member = cluster.member(node);
  assert.ok(member.repair({ isCheck: order.isCheck ?? false, bucket: order.bucket }));
  assert.equal(member.repair({ isCheck: false, bucket: undefined }), false, "one at a time");
  assert.equal(member.repairStatus().state, "running");
  cluster.runUntil(() => member.repairStatus().state === "done", 120_000);
  return member.repairStatus();
}

function rowsAt(cluster: SimCluster, node: string): number {
  return cluster.storage(node).scan(...ALL).length;
}

test("a node that was never ordered to repair says so", () => {
  const cluster = new SimCluster({ seed: "idle" });
  cluster.startAll();
  assert.deepEqual(
    [cluster.member("n1").repairStatus().state, cluster.member("n1").repairStatus().peers],
    ["idle", []],
  );
});

test("a repair compares with every peer, reads every row, and reports both", () => {
  const cluster = apart("all");
  cluster.network.heal();
  const status = repaired(cluster, "n3");
  cluster.run(2000);
  assert.equal(rowsAt(cluster, "n3"), 350);
  assert.deepEqual(
    status.peers.map(({ node, state, partitions }) => [node, state, partitions]),
    [
      ["n1", "complete", 16],
      ["n2", "complete", 16],
    ],
  );
  assert.deepEqual([status.damagedRows, status.healedRows, status.scrubbed], [0, 0, 1]);
  const again = repaired(cluster, "n3");
  assert.equal(again.scrubbedRows, 350);
  assert.ok(again.peers.every(({ differing, pulled, pushed }) => differing + pulled + pushed === 0));
});

test("a check counts what differs and what is damaged, and moves and mends nothing", () => {
  const cluster = new SimCluster({ seed: "check", limits: { syncIntervalMs: HOUR_MS } });
  cluster.startAll();
  write(cluster, "n1", "b", 0, 300);
  cluster.run(10_000);
  const [row] = cluster.storage("n2").scan(...ALL);
  cluster.disk("n2").flip(row?.key as Uint8Array, 200);
  const status = repaired(cluster, "n2", { isCheck: true });
  assert.equal(status.check, true);
  assert.deepEqual([status.found.row, status.damagedRows, status.healedRows], [1, 1, 0]);
  const whole = repaired(cluster, "n2");
  assert.deepEqual([whole.found.row, whole.damagedRows, whole.healedRows], [1, 0, 1]);
  assert.equal(repaired(cluster, "n2", { isCheck: true }).found.row, 0);
});

test("a repair of one bucket reads and moves the rows of that bucket alone", () => {
  const cluster = new SimCluster({ seed: "bucket", limits: { syncIntervalMs: HOUR_MS } });
  cluster.startAll();
  write(cluster, "n1", "b", 0, 300);
  write(cluster, "n1", "c", 0, 10);
  cluster.run(10_000);
  const rows = cluster.storage("n2").scan(...ALL);
  for (const { key } of rows) cluster.disk("n2").flip(key, 200);
  const status = repaired(cluster, "n2", { bucket: "c" });
  assert.deepEqual([status.found.row, status.healedRows, status.damagedRows], [10, 10, 0]);
});

test("a peer that does not answer is reported as not compared", () => {
  const cluster = apart("broken");
  const status = repaired(cluster, "n1");
  assert.deepEqual(
    status.peers.map(({ node, state }) => [node, state]),
    [
      ["n2", "complete"],
      ["n3", "broken"],
    ],
  );
});
