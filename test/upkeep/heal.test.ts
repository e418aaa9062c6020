/** Damaged rows fetched anew, on virtual time: what is changed while a row waits for that, and disks that refuse it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { equalBytes, utf8 } from "../../src/base/bytes.js";
import { DEFAULT_HEDGE } from "../../src/cluster-config.js";
import type { Level } from "../../src/config.js";
import { EMPTY_CONTEXT } from "../../src/lattice/context.js";
import { StorageDamage } from "../../src/ports.js";
import { ALL_ROWS, keyOfRow } from "../../src/replica/rows.js";
import { SimCluster } from "../../src/sim/cluster.js";

function counters(seed: string): SimCluster {
  const limits = { syncIntervalMs: 3_000_000, hintRowsMax: 0, healRetryMs: 100 };
  const cluster = new SimCluster({ seed, nodes: 3, bucket: { type: "counter" }, limits });
  cluster.startAll();
  return cluster;
}

function add(cluster: SimCluster, at: string, key: Uint8Array, by: number, level: Level = "QUORUM"): void {
  const op = { kind: "add", by } as const;
  const outcome = cluster.write(at, { bucket: "b", key, op, context: EMPTY_CONTEXT, level, deadlineMs: 1000 });
  assert.ok(outcome.ok, outcome.ok ? "" : outcome.failure.detail);
}

const ONE = { bucket: "b", level: "ONE", deadlineMs: 1000, hedge: DEFAULT_HEDGE, mend: true } as const;

function countAt(cluster: SimCluster, at: string, key: Uint8Array, level: Level = "ONE"): number {
  const outcome = cluster.read(at, { ...ONE, key, level });
  assert.ok(outcome.ok, outcome.ok ? "" : outcome.failure.detail);
  return Number(/-?\d+/.exec(Buffer.from(outcome.view.contents[0]?.value ?? []).toString())?.[0] ?? 0);
}

/** Reads of this row fail as long as what is returned says so. */
function flaky(cluster: SimCluster, node: string, row: Uint8Array): { isFailing: boolean } {
  const storage = cluster.storage(node);
  const fault = { isFailing: false };
  for (const view of ["latest", "durable"] as const) {
    const read = storage[view].bind(storage);
    storage[view] = (key) => {
      if (fault.isFailing && equalBytes(key, row)) throw new StorageDamage("a read that failed");
      return read(key);
    };
  }
  return fault;
}

const sumAt = (cluster: SimCluster, node: string, name: string) => cluster.meter(node).sum(name);
const healedAt = (cluster: SimCluster, node: string) => sumAt(cluster, node, "murmur_healed_rows_total");
const livesOf = (cluster: SimCluster, node: string) => sumAt(cluster, node, "murmur_incarnations_total");

test("what is acknowledged of a row that could not be read once, while the others are asked, is not overwritten by what they held", () => {
  const cluster = counters("read again");
  for (const key of ["ada", "bob"]) add(cluster, "n1", utf8(key), 5, "ALL");
  const [first, second] = cluster.disk("n1").keys(ALL_ROWS.from, ALL_ROWS.to, 2) as [Uint8Array, Uint8Array];
  const key = keyOfRow(second);
  const fault = flaky(cluster, "n1", second);
  cluster.disk("n1").damage(first);
  fault.isFailing = true;
  for (const each of [keyOfRow(first), key]) cluster.member("n1").read({ ...ONE, key: each }, () => {});
  cluster.run(1);
  fault.isFailing = false;
  cluster.runUntil(() => healedAt(cluster, "n1") === 1);
  // Asked by now what it holds of the second row, and answers late.
  cluster.network.pause("n3");
  cluster.run(50);
  add(cluster, "n1", key, 1);
  fault.isFailing = true;
  cluster.network.resume("n3");
  cluster.run(100);
  fault.isFailing = false;
  assert.equal(livesOf(cluster, "n1"), 1);
  assert.equal(countAt(cluster, "n1", key), 6);
  add(cluster, "n1", key, 1);
  assert.equal(countAt(cluster, "n2", key, "ALL"), 7);
  // Changed in this life, and lost in it.
  cluster.disk("n1").damage(second);
  countAt(cluster, "n1", key);
  cluster.runUntil(() => healedAt(cluster, "n1") === 2);
  assert.equal(livesOf(cluster, "n1"), 2);
  assert.equal(countAt(cluster, "n1", key), 7);
});

test("a row that the disk refuses begins one new life, however often it is tried again", () => {
  const cluster = counters("refused");
  add(cluster, "n1", utf8("ada"), 5, "ALL");
  const [row] = cluster.disk("n1").keys(ALL_ROWS.from, ALL_ROWS.to, 1) as [Uint8Array];
  cluster.disk("n1").damage(row);
  const storage = cluster.storage("n1");
  const commit = storage.commit.bind(storage);
  let refusals = 0;
  storage.commit = (batch, onDone) => {
    const isRefused = refusals < 3 && batch.some(({ key }) => equalBytes(key, row));
    if (isRefused) refusals++;
    commit(isRefused ? [] : batch, (error) => onDone(isRefused ? { kind: "io", detail: "a bad page" } : error));
  };
  for (let second = 0; second < 10; second++) {
    assert.equal(countAt(cluster, "n1", utf8("ada")), 5);
    cluster.run(1000);
  }
  assert.deepEqual([refusals, healedAt(cluster, "n1")], [3, 1]);
  assert.equal(livesOf(cluster, "n1"), 1);
  add(cluster, "n1", utf8("ada"), 1);
  assert.equal(countAt(cluster, "n2", utf8("ada"), "ALL"), 6);
});
