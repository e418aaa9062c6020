import assert from "node:assert/strict";
import { test } from "node:test";
import { bytesToMapKey, utf8 } from "../../src/base/bytes.js";
import { DEFAULT_HEDGE } from "../../src/cluster-config.js";
import type { Limits } from "../../src/config.js";
import { EMPTY_CONTEXT } from "../../src/lattice/context.js";
import { keyOfRow } from "../../src/replica/rows.js";
import { SimCluster } from "../../src/sim/cluster.js";

const ALL = [Uint8Array.of(1), Uint8Array.of(2), 1_000_000] as const;
const NODES = ["n1", "n2", "n3"];
const KEYS = 500;

function filled(seed: string, limits: Partial<Limits> = {}): SimCluster {
  const cluster = new SimCluster({ seed, limits: { scanRowsMax: 64, ...limits } });
  cluster.startAll();
  for (let index = 0; index < KEYS; index++) {
    const op = { kind: "put", contentType: "", value: utf8(`value ${index}`), expiresAtMs: undefined } as const;
    const request = {
      bucket: "b",
      key: utf8(`key ${index}`),
      op,
      context: EMPTY_CONTEXT,
      level: "ALL",
      deadlineMs: 1000,
    } as const;
    cluster.member("n1").write(request, () => {});
    if (index % 100 === 0) cluster.run(20);
  }
  cluster.run(5000);
  return cluster;
}

function dumpOf(cluster: SimCluster, node: string): string {
  const rows = cluster.storage(node).scan(...ALL);
  return rows.map(({ key, value }) => Buffer.concat([key, value]).toString("hex")).join("\n");
}

function isWhole(cluster: SimCluster): boolean {
  const [first, ...others] = NODES.map((node) => dumpOf(cluster, node));
  return (
    others.every((dump) => dump === first) && NODES.every((node) => cluster.member(node).treeFault() === undefined)
  );
}

function rowsOf(cluster: SimCluster, node: string): Uint8Array[] {
  return cluster
    .storage(node)
    .scan(...ALL)
    .map(({ key }) => key);
}

function foundAt(cluster: SimCluster, node: string, kind: string): number {
  return cluster.meter(node).sum("murmur_scrub_found_total", { kind });
}

/** The node is killed, what was flipped meanwhile is on its disk, and it starts again. */
function restartWith(cluster: SimCluster, node: string, flip: (rows: Uint8Array[]) => void): void {
  const rows = rowsOf(cluster, node);
  cluster.crash(node);
  flip(rows);
  cluster.start(node);
}

test("after a kill each row is read at once, and a flipped bit that nobody reads is healed", () => {
  const cluster = filled("flips");
  restartWith(cluster, "n2", (rows) => {
    for (const index of [3, 77, 499]) cluster.disk("n2").flip(rows[index] as Uint8Array, 8 * 16 + index);
  });
  cluster.run(100);
  assert.equal(cluster.meter("n2").sum("murmur_scrubbed_rows_total"), KEYS, "each row once");
  assert.equal(foundAt(cluster, "n2", "row"), 3);
  cluster.run(5000);
  assert.equal(cluster.meter("n2").sum("murmur_healed_rows_total"), 3);
  assert.ok(isWhole(cluster));
});

test("a row whose key has a flipped bit is removed, wherever it went, and comes back from the peers", () => {
  // In the token's highest byte and its lowest one, the length of the bucket's name, the bucket, the key, the placement.
  for (const byte of [2, 9, 10, 11, 14, 1]) {
    const cluster = filled(`stray ${byte}`);
    let stray: Uint8Array | undefined;
    restartWith(cluster, "n2", (rows) => {
      stray = cluster.disk("n2").flipKey(rows[200] as Uint8Array, 8 * byte + 2);
    });
    cluster.run(10_000);
    assert.equal(cluster.storage("n2").durable(stray as Uint8Array), undefined, `byte ${byte}`);
    assert.ok(isWhole(cluster), `byte ${byte}`);
  }
});

