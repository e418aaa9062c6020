/** Batches on virtual time: as many single requests, in few messages. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { utf8 } from "../../src/base/bytes.js";
import { DEFAULT_HEDGE } from "../../src/cluster-config.js";
import type { Level } from "../../src/config.js";
import type { BatchOutcome } from "../../src/coordinator/batch.js";
import type { ReadOutcome, ReadRequest, WriteRequest } from "../../src/coordinator/outcome.js";
import { EMPTY_CONTEXT } from "../../src/lattice/context.js";
import type { Op } from "../../src/lattice/op.js";
import { SimCluster, type SimClusterOptions } from "../../src/sim/cluster.js";

const DEADLINE_MS = 1000;

function clusterOf(options: Partial<SimClusterOptions> = {}): SimCluster {
  const cluster = new SimCluster({ seed: "batch", limits: { syncIntervalMs: 3_000_000 }, ...options });
  cluster.startAll();
  // Between two rounds of pings, so that frames can be counted.
  cluster.run(230);
  return cluster;
}

function reading(key: string, level: Level = "QUORUM"): ReadRequest {
  return { bucket: "b", key: utf8(key), level, deadlineMs: DEADLINE_MS, hedge: DEFAULT_HEDGE, mend: true };
}

function writing(key: string, value: string | undefined, level: Level = "QUORUM"): WriteRequest {
  const op: Op =
    value === undefined
      ? { kind: "delete" }
      : { kind: "put", contentType: "text/plain", value: utf8(value), expiresAtMs: undefined };
  return { bucket: "b", key: utf8(key), op, context: EMPTY_CONTEXT, level, deadlineMs: DEADLINE_MS };
}

/** The value, undefined when there is none, or how the read failed. */
function found(outcome: ReadOutcome | undefined): string | undefined {
  assert.ok(outcome !== undefined);
  if (!outcome.ok) return `failed: ${outcome.failure.kind}`;
  const content = outcome.view.contents[0];
  return content === undefined ? undefined : Buffer.from(content.value).toString();
}

function keysNamed(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `key ${index}`);
}

/** Frames that the network carried for `work`. */
function framesOf(cluster: SimCluster, work: () => BatchOutcome): number {
  const before = cluster.network.statistics.sent;
  work();
  return cluster.network.statistics.sent - before;
}

/** Counts the rows that a node reads from now on. */
function rowsReadAt(cluster: SimCluster, id: string): () => number {
  const storage = cluster.storage(id);
  const durable = storage.durable.bind(storage);
  let rows = 0;
  storage.durable = (key) => {
    rows++;
    return durable(key);
  };
  return () => rows;
}

test("every item has its own outcome, in the order of the request", () => {
  const cluster = clusterOf();
  const keys = keysNamed(40);
  const written = cluster.batch("n1", { reads: [], writes: keys.map((key) => writing(key, `value of ${key}`)) });
  assert.ok(written.writes.every(({ ok }) => ok));
  const asked = [...keys, "missing"].reverse();
  const { reads } = cluster.batch("n2", { reads: asked.map((key) => reading(key)), writes: [] });
  assert.deepEqual(
    reads.map(found),
    asked.map((key) => (key === "missing" ? undefined : `value of ${key}`)),
  );
});

test("an empty batch is done at once", () => {
  assert.deepEqual(clusterOf().batch("n1", { reads: [], writes: [] }), { reads: [], writes: [] });
});

test("a batch costs messages per node, not per key", () => {
  const cluster = clusterOf({ nodes: 5 });
  const keys = keysNamed(100);
  const write = () => cluster.batch("n1", { reads: [], writes: keys.map((key) => writing(key, "x")) });
  const read = () => cluster.batch("n1", { reads: keys.map((key) => reading(key)), writes: [] });
  // Four peers, a question and an answer each.
  assert.deepEqual([framesOf(cluster, write), framesOf(cluster, read)], [8, 8]);
});

test("the spares for a silent node are asked in one message, and no key waits for the deadline", () => {
  const cluster = clusterOf();
  const keys = keysNamed(100);
  cluster.batch("n1", { reads: [], writes: keys.map((key) => writing(key, key, "ALL")) });
  cluster.crash("n2");
  const beforeMs = cluster.clock.nowMs();
  const frames = framesOf(cluster, () => {
    const outcome = cluster.batch("n1", { reads: keys.map((key) => reading(key)), writes: [] });
    assert.deepEqual(outcome.reads.map(found), keys);
    return outcome;
  });
  assert.ok(cluster.clock.nowMs() - beforeMs < 100);
  assert.ok(frames <= 8, `${frames} frames`);
});

test("at the deadline what is missing has failed by itself, and the rest is there", () => {
  const cluster = clusterOf({ nodes: 5, replication: 1 });
  const keys = keysNamed(50);
  cluster.batch("n1", { reads: [], writes: keys.map((key) => writing(key, key, "ONE")) });
  cluster.network.partition([["n1", "n2", "n3", "n4"], ["n5"]]);
  const beforeMs = cluster.clock.nowMs();
  const { reads, writes } = cluster.batch("n1", {
    reads: keys.map((key) => reading(key, "ONE")),
    writes: keysNamed(60)
      .slice(50)
      .map((key) => writing(key, key, "ONE")),
  });
  assert.ok(cluster.clock.nowMs() - beforeMs <= DEADLINE_MS + 10);
  const failed = keys.filter((_, index) => found(reads[index]) === "failed: timeout");
  assert.ok(failed.length > 0 && failed.length < keys.length);
  assert.ok(keys.every((key, index) => failed.includes(key) || found(reads[index]) === key));
  assert.ok(writes.every((outcome) => outcome.ok || outcome.failure.kind === "timeout"));
});

