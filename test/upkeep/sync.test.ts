import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8 } from "../../src/base/bytes.js";
import { below } from "../../src/base/random.js";
import { DEFAULT_HEDGE } from "../../src/cluster-config.js";
import { DEFAULT_LIMITS } from "../../src/config.js";
import { EMPTY_CONTEXT } from "../../src/lattice/context.js";
import { keyOfRow } from "../../src/replica/rows.js";
import { SimCluster } from "../../src/sim/cluster.js";
import { apart } from "../../src/sim/proof.js";
import { SimRandom } from "../../src/sim/random.js";

/** All rows of a node, as one text. */
function dumpOf(cluster: SimCluster, node: string): string {
  const rows = cluster.storage(node).scan(Uint8Array.of(1), Uint8Array.of(2), 1_000_000);
  return rows.map(({ key, value }) => Buffer.concat([key, value]).toString("hex")).join("\n");
}

/** And every hash tree is the sum of its rows. */
function areEqual(cluster: SimCluster): boolean {
  const dumps = cluster.ids.map((id) => dumpOf(cluster, id));
  if (!dumps.every((dump) => dump === dumps[0])) return false;
  return cluster.ids.every((id) => cluster.member(id).treeFault() === undefined);
}

/** Writes without waiting for anybody. */
function put(cluster: SimCluster, at: string, key: string, value: string): void {
  const op = { kind: "put", contentType: "", value: utf8(value), expiresAtMs: undefined } as const;
  const request = { bucket: "b", key: utf8(key), op, context: EMPTY_CONTEXT, level: "ONE", deadlineMs: 1000 } as const;
  cluster.member(at).write(request, () => {});
}

function filled(keys: number, seed: string): SimCluster {
  const cluster = new SimCluster({ seed, partitions: 16, limits: { syncBlockRowsMax: 8 } });
  cluster.startAll();
  for (let index = 0; index < keys; index++) {
    put(cluster, "n1", `key ${index}`, "first");
    if (index % 100 === 0) cluster.run(20);
  }
  cluster.run(100);
  return cluster;
}

test("replicas that drifted apart become byte-equal by themselves", () => {
  for (let round = 0; round < 3; round++) {
    const cluster = filled(300, `apart ${round}`);
    const random = new SimRandom(round);
    cluster.network.partition([["n1"], ["n2"], ["n3"]]);
    for (let count = 0; count < 100; count++) {
      const node = cluster.ids[below(random, 3)] as string;
      put(cluster, node, `key ${below(random, 400)}`, `by ${node} in ${count}`);
      cluster.run(5);
    }
    assert.ok(!areEqual(cluster));
    cluster.network.heal();
    cluster.runUntil(() => areEqual(cluster), 15_000);
  }
});

test("seven nodes that all differ from one another do not hold one another up", () => {
  const limits = { hintRowsMax: 0, settleMs: 0, syncBlocksMax: 4, treeLeavesMax: 32, scanRowsMax: 16 };
  const cluster = new SimCluster({ seed: "crowd", nodes: 7, replication: 3, partitions: 64, limits });
  cluster.startAll();
  cluster.network.partition(cluster.ids.map((id) => [id]));
  for (let count = 0; count < 200; count++) {
    put(cluster, cluster.ids[count % 7] as string, `key ${count}`, "written while nobody hears anybody");
    cluster.run(5);
  }
  cluster.run(DEFAULT_LIMITS.syncDeadlineMs);
  cluster.network.heal();
  cluster.runUntil(() => apart(cluster) === undefined, 2 * DEFAULT_LIMITS.syncIntervalMs);
});

test("who does not answer whether all is the same holds up the others no longer than until it counts as down", () => {
  const cluster = new SimCluster({ seed: "silent", limits: { syncIntervalMs: 500 } });
  cluster.startAll();
  cluster.network.cut("n1", "n2");
  cluster.run(2 * 500 + DEFAULT_LIMITS.peerSilenceMsMax);
  assert.ok(cluster.meter("n1").value("murmur_syncs_total", { end: "broken" }) > 0);
});

