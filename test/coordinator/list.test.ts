/** Listings on virtual time: every key once, in token order, whatever happens meanwhile. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { utf8 } from "../../src/base/bytes.js";
import { tokenOf } from "../../src/base/hash.js";
import { DEFAULT_HEDGE } from "../../src/cluster-config.js";
import type { Level } from "../../src/config.js";
import { changeIdOf } from "../../src/coordinator/change-id.js";
import type { ListOutcome, ListPosition } from "../../src/coordinator/list.js";
import { EMPTY_CONTEXT } from "../../src/lattice/context.js";
import type { Op } from "../../src/lattice/op.js";
import { SimCluster, type SimClusterOptions } from "../../src/sim/cluster.js";

const DEADLINE_MS = 1000;

function clusterOf(options: Partial<SimClusterOptions> = {}): SimCluster {
  const { limits, ...others } = options;
  const cluster = new SimCluster({ seed: "list", limits: { syncIntervalMs: 3_000_000, ...limits }, ...others });
  cluster.startAll();
  return cluster;
}

function page(
  cluster: SimCluster,
  at: string,
  options: { bucket?: string; keysMax?: number; level?: Level; after?: ListPosition | undefined } = {},
): ListOutcome {
  return cluster.list(at, {
    ...{ bucket: "b", keysMax: 100, level: "QUORUM", after: undefined },
    ...{ deadlineMs: DEADLINE_MS, hedge: DEFAULT_HEDGE },
    ...options,
  });
}

/** All pages, one after another. */
function listAll(
  cluster: SimCluster,
  at: string,
  options: { bucket?: string; keysMax?: number; level?: Level } = {},
  between: () => void = () => {},
): string[] {
  const keys: string[] = [];
  let after: ListPosition | undefined;
  do {
    const outcome = page(cluster, at, { ...options, after });
    assert.ok(outcome.ok, outcome.ok ? "" : outcome.failure.detail);
    assert.ok(outcome.keys.length <= (options.keysMax ?? 100));
    keys.push(...outcome.keys.map((key) => Buffer.from(key).toString()));
    after = outcome.next;
    between();
  } while (after !== undefined);
  return keys;
}

function put(cluster: SimCluster, at: string, keys: readonly string[], bucket = "b", ttlMs?: number): void {
  const expiresAtMs = ttlMs === undefined ? undefined : cluster.nodeClock(at).wallMs() + ttlMs;
  change(cluster, at, keys, bucket, { kind: "put", contentType: "", value: utf8("x"), expiresAtMs });
}

function change(cluster: SimCluster, at: string, keys: readonly string[], bucket: string, op: Op): void {
  const rest = { bucket, op, context: EMPTY_CONTEXT, level: "QUORUM", deadlineMs: DEADLINE_MS } as const;
  const { writes } = cluster.batch(at, { reads: [], writes: keys.map((key) => ({ ...rest, key: utf8(key) })) });
  assert.ok(writes.every(({ ok }) => ok));
}

function keysNamed(count: number, name = "key"): string[] {
  return Array.from({ length: count }, (_, index) => `${name} ${index}`);
}

function inTokenOrder(keys: Iterable<string>): string[] {
  const tokens = new Map([...keys].map((key) => [key, tokenOf(utf8(key))]));
  return [...tokens].sort(([, a], [, b]) => (a < b ? -1 : 1)).map(([key]) => key);
}

for (const level of ["ONE", "QUORUM", "ALL", "LOCAL_QUORUM"] as const) {
  for (const keysMax of [1, 7, 1000]) {
    test(`all keys in token order, at ${level}, ${keysMax} a page`, () => {
      const cluster = clusterOf({ nodes: 5 });
      const keys = keysNamed(60);
      put(cluster, "n1", keys);
      put(cluster, "n1", keysNamed(60, "other"), "another bucket's");
      cluster.run(100);
      assert.deepEqual(listAll(cluster, "n2", { level, keysMax }), inTokenOrder(keys));
    });
  }
}

test("an empty bucket is one empty page with no next", () => {
  const cluster = clusterOf();
  assert.deepEqual(page(cluster, "n1"), { ok: true, keys: [], next: undefined });
});