test("a key that rots under a running node is met by the slow walk, as is a row that is gone without an error", () => {
  const cluster = filled("slow", { scrubIntervalMs: 20_000 });
  const [first, , , , second] = rowsOf(cluster, "n3") as [Uint8Array, Uint8Array, Uint8Array, Uint8Array, Uint8Array];
  cluster.disk("n3").flipKey(first, 8 * 3 + 7);
  cluster.disk("n3").write(new Map([[bytesToMapKey(second), { key: second, value: undefined }]]));
  cluster.run(10_000);
  cluster.run(40_000);
  assert.ok(foundAt(cluster, "n3", "leaf") > 0);
  assert.ok(isWhole(cluster));
});

test("of counters that rot together its node begins one new life, not one for each", () => {
  const cluster = new SimCluster({ seed: "burst", bucket: { type: "counter" } });
  cluster.startAll();
  const asked = { bucket: "b", context: EMPTY_CONTEXT, level: "ALL", deadlineMs: 1000 } as const;
  const op = { kind: "add", by: 1 } as const;
  for (let index = 0; index < 20; index++) {
    assert.ok(cluster.write("n1", { ...asked, key: utf8(`key ${index}`), op }).ok);
  }
  restartWith(cluster, "n1", (rows) => {
    for (const row of rows) cluster.disk("n1").flip(row, 9999);
  });
  cluster.runUntil(() => cluster.meter("n1").sum("murmur_healed_rows_total") === 20);
  assert.equal(cluster.meter("n1").sum("murmur_incarnations_total"), 1);
});

test("keys that rotted all over a store begin one new life in the walk that finds them, not one a turn", () => {
  const cluster = filled("all over", { scanRowsMax: 16 });
  restartWith(cluster, "n2", (rows) => {
    for (const index of [10, 150, 290, 430]) cluster.disk("n2").flipKey(rows[index] as Uint8Array, 8 * 14 + 2);
  });
  cluster.runUntil(() => isWhole(cluster), 10_000);
  assert.equal(foundAt(cluster, "n2", "stray"), 4);
  assert.equal(cluster.meter("n2").sum("murmur_incarnations_total"), 1);
});

test("the slow walk reads every row once in its interval, and no fewer, however often the node is started anew", () => {
  const cluster = filled("steady", { scrubIntervalMs: 40_000 });
  const scrubbed = () => cluster.meter("n1").sum("murmur_scrubbed_rows_total");
  const before = scrubbed();
  cluster.run(400_000);
  const perInterval = (scrubbed() - before) / 10;
  assert.ok(perInterval > KEYS * 0.9 && perInterval < KEYS * 1.1, `${perInterval} rows`);
  assert.equal(cluster.meter("n1").sum("murmur_scrub_found_total"), 0);
  const middle = scrubbed();
  for (let start = 0; start < 20; start++) {
    let isStopped = false;
    cluster.stop("n1", () => {
      isStopped = true;
    });
    cluster.runUntil(() => isStopped);
    cluster.start("n1");
    cluster.run(4000);
  }
  const restarted = scrubbed() - middle;
  assert.ok(restarted > 2 * KEYS && restarted < 2 * KEYS * 1.5, `${restarted} rows in two intervals`);
});

test("a row that the disk refuses is tried again ever more seldom", () => {
  const cluster = filled("refused", { healRetryMs: 1000 });
  const [row] = rowsOf(cluster, "n2") as [Uint8Array];
  const attempts: number[] = [];
  const storage = cluster.storage("n2");
  const commit = storage.commit.bind(storage);
  storage.commit = (batch, onDone) => {
    const isRow = batch.some(({ key }) => Buffer.compare(key, row) === 0);
    if (isRow) attempts.push(cluster.clock.nowMs());
    commit(isRow ? [] : batch, (error) => onDone(isRow ? { kind: "io", detail: "a bad page" } : error));
  };
  cluster.disk("n2").damage(row);
  const read = { bucket: "b", level: "ALL", deadlineMs: 100, hedge: DEFAULT_HEDGE, mend: true } as const;
  const key = keyOfRow(row);
  for (let second = 0; second < 40; second++) {
    cluster.read("n1", { ...read, key });
    cluster.run(1000);
  }
  const gaps = attempts.slice(1).map((atMs, index) => atMs - (attempts[index] as number));
  assert.ok(attempts.length >= 4 && attempts.length <= 6, `${attempts.length} attempts`);
  assert.ok(
    gaps.every((gap, index) => index === 0 || gap > 1.3 * (gaps[index - 1] as number)),
    gaps.join(" "),
  );
});

