/** Last writer wins, honestly: which losses are counted, once each, and what the list of them says. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { utf8 } from "../../src/base/bytes.js";
import { DEFAULT_HEDGE } from "../../src/cluster-config.js";
import type { Level } from "../../src/config.js";
import type { OverwriteKind } from "../../src/coordinator/overwrites.js";
import { type Context, EMPTY_CONTEXT, lastStampOf } from "../../src/lattice/context.js";
import type { Op } from "../../src/lattice/op.js";
import { CLIENT, type Stamp } from "../../src/lattice/stamp.js";
import { SimCluster, type SimClusterOptions } from "../../src/sim/cluster.js";

const KEY = utf8("ada");
const SETTLE_MS = 100;
const TOTAL = "murmur_register_overwrites_total";

function clusterOf(options: Partial<SimClusterOptions> = {}): SimCluster {
  const cluster = new SimCluster({ seed: "overwrites", ...options });
  cluster.startAll();
  return cluster;
}

interface Wish {
  readonly at?: string;
  readonly bucket?: string;
  readonly key?: Uint8Array;
  readonly context?: Context;
  readonly level?: Level;
  readonly ttlMs?: number;
  readonly stampUs?: number;
}

/** The context of a write; undefined deletes. */
function write(cluster: SimCluster, value: string | undefined, wish: Wish = {}): Context {
  const { at = "n1", bucket = "b", key = KEY, context = EMPTY_CONTEXT, level = "QUORUM", ttlMs, stampUs } = wish;
  const expiresAtMs = ttlMs === undefined ? undefined : cluster.clock.wallMs() + ttlMs;
  const op: Op =
    value === undefined
      ? { kind: "delete" }
      : { kind: "put", contentType: "text/plain", value: utf8(value), expiresAtMs };
  const outcome = cluster.write(at, { bucket, key, op, context, stampUs, level, deadlineMs: 1000 });
  assert.ok(outcome.ok);
  return outcome.context;
}

function read(cluster: SimCluster, at = "n1", level: Level = "QUORUM"): Context {
  const rest = { level, deadlineMs: 1000, hedge: DEFAULT_HEDGE, mend: true };
  const outcome = cluster.read(at, { bucket: "b", key: KEY, ...rest });
  assert.ok(outcome.ok);
  return outcome.view.context;
}

/** How many were counted over all nodes, once all owners have been heard. */
function counted(cluster: SimCluster): Record<OverwriteKind, number> {
  cluster.run(SETTLE_MS);
  const sum = (kind: OverwriteKind) =>
    cluster.ids.reduce((all, id) => all + cluster.meter(id).value(TOTAL, { kind }), 0);
  return { stale: sum("stale"), blind: sum("blind"), beaten: sum("beaten") };
}

function stampOf(context: Context): Stamp {
  return lastStampOf(context) as Stamp;
}

test("a write whose context does not cover what it replaces is stale; one that read it first is not", () => {
  const cluster = clusterOf();
  const first = write(cluster, "one", { at: "n1" });
  const second = write(cluster, "two", { at: "n2", context: first });
  assert.deepEqual(counted(cluster), { stale: 0, blind: 0, beaten: 0 });
  const third = write(cluster, "three", { at: "n3", context: first });
  assert.deepEqual(counted(cluster), { stale: 1, blind: 0, beaten: 0 });
  const [noted, ...others] = cluster.member("n3").overwrites(undefined, 10);
  assert.deepEqual(others, []);
  assert.deepEqual([noted?.bucket, noted?.kind], ["b", "stale"]);
  assert.deepEqual(Buffer.from(noted?.key ?? []).toString(), "ada");
  assert.deepEqual(noted?.lost, { stamp: stampOf(second), node: "n2" });
  assert.deepEqual(noted?.kept, { stamp: stampOf(third), node: "n3" });
  write(cluster, "four", { at: "n1", context: read(cluster) });
  assert.deepEqual(counted(cluster), { stale: 1, blind: 0, beaten: 0 });
});

test("a write without a context is blind, counted once and not once for each owner", () => {
  const cluster = clusterOf({ nodes: 5 });
  write(cluster, "one");
  write(cluster, "two", { at: "n4", level: "ALL" });
  assert.deepEqual(counted(cluster), { stale: 0, blind: 1, beaten: 0 });
  write(cluster, undefined, { at: "n4" });
  assert.deepEqual(counted(cluster), { stale: 0, blind: 2, beaten: 0 });
});

test("tombstones, expired values and a value that is written again are no loss", () => {
  const cluster = clusterOf();
  write(cluster, undefined);
  write(cluster, "one", { ttlMs: 500 });
  write(cluster, "one", { at: "n2", ttlMs: 500 });
  cluster.run(600);
  write(cluster, "two");
  write(cluster, "two", { at: "n3" });
  assert.deepEqual(counted(cluster), { stale: 0, blind: 0, beaten: 0 });
});

test("a write that is stamped anew replaces what it had not seen, and not itself", () => {
  const cluster = clusterOf({ clock: (index) => (index === 2 ? { offsetMs: 4000 } : {}) });
  cluster.network.partition([["n1"], ["n2", "n3"]]);
  const ahead = write(cluster, "ahead", { at: "n3" });
  cluster.network.heal();
  const after = write(cluster, "after", { at: "n1", level: "ALL" });
  assert.ok(cluster.meter("n1").value("murmur_beaten_total") > 0);
  assert.deepEqual(counted(cluster), { stale: 0, blind: 1, beaten: 0 });
  const [noted] = cluster.member("n1").overwrites(undefined, 10);
  assert.deepEqual([noted?.lost.stamp, noted?.kept.stamp], [stampOf(ahead), stampOf(after)]);
});

