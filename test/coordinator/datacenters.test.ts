/** Two datacenters of three nodes each, with `replication: { dc1: 3, dc2: 3 }`, on virtual time. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Level } from "../../src/config.js";
import { EMPTY_CONTEXT } from "../../src/lattice/context.js";
import type { SimCluster } from "../../src/sim/cluster.js";
import { countsOf, datacenters, get, KEY, put, read, tallied, watchCrossings, write } from "./datacenter-cluster.js";

const DC1 = ["n1", "n3", "n5"];
const DC2 = ["n2", "n4", "n6"];

function twoDatacenters(seed: string): SimCluster {
  return datacenters(2, seed);
}

test("a datacenter that is cut off serves LOCAL_QUORUM, and both agree after the heal", () => {
  const cluster = twoDatacenters("cut");
  assert.equal(put(cluster, "n1", "before", "EACH_QUORUM"), "ok");
  cluster.network.partition([DC1, DC2]);
  cluster.run(3000);
  assert.equal(put(cluster, "n1", "in dc1", "LOCAL_QUORUM"), "ok");
  assert.equal(get(cluster, "n3", "LOCAL_QUORUM"), "in dc1");
  assert.equal(get(cluster, "n2", "LOCAL_QUORUM"), "before");
  const refused = [
    ["EACH_QUORUM", "unavailable 0/4 of 2"],
    ["QUORUM", "unavailable 0/4 of 3"],
    ["ALL", "unavailable 0/6 of 3"],
  ] as const;
  for (const [level, counts] of refused) {
    const fromMs = cluster.clock.nowMs();
    assert.equal(countsOf(write(cluster, "n2", "too few", level)), counts);
    assert.equal(countsOf(read(cluster, "n2", level)), counts);
    assert.equal(cluster.clock.nowMs(), fromMs, "at once, and nothing was sent");
  }
  cluster.network.heal();
  cluster.run(10_000);
  for (const id of cluster.ids) assert.equal(get(cluster, id, "LOCAL_ONE"), "in dc1");
});

test("an EACH_QUORUM write is seen by a LOCAL_QUORUM read in either datacenter, one node down in each", () => {
  const cluster = twoDatacenters("each");
  cluster.crash("n5");
  cluster.crash("n6");
  cluster.run(3000);
  for (let round = 0; round < 10; round++) {
    assert.equal(put(cluster, round % 2 === 0 ? "n1" : "n2", `round ${round}`, "EACH_QUORUM"), "ok");
    for (const id of ["n1", "n2", "n3", "n4"]) assert.equal(get(cluster, id, "LOCAL_QUORUM"), `round ${round}`);
  }
});

test("a wiped node must sync in its own datacenter too before it votes", () => {
  const cluster = twoDatacenters("wiped");
  assert.equal(put(cluster, "n1", "local", "LOCAL_QUORUM"), "ok");
  cluster.crash("n1");
  cluster.wipe("n1");
  cluster.network.partition([["n1"], ["n3", "n5"]]);
  cluster.start("n1");
  cluster.run(10_000);
  assert.ok(cluster.member("n1").describe().rebuilding > 0);
  cluster.network.heal();
  cluster.run(10_000);
  assert.equal(cluster.member("n1").describe().rebuilding, 0);
  assert.equal(get(cluster, "n1", "LOCAL_ONE"), "local");
});

test("what is asked at LOCAL_QUORUM and LOCAL_ONE leaves its datacenter never, however late an owner is", () => {
  const cluster = twoDatacenters("late");
  assert.equal(put(cluster, "n1", "value", "ALL"), "ok");
  cluster.run(3000);
  cluster.network.slow("n3", 100);
  cluster.network.pause("n5");
  const crossings = watchCrossings(cluster);
  const hedge = { after: { kind: "always" }, budgetPercent: 100 } as const;
  for (const level of ["LOCAL_ONE", "LOCAL_QUORUM"] as const) {
    const rest = { level, hedge, deadlineMs: 1000, mend: true };
    assert.ok(cluster.read("n1", { bucket: "b", key: KEY, ...rest }).ok);
    cluster.list("n1", { bucket: "b", ...rest, keysMax: 10, after: undefined });
  }
  assert.deepEqual(tallied(crossings).frames, {});
});

test("a read at EACH_QUORUM mends whoever is behind, in its datacenter and in the other", () => {
  const cluster = datacenters(2, "mended", { limits: { hintRowsMax: 0, settleMs: 60_000 } });
  cluster.network.partition([["n1", "n3", "n2", "n4"], ["n5"], ["n6"]]);
  cluster.run(3000);
  assert.equal(put(cluster, "n1", "value", "EACH_QUORUM"), "ok");
  cluster.network.heal();
  cluster.run(3000);
  cluster.crash("n3");
  cluster.crash("n4");
  cluster.run(3000);
  const outcome = read(cluster, "n1", "EACH_QUORUM");
  assert.ok(outcome.ok);
  assert.deepEqual([...outcome.mended].sort(), ["n5", "n6"]);
});

test("increments on both sides of a cut all count, once", () => {
  const cluster = datacenters(2, "counted", { bucket: { type: "counter" } });
  const add = (at: string, level: Level) => {
    const op = { kind: "add", by: 1 } as const;
    const wish = { bucket: "b", key: KEY, op, context: EMPTY_CONTEXT, level, deadlineMs: 1000 };
    return countsOf(cluster.write(at, wish));
  };
  for (const id of cluster.ids) assert.equal(add(id, "EACH_QUORUM"), "ok");
  cluster.network.partition([DC1, DC2]);
  cluster.run(3000);
  for (const id of cluster.ids) assert.equal(add(id, "LOCAL_QUORUM"), "ok");
  assert.equal(add("n1", "EACH_QUORUM"), "unavailable 0/4 of 2");
  cluster.network.heal();
  cluster.run(10_000);
  for (const id of cluster.ids) assert.equal(get(cluster, id, "LOCAL_QUORUM"), '{"value":12}');
});
