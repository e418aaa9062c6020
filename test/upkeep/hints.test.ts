/** Hints from the write to their delivery, on virtual time. Sync is made rare, so that nothing else can bring a row. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8 } from "../../src/base/bytes.js";
import { tokenOf } from "../../src/base/hash.js";
import { DEFAULT_HEDGE } from "../../src/cluster-config.js";
import type { Level } from "../../src/config.js";
import { EMPTY_CONTEXT } from "../../src/lattice/context.js";
import type { Op } from "../../src/lattice/op.js";
import { ALL_HINTS, partsOfHintKey } from "../../src/replica/hint-record.js";
import { encodeRow, orderedToken } from "../../src/replica/rows.js";
import { SimCluster, type SimClusterOptions } from "../../src/sim/cluster.js";

const DEADLINE_MS = 2000;
const NO_SYNC = { syncIntervalMs: 3_000_000 } as const;

function clusterOf(options: Partial<SimClusterOptions> = {}): SimCluster {
  const cluster = new SimCluster({ seed: "hints", ...options, limits: { ...NO_SYNC, ...options.limits } });
  cluster.startAll(3000);
  return cluster;
}

function rowOf(key: string): Uint8Array {
  const token = orderedToken(tokenOf(utf8(key)));
  return encodeRow({ placement: 0, token, bucket: "b", key: utf8(key), sort: new Uint8Array(0) });
}

/** The owners of a key in preference order, and all other nodes. */
function placeOf(cluster: SimCluster, key: string): { owners: string[]; others: string[] } {
  const { ring } = cluster.member(cluster.ids.find((id) => cluster.runs(id)) as string);
  const owners = [...ring.ownersOf(0, ring.partitionOf(tokenOf(utf8(key))))];
  return { owners, others: cluster.ids.filter((id) => !owners.includes(id)) };
}

function operate(cluster: SimCluster, at: string, key: string, op: Op, level: Level, deadlineMs = DEADLINE_MS) {
  return cluster.write(at, { bucket: "b", key: utf8(key), op, context: EMPTY_CONTEXT, level, deadlineMs });
}

function put(cluster: SimCluster, at: string, key: string, value: string, level: Level) {
  return operate(cluster, at, key, { kind: "put", contentType: "", value: utf8(value), expiresAtMs: undefined }, level);
}

/** What a node alone would answer. */
function heldAt(cluster: SimCluster, node: string, key: string): string | undefined {
  const record = cluster.storage(node).durable(rowOf(key));
  return record === undefined ? undefined : Buffer.from(record).toString("latin1");
}

function get(cluster: SimCluster, at: string, key: string, level: Level): string | undefined {
  const outcome = cluster.read(at, {
    ...{ bucket: "b", key: utf8(key), level, deadlineMs: DEADLINE_MS, hedge: DEFAULT_HEDGE, mend: false },
  });
  assert.ok(outcome.ok, outcome.ok ? "" : outcome.failure.detail);
  const [content] = outcome.view.contents;
  return content === undefined ? undefined : Buffer.from(content.value).toString();
}

/** `n1>n3:2`: n1 keeps two hints for n3. */
function hintsOf(cluster: SimCluster): string {
  const running = cluster.ids.filter((id) => cluster.runs(id));
  return running
    .flatMap((id) =>
      cluster
        .member(id)
        .hints()
        .map(({ node, hints }) => `${id}>${node}:${hints}`),
    )
    .join(" ");
}

/** Crashes nodes, and waits until those that run have noticed. */
function lose(cluster: SimCluster, ...nodes: string[]): void {
  for (const node of nodes) cluster.crash(node);
  const running = cluster.ids.filter((id) => cluster.runs(id));
  cluster.runUntil(() => running.every((id) => nodes.every((node) => !cluster.member(id).opinionOf(node).alive)));
}

function returnOf(cluster: SimCluster, ...nodes: string[]): void {
  for (const node of nodes) cluster.start(node);
  cluster.runUntil(() => hintsOf(cluster) === "", 30_000);
}