test("a batch mends whoever is behind, before it answers", () => {
  const cluster = clusterOf();
  const keys = keysNamed(20);
  cluster.network.partition([["n1", "n2"], ["n3"]]);
  cluster.batch("n1", { reads: [], writes: keys.map((key) => writing(key, key)) });
  cluster.run(100);
  cluster.network.heal();
  const { reads } = cluster.batch("n3", { reads: keys.map((key) => reading(key)), writes: [] });
  assert.deepEqual(reads.map(found), keys);
  const alone = cluster.batch("n3", { reads: keys.map((key) => reading(key, "ONE")), writes: [] });
  assert.deepEqual(alone.reads.map(found), keys);
});

test("items that cannot be planned fail alone", () => {
  const cluster = clusterOf({ nodes: 5, replication: 1 });
  cluster.crash("n5");
  cluster.runUntil(() => !cluster.member("n1").opinionOf("n5").alive);
  const keys = keysNamed(50);
  const { writes } = cluster.batch("n1", { reads: [], writes: keys.map((key) => writing(key, key, "ONE")) });
  const kinds = new Set(writes.map((outcome) => (outcome.ok ? "ok" : outcome.failure.kind)));
  assert.deepEqual([...kinds].sort(), ["ok", "unavailable"]);
});

test("values beyond one message are asked for again; values beyond one answer are refused by themselves", () => {
  const limits = { batchAnswerBytesMax: 2 ** 20, syncBatchBytesMax: 2 ** 16, gatherBytesMax: 2 ** 16 };
  const cluster = clusterOf({ limits });
  const large = "x".repeat(60_000);
  const keys = keysNamed(40);
  const { writes } = cluster.batch("n1", { reads: [], writes: keys.map((key) => writing(key, large)) });
  assert.ok(writes.every(({ ok }) => ok));
  const few = cluster.batch("n2", { reads: keys.slice(0, 15).map((key) => reading(key)), writes: [] });
  assert.ok(few.reads.every((outcome) => found(outcome) === large));
  const { reads } = cluster.batch("n2", { reads: keys.map((key) => reading(key)), writes: [] });
  const outcomes = reads.map(found);
  assert.equal(outcomes.filter((outcome) => outcome === large).length, 17);
  assert.ok(outcomes.every((outcome) => outcome === large || outcome === "failed: too-large"));
  // Nor is anything more fetched for it: what is under way ends, and that is all.
  const rowsRead = ["n1", "n3"].map((id) => rowsReadAt(cluster, id));
  cluster.run(100);
  const counts = rowsRead.map((count) => count());
  assert.ok(Math.max(...counts) <= 4, `${counts.join(" and ")} rows`);
});

test("a node does not fetch all its own values while others are late", () => {
  const limits = { batchAnswerBytesMax: 2 ** 20, syncBatchBytesMax: 2 ** 16, gatherBytesMax: 2 ** 16 };
  const cluster = clusterOf({ limits });
  const large = "x".repeat(60_000);
  const keys = keysNamed(200);
  cluster.batch("n1", { reads: [], writes: keys.map((key) => writing(key, large, "ALL")) });
  cluster.network.partition([["n1"], ["n2", "n3"]]);
  const rowsRead = rowsReadAt(cluster, "n1");
  const { reads } = cluster.batch("n1", { reads: keys.map((key) => reading(key)), writes: [] });
  assert.ok(reads.every((outcome) => found(outcome) === "failed: timeout"));
  assert.ok(rowsRead() < 50, `${rowsRead()} values fetched`);
});

test("a large batch begins over several turns, with the same outcomes", () => {
  const cluster = clusterOf({ limits: { batchTurnItemsMax: 7, gatherItemsMax: 3 } });
  const keys = keysNamed(50);
  cluster.batch("n1", { reads: [], writes: keys.map((key) => writing(key, key)) });
  const mixed = cluster.batch("n2", {
    reads: keys.map((key) => reading(key)),
    writes: keys.map((key) => writing(`${key} too`, key)),
  });
  assert.deepEqual(mixed.reads.map(found), keys);
  assert.ok(mixed.writes.every(({ ok }) => ok));
});

test("a batch finds what single reads find, whatever was written and whoever missed it", () => {
  const nodes = ["n1", "n2", "n3"];
  const step = fc.record({
    at: fc.constantFrom(...nodes),
    without: fc.option(fc.constantFrom(...nodes), { nil: undefined }),
    writes: fc.uniqueArray(fc.tuple(fc.nat({ max: 9 }), fc.option(fc.string(), { nil: undefined })), {
      maxLength: 10,
      selector: ([key]) => key,
    }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 6 }), fc.nat(), (steps, seed) => {
      const cluster = clusterOf({ seed });
      const model = new Map<string, string>();
      for (const { at, without, writes } of steps) {
        if (without !== undefined && without !== at) {
          cluster.network.partition([nodes.filter((id) => id !== without), [without]]);
        }
        const { writes: outcomes } = cluster.batch(at, {
          reads: [],
          writes: writes.map(([key, value]) => writing(`key ${key}`, value)),
        });
        assert.ok(outcomes.every(({ ok }) => ok));
        for (const [key, value] of writes) {
          if (value === undefined) model.delete(`key ${key}`);
          else model.set(`key ${key}`, value);
        }
        cluster.network.heal();
        cluster.run(50);
      }
      const keys = keysNamed(10);
      for (const at of nodes) {
        const { reads } = cluster.batch(at, { reads: keys.map((key) => reading(key)), writes: [] });
        assert.deepEqual(
          reads.map(found),
          keys.map((key) => model.get(key)),
        );
      }
    }),
    { numRuns: 60 },
  );
});