test("buckets with the very same keys do not get into one another's pages", () => {
  // All rows of one token lie together: positions must tell the buckets apart within it.
  const cluster = clusterOf({ partitions: 1, limits: { scanRowsMax: 16 } });
  const keys = keysNamed(30);
  for (const bucket of ["a", "b", "bb", "c"]) put(cluster, "n1", bucket === "bb" ? keys.slice(0, 3) : keys, bucket);
  // A page of 4 ends behind a key; one of 100 ends behind 16 rows, whosever the last one is.
  for (const keysMax of [4, 100]) {
    for (const bucket of ["a", "b", "c"]) {
      assert.deepEqual(listAll(cluster, "n2", { bucket, keysMax }), inTokenOrder(keys));
    }
  }
  assert.deepEqual(listAll(cluster, "n2", { bucket: "bb", keysMax: 1 }), inTokenOrder(keys.slice(0, 3)));
});

test("what was deleted or has expired is not listed", () => {
  const cluster = clusterOf();
  const [kept, deleted, expiring] = [keysNamed(20, "kept"), keysNamed(20, "deleted"), keysNamed(20, "expiring")];
  put(cluster, "n1", [...kept, ...deleted]);
  put(cluster, "n1", expiring, "b", 5000);
  change(cluster, "n1", deleted, "b", { kind: "delete" });
  assert.deepEqual(listAll(cluster, "n2"), inTokenOrder([...kept, ...expiring]));
  cluster.run(6000);
  assert.deepEqual(listAll(cluster, "n2"), inTokenOrder(kept));
});

test("what was deleted is not listed while its owners remember the id of the delete", () => {
  const cluster = clusterOf({ types: ["counter", "siblings", "set", "map"] });
  const op = { kind: "delete" } as const;
  const rest = { key: utf8("k"), op, context: EMPTY_CONTEXT, level: "QUORUM", deadlineMs: DEADLINE_MS } as const;
  for (const bucket of ["b", "counter", "siblings", "set", "map"]) {
    assert.ok(cluster.write("n1", { bucket, ...rest, id: changeIdOf("gone", op) }).ok);
    assert.deepEqual(listAll(cluster, "n2", { bucket }), [], bucket);
  }
});

test("what one owner missed is listed, and mended by the listing; what it missed to delete is not", () => {
  const cluster = clusterOf();
  const [gone, missed] = [keysNamed(10, "gone"), keysNamed(10, "missed")];
  put(cluster, "n1", gone);
  cluster.run(100);
  cluster.network.partition([["n1", "n2"], ["n3"]]);
  change(cluster, "n1", gone, "b", { kind: "delete" });
  put(cluster, "n1", missed);
  cluster.run(100);
  cluster.network.heal();
  assert.deepEqual(listAll(cluster, "n3", { level: "ONE" }), inTokenOrder(gone));
  assert.deepEqual(listAll(cluster, "n3"), inTokenOrder(missed));
  assert.deepEqual(listAll(cluster, "n3", { level: "ONE" }), inTokenOrder(missed));
});

test("values on which owners differ are not fetched all at once, however large the page", () => {
  const cluster = clusterOf({
    limits: {
      batchAnswerBytesMax: 600_000,
      valueBytesMax: 60_000,
      syncBatchBytesMax: 2 ** 16,
      gatherBytesMax: 2 ** 16,
    },
  });
  const keys = keysNamed(200);
  cluster.network.partition([["n1", "n2"], ["n3"]]);
  const large = { kind: "put", contentType: "", value: new Uint8Array(60_000), expiresAtMs: undefined } as const;
  change(cluster, "n1", keys, "b", large);
  cluster.run(3000);
  cluster.network.heal();
  cluster.runUntil(() => cluster.member("n3").opinionOf("n1").alive);
  const storage = cluster.storage("n1");
  const durable = storage.durable.bind(storage);
  let fetched = 0;
  storage.durable = (key) => {
    fetched++;
    return durable(key);
  };
  // At the first stop the page goes on with as many values as have room in any case.
  const first = page(cluster, "n3", { keysMax: 20 });
  assert.ok(first.ok && first.keys.length === 20 && fetched < 100, `${fetched} values fetched`);
  assert.deepEqual(listAll(cluster, "n3", { keysMax: 1000 }), inTokenOrder(keys));
});