test("what an owner missed is kept by the coordinator when all others are owners, and delivered when it is back", () => {
  const cluster = clusterOf();
  lose(cluster, "n3");
  for (let index = 0; index < 300; index++)
    assert.ok(put(cluster, "n1", `key ${index}`, `value ${index}`, "QUORUM").ok);
  assert.equal(hintsOf(cluster), "n1>n3:300");
  returnOf(cluster, "n3");
  for (let index = 0; index < 300; index++) assert.match(heldAt(cluster, "n3", `key ${index}`) ?? "", /value/);
  assert.equal(cluster.meter("n1").sum("murmur_hints_delivered_total"), 300);
  assert.equal(cluster.meter("n1").sum("murmur_sync_rows_total"), 0);
});

test("for an owner that is known to be down the next node beyond the owners stands in, whoever coordinates", () => {
  const cluster = clusterOf({ nodes: 5 });
  const { owners, others } = placeOf(cluster, "ada");
  lose(cluster, owners[1] as string);
  const running = cluster.ids.filter((id) => cluster.runs(id));
  for (const [index, at] of running.entries()) assert.ok(put(cluster, at, "ada", `value ${index}`, "QUORUM").ok);
  cluster.run(100);
  const [kept] = hintsOf(cluster).split(" ") as [string];
  assert.match(kept, new RegExp(`^(${others.join("|")})>${owners[1]}:1$`));
  assert.equal(hintsOf(cluster), kept);
  assert.ok(heldAt(cluster, kept.slice(0, 2), "ada") === undefined, "a hint is no row");
  returnOf(cluster, owners[1] as string);
  assert.match(heldAt(cluster, owners[1] as string, "ada") ?? "", /value 3/);
});

test("ANY is met while every owner of the key is down, and read once they are back", () => {
  const cluster = clusterOf({ nodes: 5 });
  const { owners, others } = placeOf(cluster, "ada");
  lose(cluster, ...owners);
  const at = others[0] as string;
  assert.equal(put(cluster, at, "ada", "x", "ONE").ok, false);
  assert.ok(put(cluster, at, "ada", "lovelace", "ANY").ok);
  cluster.run(100);
  const kept = hintsOf(cluster);
  for (const owner of owners) assert.match(kept, new RegExp(`>${owner}:1`));
  assert.match(kept, new RegExp(`${others[1]}>`), "not the coordinator alone");
  returnOf(cluster, ...owners);
  assert.equal(get(cluster, owners[0] as string, "ada", "ALL"), "lovelace");
});

test("ANY does not wait to the end for owners that nobody knows to be down yet", () => {
  const cluster = clusterOf({ nodes: 5 });
  const { owners, others } = placeOf(cluster, "ada");
  for (const owner of owners) cluster.crash(owner);
  const beforeMs = cluster.clock.nowMs();
  assert.ok(put(cluster, others[0] as string, "ada", "x", "ANY").ok);
  assert.ok(cluster.clock.nowMs() - beforeMs < 200);
  returnOf(cluster, ...owners);
  assert.equal(get(cluster, others[0] as string, "ada", "ALL"), "x");
});

test("ANY with nobody who may keep a hint fails by its deadline, and may have applied", () => {
  const cluster = clusterOf({ nodes: 5, limits: { hintRowsMax: 0 } });
  const { owners, others } = placeOf(cluster, "ada");
  lose(cluster, ...owners);
  const outcome = put(cluster, others[0] as string, "ada", "x", "ANY");
  assert.ok(!outcome.ok && outcome.failure.mayHaveApplied);
  assert.equal(outcome.failure.kind, "timeout");
  assert.match(outcome.failure.detail, /^0 of 1 owners acknowledged, and no hint was kept, in 2000 ms/);
});

test("an owner that is silent gets its hint when the request's time is over", () => {
  const cluster = clusterOf();
  cluster.network.cut("n1", "n3");
  assert.ok(put(cluster, "n1", "ada", "x", "QUORUM").ok);
  cluster.run(100);
  assert.equal(hintsOf(cluster), "", "its time is not over");
  cluster.run(DEADLINE_MS);
  assert.equal(hintsOf(cluster), "n1>n3:1");
  cluster.network.heal();
  cluster.runUntil(() => hintsOf(cluster) === "");
  assert.match(heldAt(cluster, "n3", "ada") ?? "", /x/);
});

test("an owner whose disk is full gets its hint when the disk has room", () => {
  const cluster = clusterOf();
  cluster.disk("n3").fail(1, "full");
  assert.ok(put(cluster, "n1", "ada", "x", "QUORUM").ok);
  cluster.run(100);
  assert.equal(heldAt(cluster, "n3", "ada"), undefined);
  cluster.runUntil(() => heldAt(cluster, "n3", "ada") !== undefined, 5000);
  cluster.runUntil(() => hintsOf(cluster) === "");
});

