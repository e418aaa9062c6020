/** Disks that are copies of what they were, and whole clusters in new lives, where things are forgotten. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { bytesToMapKey } from "../../src/base/bytes.js";
import type { Op } from "../../src/lattice/op.js";
import { ALL_ROWS } from "../../src/replica/rows.js";
import type { SimCluster } from "../../src/sim/cluster.js";
import { clusterOf, DELETE, putOf, readOf, rowsOfAll, write } from "./forgetful-cluster.js";

function untilAllVote(cluster: SimCluster): void {
  cluster.runUntil(() => cluster.ids.every((id) => cluster.member(id).describe().rebuilding === 0));
}

/** All have forgotten the counter k within that time; n3 is down, and its disk is that of before. */
function setBackToForgotten(cluster: SimCluster, forgottenMs: number): void {
  assert.ok(write(cluster, "n3", "k", { kind: "add", by: 5 }, "ALL").ok);
  cluster.run(1000);
  cluster.disk("n3").copy();
  assert.ok(write(cluster, "n1", "k", DELETE, "ALL").ok);
  cluster.run(forgottenMs);
  assert.deepEqual(rowsOfAll(cluster), [0, 0, 0]);
  cluster.crash("n3");
  cluster.disk("n3").restore("files");
}

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
    // Whichever of the two looks at the other first.
    for (let round = 0; round < 8; round++) {
      const cluster = clusterOf({
        seed: `all moved ${round}`,
        nodes: 2,
        replication: 2,
        partitions: 1,
        bucket: { type },
      });
      assert.ok(write(cluster, "n1", "k", opOf(1), "ALL").ok);
      cluster.crash("n2");
      assert.ok(write(cluster, "n1", "k", opOf(10), "ONE").ok);
      cluster.crash("n1");
      for (const id of cluster.ids) {
        cluster.disk(id).copy();
        cluster.disk(id).restore("files");
      }
      // Longer than anything may travel.
      cluster.run(2000);
      for (const id of cluster.ids) cluster.start(id);
      untilAllVote(cluster);
      assert.equal(readOf(cluster, "n1", "k"), whole, `round ${round}`);
    }
  });
}

for (const type of ["counter", "set"] as const) {
  test(`what two owners in new lives hold does not give way to the third, which votes and is behind, type ${type}`, () => {
    const opOf = (by: number): Op =>
      type === "counter" ? { kind: "add", by } : { kind: "edit-set", add: [`${by}`], remove: [] };
    for (let round = 0; round < 4; round++) {
      const cluster = clusterOf({ seed: `behind ${round}`, partitions: 1, bucket: { type } });
      assert.ok(write(cluster, "n1", "k", opOf(1), "ALL").ok);
      cluster.crash("n3");
      assert.ok(write(cluster, "n1", "k", opOf(10)).ok);
      cluster.run(2000);
      for (const id of ["n1", "n2"]) {
        cluster.crash(id);
        cluster.disk(id).copy();
        cluster.disk(id).restore("files");
      }
      cluster.network.cut("n1", "n2");
      for (const id of cluster.ids) cluster.start(id);
      cluster.run(1000);
      cluster.network.heal();
      untilAllVote(cluster);
      const whole = type === "counter" ? '{"value":11}' : '{"value":["1","10"]}';
      assert.equal(readOf(cluster, "n1", "k"), whole, `round ${round}`);
    }
  });
}

test("a row that its owner alone holds, and no other that votes can tell of, is not dropped for its age", () => {
  const cluster = clusterOf({ seed: "sole", partitions: 1, bucket: { type: "counter" } });
  cluster.crash("n2");
  cluster.network.cut("n1", "n3");
  assert.ok(write(cluster, "n1", "k", { kind: "add", by: 5 }, "ONE").ok);
  cluster.run(2000);
  cluster.crash("n1");
  cluster.disk("n1").copy();
  cluster.disk("n1").restore("files");
  cluster.wipe("n2");
  cluster.network.heal();
  // It answers what it is asked of the row before it has got that by its own sync.
  cluster.network.slow("n2", 200);
  for (const id of ["n1", "n2"]) cluster.start(id);
  untilAllVote(cluster);
  cluster.run(1000);
  assert.equal(readOf(cluster, "n3", "k"), '{"value":5}');
});