test("with an owner dead, before and after anyone noticed, a listing is complete", () => {
  const cluster = clusterOf({ nodes: 5 });
  const keys = keysNamed(100);
  put(cluster, "n1", keys);
  cluster.crash("n4");
  const beforeMs = cluster.clock.nowMs();
  assert.deepEqual(listAll(cluster, "n1", { keysMax: 1000 }), inTokenOrder(keys));
  assert.ok(cluster.clock.nowMs() - beforeMs < 500);
  cluster.runUntil(() => !cluster.member("n1").opinionOf("n4").alive);
  assert.deepEqual(listAll(cluster, "n1"), inTokenOrder(keys));
});

test("an owner that rebuilds does not count: its gaps are nobody's absence", () => {
  const cluster = clusterOf();
  const keys = keysNamed(50);
  put(cluster, "n1", keys);
  cluster.run(100);
  cluster.crash("n3");
  cluster.wipe("n3");
  cluster.network.partition([["n1"], ["n3"]]);
  cluster.start("n3");
  cluster.run(1000);
  assert.ok(cluster.member("n3").describe().rebuilding > 0);
  assert.deepEqual(listAll(cluster, "n2"), inTokenOrder(keys));
  assert.deepEqual(listAll(cluster, "n2", { level: "ONE" }), inTokenOrder(keys));
});

test("a damaged row is listed by the owners that can read it, and by nobody taken for absent", () => {
  const cluster = clusterOf({ partitions: 1 });
  const keys = keysNamed(10);
  put(cluster, "n1", keys);
  cluster.run(100);
  const [row] = cluster.storage("n1").scan(Uint8Array.of(1), Uint8Array.of(2), 1);
  cluster.disk("n1").damage((row as { key: Uint8Array }).key);
  assert.deepEqual(listAll(cluster, "n1"), inTokenOrder(keys));
});

test("too few owners: a page that has nothing fails as a read would, one that has something is short", () => {
  const cluster = clusterOf({ nodes: 5, replication: 1, partitions: 32 });
  const keys = keysNamed(100);
  put(cluster, "n1", keys);
  cluster.crash("n5");
  cluster.runUntil(() => !cluster.member("n1").opinionOf("n5").alive);
  let after: ListPosition | undefined;
  const listed: string[] = [];
  for (;;) {
    const outcome = page(cluster, "n1", { after });
    if (!outcome.ok) {
      assert.equal(outcome.failure.kind, "unavailable");
      break;
    }
    assert.ok(outcome.next !== undefined);
    listed.push(...outcome.keys.map((key) => Buffer.from(key).toString()));
    after = outcome.next;
  }
  assert.deepEqual(listed, inTokenOrder(keys).slice(0, listed.length));
});

test("a bucket with a few keys among thousands of others' gets short pages, and an end", () => {
  const cluster = clusterOf({ partitions: 64, limits: { listRowsMax: 1024, scanRowsMax: 64 } });
  for (let round = 0; round < 4; round++) put(cluster, "n1", keysNamed(1000, `other ${round}`), "crowd");
  const keys = keysNamed(3);
  put(cluster, "n1", keys);
  let pages = 0;
  const listed = listAll(cluster, "n2", {}, () => {
    pages++;
  });
  assert.deepEqual(listed, inTokenOrder(keys));
  assert.ok(pages > 2 && pages < 30, `${pages} pages`);
});

test("no turn of a listing looks at more rows than one scan may, even where one node owns everything", () => {
  const scanRowsMax = 32;
  const cluster = clusterOf({ nodes: 1, partitions: 64, limits: { scanRowsMax } });
  const keys = keysNamed(500);
  put(cluster, "n1", keys);
  const storage = cluster.storage("n1");
  const scan = storage.scan.bind(storage);
  let rows = 0;
  storage.scan = (...bounds) => {
    const found = scan(...bounds);
    rows += found.length;
    return found;
  };
  let outcome: ListOutcome | undefined;
  const request = { bucket: "b", keysMax: 1000, level: "ONE", after: undefined, deadlineMs: DEADLINE_MS } as const;
  cluster.member("n1").list({ ...request, hedge: DEFAULT_HEDGE }, (result) => {
    outcome = result;
  });
  for (let turns = 1; outcome === undefined; turns++) {
    assert.ok(rows <= scanRowsMax, `${rows} rows in turn ${turns}`);
    rows = 0;
    assert.ok(cluster.clock.step());
  }
  assert.ok(outcome.ok && outcome.keys.length === keys.length);
});