test("hints that cannot be read hold up no others behind them", () => {
  const cluster = clusterOf({ limits: { hintBatchRows: 1 } });
  lose(cluster, "n3");
  for (const key of ["a", "b"]) assert.ok(put(cluster, "n1", key, key, "QUORUM").ok);
  const [oldest] = cluster
    .disk("n1")
    .keys(ALL_HINTS.from, ALL_HINTS.to, 10)
    .filter((key) => Buffer.from(partsOfHintKey(key).row).equals(rowOf("a")));
  cluster.disk("n1").damage(oldest as Uint8Array);
  returnOf(cluster, "n3");
  assert.match(heldAt(cluster, "n3", "b") ?? "", /b$/);
});

test("hints of one row are one hint, and the newest state arrives", () => {
  const cluster = clusterOf();
  lose(cluster, "n3");
  for (let round = 0; round < 50; round++) assert.ok(put(cluster, "n1", "ada", `value ${round}`, "QUORUM").ok);
  assert.ok(operate(cluster, "n1", "ada", { kind: "delete" }, "QUORUM").ok);
  assert.ok(put(cluster, "n1", "ada", "the last", "QUORUM").ok);
  assert.equal(hintsOf(cluster), "n1>n3:1");
  returnOf(cluster, "n3");
  assert.match(heldAt(cluster, "n3", "ada") ?? "", /the last/);
  assert.equal(cluster.meter("n1").sum("murmur_hints_delivered_total"), 1);
});

test("a delete is a hint too: what its owner had does not come back", () => {
  const cluster = clusterOf();
  assert.ok(put(cluster, "n1", "ada", "x", "ALL").ok);
  lose(cluster, "n3");
  assert.ok(operate(cluster, "n1", "ada", { kind: "delete" }, "QUORUM").ok);
  returnOf(cluster, "n3");
  for (const node of cluster.ids) assert.equal(get(cluster, node, "ada", "ONE"), undefined);
});

test("hints outlive a crash of whoever keeps them", () => {
  for (const tail of ["lost", "kept"] as const) {
    const cluster = clusterOf({ seed: tail });
    lose(cluster, "n3");
    for (let index = 0; index < 40; index++) assert.ok(put(cluster, "n1", `key ${index}`, "x", "QUORUM").ok);
    cluster.crash("n1", tail);
    cluster.start("n1");
    cluster.run(10);
    assert.equal(hintsOf(cluster), "n1>n3:40");
    returnOf(cluster, "n3");
    for (let index = 0; index < 40; index++) assert.match(heldAt(cluster, "n3", `key ${index}`) ?? "", /x/);
  }
});

test("delivery stops when the owner goes down in the middle, and goes on when it is back", () => {
  const cluster = clusterOf({ limits: { hintBatchRows: 4, hintSecondBytes: 1024 } });
  lose(cluster, "n3");
  for (let index = 0; index < 100; index++) put(cluster, "n1", `key ${index}`, "x", "QUORUM");
  cluster.start("n3");
  cluster.runUntil(() => cluster.meter("n1").sum("murmur_hints_delivered_total") >= 20);
  cluster.crash("n3", "lost");
  cluster.run(20_000);
  assert.match(hintsOf(cluster), /^n1>n3:\d\d$/);
  returnOf(cluster, "n3");
  for (let index = 0; index < 100; index++) assert.match(heldAt(cluster, "n3", `key ${index}`) ?? "", /x/);
});

test("delivery keeps its pace", () => {
  const cluster = clusterOf({ limits: { hintBatchRows: 4, hintSecondBytes: 1024 } });
  lose(cluster, "n3");
  for (let index = 0; index < 100; index++) put(cluster, "n1", `key ${index}`, "x".repeat(100), "QUORUM");
  const [{ bytes } = { bytes: 0 }] = cluster.member("n1").hints();
  cluster.start("n3");
  const beforeMs = cluster.clock.nowMs();
  cluster.runUntil(() => hintsOf(cluster) === "");
  assert.ok(cluster.clock.nowMs() - beforeMs > (900 * bytes) / 1024);
});