test("a wiped node pulls everything and votes again", () => {
  const cluster = filled(2000, "wiped");
  cluster.crash("n2");
  cluster.wipe("n2");
  cluster.start("n2");
  cluster.runUntil(() => cluster.member("n2").describe().rebuilding === 0, 10_000);
  assert.ok(areEqual(cluster));
});

test("a node that rebuilds in vain, for too few are there, comes ever more seldom, and at once when there are enough", () => {
  const cluster = filled(100, "in vain");
  cluster.crash("n2");
  cluster.wipe("n2");
  cluster.crash("n3");
  cluster.start("n2");
  const syncs = () => cluster.meter("n2").sum("murmur_syncs_total");
  const { syncIntervalMs, syncRetryMs } = DEFAULT_LIMITS;
  cluster.run(2 * syncIntervalMs);
  const soon = syncs();
  assert.ok(soon >= 3, `${soon} within ${2 * syncIntervalMs} ms`);
  cluster.run(20 * syncIntervalMs);
  const then = syncs() - soon;
  assert.ok(then <= 30, `${then} in 20 intervals`);
  assert.ok(20 * syncIntervalMs > 100 * syncRetryMs);
  cluster.start("n3");
  cluster.runUntil(() => cluster.member("n2").describe().rebuilding === 0, syncIntervalMs);
});

test("a restarted node knows its trees again from what is stored", () => {
  const cluster = filled(3000, "trees");
  cluster.run(10_000);
  cluster.crash("n2");
  cluster.start("n2");
  cluster.run(20_000);
  assert.equal(cluster.member("n2").describe().rows, 3000);
  assert.equal(cluster.meter("n2").value("murmur_sync_rows_total", { direction: "pulled" }), 0);
  assert.equal(cluster.meter("n2").value("murmur_sync_rows_total", { direction: "pushed" }), 0);
});

test("when nothing differs, a round costs the same whatever is stored", () => {
  const framesPerMinute = (keys: number) => {
    const cluster = filled(keys, "quiet");
    cluster.run(10_000);
    const before = cluster.network.statistics.sent;
    cluster.run(60_000);
    return cluster.network.statistics.sent - before;
  };
  const [few, many] = [framesPerMinute(10), framesPerMinute(1000)];
  assert.ok(Math.abs(many - few) < few * 0.05, `${few} frames a minute at 10 keys, ${many} at 1,000`);
});

test("few differences among many rows cost few messages", () => {
  const cluster = filled(3000, "few");
  cluster.run(10_000);
  cluster.network.partition([["n1", "n2"], ["n3"]]);
  for (let index = 0; index < 3; index++) put(cluster, "n1", `key ${index * 700}`, "second");
  cluster.run(10_000);
  cluster.network.heal();
  cluster.runUntil(() => areEqual(cluster), 15_000);
  cluster.run(10_000);
  const moved = cluster.ids.map((id) =>
    ["pulled", "pushed"].map((direction) => cluster.meter(id).value("murmur_sync_rows_total", { direction })),
  );
  // Either side of either pair may begin, and both may at once.
  assert.ok(moved.flat().reduce((sum, rows) => sum + rows, 0) <= 24, JSON.stringify(moved));
});

test("a damaged row stops no node: others sync on, and it is answered as an error", () => {
  const cluster = filled(200, "damage");
  const victim = cluster.storage("n2").scan(Uint8Array.of(1), Uint8Array.of(2), 1)[0];
  assert.ok(victim !== undefined);
  cluster.disk("n2").damage(victim.key);
  cluster.network.partition([["n1"], ["n2", "n3"]]);
  put(cluster, "n1", "key 7", "while apart");
  cluster.run(5000);
  cluster.network.heal();
  cluster.run(20_000);
  assert.equal(dumpOf(cluster, "n1"), dumpOf(cluster, "n3"));
  cluster.crash("n2");
  cluster.start("n2");
  cluster.run(100);
  assert.ok(cluster.said.some((sentence) => sentence.includes("some rows of the store cannot be read")));
  // Its tree looks like nobody's, so the row is met by the next sync, and healed.
  cluster.runUntil(() => cluster.meter("n2").sum("murmur_healed_rows_total") === 1, 10_000);
  cluster.run(5000);
  assert.ok(areEqual(cluster));
});