test("keys that are there throughout are listed once each, while others come and go", () => {
  const value = { kind: "put", contentType: "", value: utf8("y"), expiresAtMs: undefined } as const;
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 1, max: 30 }), fc.array(fc.nat({ max: 99 })), (seed, keysMax, changed) => {
      const cluster = clusterOf({ seed, partitions: 8, limits: { scanRowsMax: 16 } });
      const steady = keysNamed(50, "steady");
      put(cluster, "n1", steady);
      let turn = 0;
      const listed = listAll(cluster, "n2", { keysMax }, () => {
        const index = changed[turn++ % Math.max(1, changed.length)] ?? 0;
        change(cluster, "n3", [`passing ${index}`], "b", turn % 3 === 0 ? { kind: "delete" } : value);
        // An overwrite leaves the key where it is.
        change(cluster, "n1", [steady[index % 50] as string], "b", value);
      });
      assert.equal(new Set(listed).size, listed.length);
      assert.deepEqual(listed, inTokenOrder(listed));
      const listedSteady = listed.filter((key) => key.startsWith("steady"));
      assert.deepEqual(listedSteady, inTokenOrder(steady));
    }),
    { numRuns: 40 },
  );
});

test("a listing is what the model says, after any writes and deletes, whoever missed them", () => {
  const nodes = ["n1", "n2", "n3"];
  const step = fc.record({
    without: fc.option(fc.constantFrom("n2", "n3"), { nil: undefined }),
    puts: fc.uniqueArray(fc.nat({ max: 40 }), { maxLength: 15 }),
    deletes: fc.uniqueArray(fc.nat({ max: 40 }), { maxLength: 15 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 6 }), fc.nat(), fc.integer({ min: 1, max: 20 }), (steps, seed, keysMax) => {
      const cluster = clusterOf({ seed, partitions: 4, limits: { scanRowsMax: 16 } });
      const model = new Set<string>();
      for (const { without, puts, deletes } of steps) {
        if (without !== undefined) {
          cluster.network.partition([nodes.filter((id) => id !== without), [without]]);
        }
        const named = (numbers: readonly number[]) => numbers.map((number) => `key ${number}`);
        put(cluster, "n1", named(puts));
        change(cluster, "n1", named(deletes), "b", { kind: "delete" });
        for (const key of named(puts)) model.add(key);
        for (const key of named(deletes)) model.delete(key);
        cluster.network.heal();
        cluster.run(50);
      }
      for (const at of nodes) assert.deepEqual(listAll(cluster, at, { keysMax }), inTokenOrder(model));
    }),
    { numRuns: 60 },
  );
});

test("a key of many cells is listed once, if any of them lives, though owners differ in them", () => {
  const cluster = clusterOf({ limits: { scanRowsMax: 16 } });
  const rest = { bucket: "b", context: EMPTY_CONTEXT, level: "QUORUM", deadlineMs: DEADLINE_MS } as const;
  const write = (key: string, sort: number, isPut: boolean) => {
    const put = { kind: "put", contentType: "", value: utf8("x"), expiresAtMs: undefined } as const;
    const op: Op = isPut ? put : { kind: "delete" };
    assert.ok(cluster.write("n1", { ...rest, key: utf8(key), sort: utf8(`s${sort + 100}`), op }).ok);
  };
  const keys = keysNamed(6);
  for (const key of keys) for (let sort = 0; sort < 25; sort++) write(key, sort, true);
  cluster.run(100);
  const [all, none, last, differing] = keys as [string, string, string, string];
  for (let sort = 0; sort < 25; sort++) write(none, sort, false);
  for (let sort = 0; sort < 24; sort++) write(last, sort, false);
  cluster.network.partition([["n1", "n2"], ["n3"]]);
  for (let sort = 0; sort < 20; sort++) write(differing, sort, false);
  cluster.network.heal();
  const expected = inTokenOrder(keys.filter((key) => key !== none));
  assert.ok(expected.includes(all));
  for (const keysMax of [1, 3, 100]) assert.deepEqual(listAll(cluster, "n3", { keysMax }), expected);
});