test("at a bound no more is kept, and sync brings what is missing", () => {
  const bounds = [{ hintRowsMax: 10 }, { hintBytesMax: 1000 }] as const;
  for (const bound of bounds) {
    const cluster = clusterOf({ limits: bound });
    lose(cluster, "n3");
    for (let index = 0; index < 50; index++) assert.ok(put(cluster, "n1", `key ${index}`, "x", "QUORUM").ok);
    const reason = "hintRowsMax" in bound ? "count" : "bytes";
    assert.ok(cluster.meter("n1").sum("murmur_hints_refused_total", { reason }) >= 25);
    // What is younger is left to the next round, and there is none.
    cluster.run(cluster.config.limits.settleMs);
    cluster.start("n3");
    cluster.run(6000);
    for (let index = 0; index < 50; index++) assert.match(heldAt(cluster, "n3", `key ${index}`) ?? "", /x/);
  }
});

test("hints that are too old are given up, and until their owner is back none are kept", () => {
  const cluster = clusterOf({ limits: { hintAgeMsMax: 10_000 } });
  lose(cluster, "n3");
  assert.ok(put(cluster, "n1", "ada", "x", "QUORUM").ok);
  cluster.run(11_000);
  const [status] = cluster.member("n1").hints();
  assert.deepEqual([status?.node, status?.hints, status?.state], ["n3", 0, "expired"]);
  assert.ok(put(cluster, "n1", "ada", "y", "QUORUM").ok);
  assert.equal(cluster.meter("n1").sum("murmur_hints_refused_total", { reason: "age" }), 1);
  assert.equal(cluster.meter("n1").sum("murmur_hints_expired_total"), 1);
  cluster.start("n3");
  cluster.runUntil(() => heldAt(cluster, "n3", "ada") !== undefined, 6000);
  lose(cluster, "n3");
  assert.ok(put(cluster, "n1", "ada", "z", "QUORUM").ok);
  assert.equal(hintsOf(cluster), "n1>n3:1");
});

for (const offsetMs of [60_000, -60_000]) {
  test(`of two nodes whose clocks are ${offsetMs} ms apart nobody knows who is right: hints stay, and arrive once both agree`, () => {
    const cluster = clusterOf({ limits: { hintAgeMsMax: 15_000, carrierAgeMaxMs: 15_000, clockSkewMsMax: 5000 } });
    lose(cluster, "n1", "n3");
    assert.ok(put(cluster, "n2", "ada", "x", "ONE").ok);
    cluster.runUntil(() => hintsOf(cluster) === "n2>n3:1 n2>n1:1");
    cluster.start("n1", offsetMs);
    cluster.run(5000);
    assert.match(hintsOf(cluster), /n2>n3:1/);
    cluster.nodeClock("n1").jump(-offsetMs);
    returnOf(cluster, "n3");
    for (const node of ["n1", "n3"]) assert.match(heldAt(cluster, node, "ada") ?? "", /x/);
    assert.equal(cluster.meter("n2").sum("murmur_hints_delivered_total"), 2);
  });
}

test("a hint that was born in the future is given up when its owner refuses it, and the sync brings its state", () => {
  const cluster = clusterOf({ limits: { hintAgeMsMax: 15_000, carrierAgeMaxMs: 15_000, clockSkewMsMax: 5000 } });
  lose(cluster, "n1", "n3");
  cluster.nodeClock("n2").jump(3_600_000);
  assert.ok(put(cluster, "n2", "ada", "x", "ONE").ok);
  cluster.runUntil(() => hintsOf(cluster) === "n2>n3:1 n2>n1:1");
  cluster.nodeClock("n2").jump(-3_600_000);
  for (const node of ["n1", "n3"]) cluster.start(node);
  cluster.runUntil(() => hintsOf(cluster) === "", 10_000);
  assert.equal(cluster.meter("n2").sum("murmur_hints_dropped_total", { reason: "stale" }), 2);
  cluster.runUntil(() => ["n1", "n3"].every((node) => heldAt(cluster, node, "ada") !== undefined), 10_000);
});