function movedRows(cluster: SimCluster): number {
  return cluster.ids.reduce((sum, id) => sum + cluster.meter(id).sum("murmur_sync_rows_total"), 0);
}

test("a row that is stamped ahead of the time does not wait for its time to come", () => {
  const settleMs = 4000;
  const limits = { settleMs, hintAgeMsMax: 1, clockSkewMsMax: 60_000 };
  const cluster = new SimCluster({ seed: "ahead", limits, clock: (index) => ({ offsetMs: index === 0 ? 30_000 : 0 }) });
  cluster.startAll();
  cluster.network.partition([["n1"], ["n2", "n3"]]);
  put(cluster, "n1", "k", "ahead");
  cluster.run(settleMs);
  cluster.nodeClock("n1").jump(-30_000);
  assert.ok(!areEqual(cluster));
  cluster.network.heal();
  cluster.runUntil(() => areEqual(cluster), 10_000);
});

test("after an absence each row comes once, not from every peer", () => {
  const cluster = filled(1000, "once");
  cluster.run(10_000);
  cluster.crash("n3");
  for (let index = 0; index < 200; index++) {
    put(cluster, "n1", `key ${index}`, "second");
    if (index % 20 === 0) cluster.run(20);
  }
  cluster.run(10_000);
  const before = movedRows(cluster);
  cluster.start("n3");
  cluster.runUntil(() => areEqual(cluster), 15_000);
  cluster.run(10_000);
  assert.equal(movedRows(cluster) - before, 200);
});

test("a node that its limits give few leaves, and ones with many, find what differs among them", () => {
  for (const treeLeavesMax of [1, 16, 65_536]) {
    const cluster = new SimCluster({ seed: "leaves", partitions: 4, limits: { treeLeavesMax, syncBlockRowsMax: 8 } });
    cluster.startAll();
    for (let index = 0; index < 500; index++) put(cluster, "n1", `key ${index}`, "first");
    cluster.run(5000);
    cluster.network.partition([["n1", "n2"], ["n3"]]);
    for (let index = 0; index < 20; index++) put(cluster, "n1", `key ${index * 20}`, "second");
    put(cluster, "n3", "key 7", "third");
    cluster.run(10_000);
    const before = movedRows(cluster);
    cluster.network.heal();
    cluster.runUntil(() => areEqual(cluster), 15_000);
    cluster.run(5000);
    const moved = movedRows(cluster) - before;
    // Who leads pulls a row that both hold before it knows which is newer.
    assert.ok(moved >= 21 && moved <= 43, `${moved} rows moved`);
  }
});

for (const kind of ["unreadable", "changed"] as const) {
  test(`a row that became ${kind} is fetched anew by its owner, and only from enough others`, () => {
    const cluster = filled(50, `heal ${kind}`);
    const [victim] = cluster.storage("n2").scan(Uint8Array.of(1), Uint8Array.of(2), 1);
    assert.ok(victim !== undefined);
    const before = dumpOf(cluster, "n1");
    const flipped = Uint8Array.from(victim.value);
    flipped[flipped.length - 1] = (flipped[flipped.length - 1] as number) ^ 1;
    cluster.storage("n2").commit([{ key: victim.key, value: flipped }], () => {});
    cluster.storage("n2").release();
    cluster.run(10);
    if (kind === "unreadable") cluster.disk("n2").damage(victim.key);
    const keyOf = keyOfRow(victim.key);
    const readAll = () =>
      cluster.read("n1", { bucket: "b", key: keyOf, level: "ALL", deadlineMs: 1000, hedge: DEFAULT_HEDGE, mend: true })
        .ok;
    cluster.network.partition([["n2"], ["n3"]]);
    assert.equal(readAll(), false, "the damage was not seen");
    cluster.run(10_000);
    assert.equal(readAll(), false, "one other owner is not enough");
    cluster.network.heal();
    cluster.run(10_000);
    readAll();
    cluster.run(100);
    assert.equal(readAll(), true, "not healed");
    assert.equal(dumpOf(cluster, "n2"), before);
    cluster.run(20_000);
    assert.equal(cluster.meter("n2").value("murmur_sync_rows_total", { direction: "pulled" }), 0);
  });
}