const COUNTED = utf8("ada");

function countOf(cluster: SimCluster, at: string): number {
  const asked = { bucket: "b", key: COUNTED, deadlineMs: 1000, hedge: DEFAULT_HEDGE, mend: true } as const;
  const outcome = cluster.read(at, { ...asked, level: "ALL" });
  assert.ok(outcome.ok, outcome.ok ? "" : outcome.failure.detail);
  return Number(/-?\d+/.exec(Buffer.from(outcome.view.contents[0]?.value ?? []).toString())?.[0] ?? 0);
}

function count(cluster: SimCluster, at: string, by: number, level: "QUORUM" | "ALL" = "QUORUM"): void {
  const op = { kind: "add", by } as const;
  const asked = { bucket: "b", key: COUNTED, context: EMPTY_CONTEXT, deadlineMs: 1000 } as const;
  const outcome = cluster.write(at, { ...asked, op, level });
  assert.ok(outcome.ok, outcome.ok ? "" : outcome.failure.detail);
}

/** Two nodes hold what the third has missed, and one of the two loses it. */
function lost(seed: string, lose: (cluster: SimCluster, row: Uint8Array) => void): SimCluster {
  const limits = { scrubIntervalMs: 10_000, hintRowsMax: 0 };
  const cluster = new SimCluster({ seed, bucket: { type: "counter" }, limits });
  cluster.startAll();
  count(cluster, "n1", 8, "ALL");
  cluster.network.partition([["n1", "n2"], ["n3"]]);
  count(cluster, "n1", 2);
  cluster.crash("n2");
  lose(cluster, rowsOf(cluster, "n1")[0] as Uint8Array);
  cluster.run(20_000);
  return cluster;
}

const stray = (cluster: SimCluster, row: Uint8Array) => cluster.disk("n1").flipKey(row, 8 * (row.length - 1) + 6);
const LOSSES: Readonly<Record<string, (cluster: SimCluster, row: Uint8Array) => void>> = {
  stray,
  leaf: (cluster, row) => cluster.disk("n1").write(new Map([[bytesToMapKey(row), { key: row, value: undefined }]])),
};

for (const [kind, lose] of Object.entries(LOSSES)) {
  test(`what an owner counts on top of less than it had lost is not taken for all of it: found by ${kind}`, () => {
    const cluster = lost(kind, lose);
    assert.ok(foundAt(cluster, "n1", kind) > 0);
    assert.equal(cluster.meter("n1").sum("murmur_incarnations_total"), 1);
    cluster.network.heal();
    cluster.run(10_000);
    count(cluster, "n1", 1);
    cluster.start("n2");
    cluster.run(10_000);
    assert.equal(countOf(cluster, "n3"), 11);
  });
}

test("a stray that the disk does not let go begins one new life, however often it is met", () => {
  const cluster = lost("stuck", (cluster, row) => {
    const storage = cluster.storage("n1");
    const flipped = stray(cluster, row);
    const commit = storage.commit.bind(storage);
    storage.commit = (batch, onDone) => {
      const isStray = batch.some(({ key }) => Buffer.compare(key, flipped) === 0);
      commit(isStray ? [] : batch, (error) => onDone(isStray ? { kind: "io", detail: "a bad page" } : error));
    };
  });
  cluster.run(40_000);
  assert.ok(foundAt(cluster, "n1", "stray") > 3);
  assert.equal(cluster.meter("n1").sum("murmur_incarnations_total"), 1);
});