test("a flush waits for what was kept before it, and not for what comes later", () => {
  const cluster = clusterOf({ limits: { hintBatchRows: 4, hintSecondBytes: 1024 } });
  lose(cluster, "n3");
  for (let index = 0; index < 20; index++) put(cluster, "n1", `key ${index}`, "x", "QUORUM");
  let outcome: { hints: number; left: number } | undefined;
  const flush = (timeoutMs: number) =>
    cluster.member("n1").flushHints(timeoutMs, (each) => {
      outcome = each;
    });
  flush(1000);
  cluster.run(1100);
  assert.deepEqual(outcome, { hints: 20, left: 20 });
  outcome = undefined;
  flush(60_000);
  for (let index = 0; index < 20; index++) put(cluster, "n1", `later ${index}`, "x", "QUORUM");
  cluster.start("n3");
  cluster.runUntil(() => outcome !== undefined);
  assert.deepEqual(outcome, { hints: 20, left: 0 });
  for (let index = 0; index < 20; index++) assert.match(heldAt(cluster, "n3", `key ${index}`) ?? "", /x/);
  assert.notEqual(hintsOf(cluster), "", "what came later still waits");
});

test("a batch leaves hints as single writes do, and ANY holds for each of its items", () => {
  const cluster = clusterOf({ nodes: 5 });
  lose(cluster, "n1", "n2", "n3");
  const keys = Array.from({ length: 30 }, (_, index) => `key ${index}`);
  const op = { kind: "put", contentType: "", value: utf8("x"), expiresAtMs: undefined } as const;
  const common = { bucket: "b", op, context: EMPTY_CONTEXT, level: "ANY", deadlineMs: DEADLINE_MS } as const;
  const { writes } = cluster.batch("n4", { reads: [], writes: keys.map((key) => ({ ...common, key: utf8(key) })) });
  assert.ok(writes.every(({ ok }) => ok));
  returnOf(cluster, "n1", "n2", "n3");
  for (const key of keys) assert.equal(get(cluster, "n1", key, "ALL"), "x");
});

test("a hint that was delivered and could not be removed is delivered again", () => {
  const cluster = clusterOf();
  lose(cluster, "n3");
  assert.ok(put(cluster, "n1", "ada", "x", "QUORUM").ok);
  cluster.disk("n1").fail(1000, "full");
  cluster.start("n3");
  cluster.runUntil(() => cluster.meter("n1").sum("murmur_hints_delivered_total") >= 2);
  cluster.disk("n1").fail(0, "full");
  cluster.runUntil(() => hintsOf(cluster) === "");
});

test("a disk that fails costs hints, never writes", () => {
  const cluster = clusterOf({ nodes: 5 });
  const { owners, others } = placeOf(cluster, "ada");
  lose(cluster, owners[2] as string);
  for (const node of others) cluster.disk(node).fail(5, "full");
  assert.ok(put(cluster, owners[0] as string, "ada", "x", "QUORUM").ok);
  cluster.run(100);
  assert.equal(hintsOf(cluster), `${owners[0]}>${owners[2]}:1`, "the coordinator keeps it itself");
});

test("what is remembered for silent owners is bounded, and forgotten when their time is over", () => {
  const value = "x".repeat(600);
  const cluster = clusterOf({ limits: { hintsOwedBytesMax: 1000 } });
  cluster.network.cut("n1", "n3");
  for (const key of ["a", "b"]) assert.ok(put(cluster, "n1", key, value, "QUORUM").ok);
  assert.equal(cluster.meter("n1").sum("murmur_hints_refused_total", { reason: "owed" }), 1);
  cluster.run(DEADLINE_MS + 100);
  assert.equal(hintsOf(cluster), "n1>n3:1");
  assert.ok(put(cluster, "n1", "c", value, "ONE").ok);
  assert.equal(cluster.meter("n1").sum("murmur_hints_refused_total", { reason: "owed" }), 1, "there is room again");
});

test("a write that was beaten leaves no room taken, and its hint is the newest state", () => {
  const cluster = clusterOf({ limits: { hintsOwedBytesMax: 1000 } });
  cluster.nodeClock("n2").jump(5000);
  assert.ok(put(cluster, "n2", "ada", "from the future", "ALL").ok);
  cluster.crash("n1", "kept");
  cluster.start("n1");
  cluster.run(1000);
  lose(cluster, "n3");
  for (let round = 0; round < 5; round++) {
    assert.ok(put(cluster, "n1", "ada", `${"y".repeat(600)} ${round}`, "QUORUM").ok);
    cluster.run(DEADLINE_MS + 100);
  }
  assert.equal(cluster.meter("n1").sum("murmur_hints_refused_total"), 0);
  returnOf(cluster, "n3");
  assert.match(heldAt(cluster, "n3", "ada") ?? "", /y 4/);
});