test("an acknowledged write that meets a higher stamp afterwards is beaten; a delete has nothing to lose", () => {
  for (const value of ["late", undefined]) {
    const cluster = clusterOf({ clock: (index) => (index === 2 ? { offsetMs: 4000 } : {}) });
    cluster.network.partition([["n1", "n2"], ["n3"]]);
    const ahead = write(cluster, "ahead", { at: "n3", level: "ONE" });
    cluster.network.heal();
    const late = write(cluster, value, { at: "n1", level: "ONE" });
    assert.deepEqual(counted(cluster), { stale: 0, blind: 0, beaten: value === undefined ? 0 : 1 });
    const [noted] = cluster.member("n1").overwrites(undefined, 10);
    if (value === undefined) assert.equal(noted, undefined);
    else assert.deepEqual([noted?.lost.stamp, noted?.kept.stamp], [stampOf(late), stampOf(ahead)]);
  }
});

test("what was lost is counted although the write that replaced it failed", () => {
  const cluster = clusterOf();
  write(cluster, "one");
  cluster.run(SETTLE_MS);
  cluster.network.partition([["n1"], ["n2", "n3"]]);
  const op = { kind: "put", contentType: "text/plain", value: utf8("two"), expiresAtMs: undefined } as const;
  const rest = { context: EMPTY_CONTEXT, level: "QUORUM", deadlineMs: 300 } as const;
  assert.ok(!cluster.write("n1", { bucket: "b", key: KEY, op, ...rest }).ok);
  assert.deepEqual(counted(cluster), { stale: 0, blind: 1, beaten: 0 });
});

test("the list is bounded, newest first, and blind writes do not push the others out", () => {
  const cluster = clusterOf({ limits: { overwriteItemsMax: 3 } });
  const seen = write(cluster, "one");
  write(cluster, "two");
  write(cluster, "three", { context: seen });
  for (let index = 0; index < 10; index++)
    write(cluster, `value ${index}`, { key: utf8(`key ${index % 2}`), bucket: "c" });
  counted(cluster);
  const kinds = (bucket?: string) =>
    cluster
      .member("n1")
      .overwrites(bucket, 10)
      .map(({ kind }) => kind);
  assert.deepEqual(kinds(), ["blind", "blind", "blind", "stale"]);
  assert.deepEqual(kinds("b"), ["stale"]);
  const keys = cluster
    .member("n1")
    .overwrites("c", 2)
    .map(({ key }) => Buffer.from(key).toString());
  assert.deepEqual(keys, ["key 1", "key 0"]);
});

test("of any history without faults, exactly the values that nobody had looked at are counted", () => {
  const step = fc.record({
    client: fc.nat({ max: 2 }),
    node: fc.constantFrom("n1", "n2", "n3"),
    action: fc.constantFrom("read", "aware", "aware", "blind", "delete"),
  });
  const history = fc.array(step, { maxLength: 15 });
  fc.assert(
    fc.property(history, (steps) => {
      const cluster = clusterOf();
      const expected = { stale: 0, blind: 0, beaten: 0 };
      const seen = new Map<number, { context: Context; write: number }>();
      let [last, isThere] = [0, false];
      for (const [index, { client, node, action }] of steps.entries()) {
        const known = action === "blind" || action === "delete" ? undefined : seen.get(client);
        if (action === "read") {
          const context = read(cluster, node);
          if (last > 0) seen.set(client, { context, write: last });
          continue;
        }
        if (isThere && known?.write !== last) expected[known === undefined ? "blind" : "stale"]++;
        const value = action === "delete" ? undefined : `value ${index}`;
        const context = write(cluster, value, { at: node, context: known?.context ?? EMPTY_CONTEXT });
        cluster.run(SETTLE_MS);
        [last, isThere] = [index + 1, value !== undefined];
        seen.set(client, { context, write: last });
      }
      assert.deepEqual(counted(cluster), expected);
    }),
    { numRuns: 25 },
  );
});

test("a client's own stamp is kept, loses to what is later, and starts no new life of a store", () => {
  const cluster = clusterOf();
  const nowUs = cluster.clock.wallMs() * 1000;
  const stamps = [nowUs, nowUs + 5_000_000, nowUs + 1_000_000];
  for (const [index, stampUs] of stamps.entries()) {
    const context = write(cluster, `value ${index}`, { at: `n${index + 1}`, stampUs, level: "ALL" });
    assert.deepEqual(stampOf(context), { timeUs: stampUs, actor: CLIENT });
  }
  assert.equal(stampOf(read(cluster)).timeUs, nowUs + 5_000_000);
  assert.deepEqual(counted(cluster), { stale: 0, blind: 1, beaten: 1 });
  for (const id of cluster.ids) assert.equal(cluster.meter(id).value("murmur_incarnations_total"), 0);
  const later = write(cluster, "stamped by a node", { at: "n1", context: read(cluster, "n2") });
  assert.ok(stampOf(later).timeUs > nowUs + 5_000_000);
});

test("two values under one stamp of clients: all owners keep the same one, and a replay is no loss", () => {
  const cluster = clusterOf();
  const stampUs = cluster.clock.wallMs() * 1000;
  for (const value of ["b", "a", "b"]) write(cluster, value, { stampUs, at: value === "a" ? "n1" : "n2" });
  const { beaten, blind } = counted(cluster);
  assert.deepEqual([beaten, blind], [1, 0]);
  for (const id of cluster.ids) {
    const rest = { level: "ONE", deadlineMs: 1000, hedge: DEFAULT_HEDGE, mend: false } as const;
    const outcome = cluster.read(id, { bucket: "b", key: KEY, ...rest });
    assert.ok(outcome.ok);
    assert.equal(Buffer.from(outcome.view.contents[0]?.value ?? []).toString(), "b");
  }
});