test("an old copy takes nothing in the place of what it holds, nor beside it, until it knows who votes", () => {
  const cluster = clusterOf({ seed: "half heard", partitions: 1, bucket: { type: "counter" } });
  setBackToForgotten(cluster, 5000);
  assert.ok(write(cluster, "n1", "k", { kind: "add", by: 7 }).ok);
  cluster.network.partition([["n2"], ["n1", "n3"]]);
  cluster.start("n3");
  cluster.run(5000);
  cluster.network.heal();
  untilAllVote(cluster);
  cluster.run(1000);
  assert.equal(readOf(cluster, "n3", "k"), '{"value":7}');
});

test("a hint that comes before the sync does not make anew what was forgotten of the old copy that it meets", () => {
  const limits = { carrierAgeMaxMs: 3000, syncBatchRowsMax: 1, hintRetryMs: 40 };
  const cluster = clusterOf({ seed: "hint before sync", partitions: 1, bucket: { type: "counter" }, limits });
  setBackToForgotten(cluster, 10_000);
  // The sync has these to do besides.
  for (let each = 0; each < 200; each++) assert.ok(write(cluster, "n1", `key ${each}`, { kind: "add", by: 1 }).ok);
  assert.ok(write(cluster, "n1", "k", { kind: "add", by: 7 }).ok);
  cluster.start("n3");
  untilAllVote(cluster);
  assert.equal(readOf(cluster, "n3", "k"), '{"value":7}');
});

test("while a copy does not know who votes, hints of other rows pass by its old ones, and those do not go to and fro", () => {
  const limits = { carrierAgeMaxMs: 3000, hintBatchRows: 2, hintRetryMs: 40, syncIntervalMs: 500 };
  const cluster = clusterOf({ seed: "pass by", partitions: 1, bucket: { type: "counter" }, limits });
  const olds = ["a", "b", "c"];
  for (const key of olds) assert.ok(write(cluster, "n1", key, { kind: "add", by: 1 }, "ALL").ok);
  cluster.run(6000);
  cluster.crash("n3");
  cluster.disk("n3").copy();
  cluster.disk("n3").restore("files");
  cluster.runUntil(() => !cluster.member("n1").opinionOf("n3").alive);
  for (const key of [...olds, "new"]) assert.ok(write(cluster, "n1", key, { kind: "add", by: 1 }).ok);
  cluster.crash("n2");
  cluster.start("n3");
  cluster.runUntil(() => cluster.meter("n1").sum("murmur_hints_delivered_total") > 0, 2500);
  cluster.run(5000);
  assert.equal(cluster.meter("n3").sum("murmur_sync_rows_total", { direction: "pushed" }), 0);
  cluster.start("n2");
  untilAllVote(cluster);
  cluster.run(1000);
  for (const key of olds) assert.equal(readOf(cluster, "n3", key), '{"value":2}');
});

test("a store that misses rows before any peer has told whether it is an old copy keeps no vote", () => {
  const cluster = clusterOf({ seed: "alone", partitions: 1, bucket: { type: "counter" } });
  for (const key of ["a", "b"]) assert.ok(write(cluster, "n1", key, { kind: "add", by: 1 }, "ALL").ok);
  cluster.crash("n1");
  const [row] = cluster.disk("n1").keys(ALL_ROWS.from, ALL_ROWS.to, 1);
  cluster.disk("n1").flipKey(row as Uint8Array, 8 * 14);
  cluster.network.partition([["n1"], ["n2", "n3"]]);
  cluster.start("n1");
  cluster.runUntil(() => cluster.meter("n1").sum("murmur_incarnations_total") === 1, 5000);
  assert.equal(cluster.member("n1").describe().rebuilding, 1);
  cluster.network.heal();
  cluster.runUntil(() => cluster.member("n1").describe().rebuilding === 0);
  for (const key of ["a", "b"]) assert.equal(readOf(cluster, "n1", key), '{"value":1}');
});
