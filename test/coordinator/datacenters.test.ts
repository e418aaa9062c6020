/** Two datacenters of three nodes each, with `replication: { dc1: 3, dc2: 3 }`, on virtual time. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8 } from "../../src/base/bytes.js";
import { DEFAULT_HEDGE } from "../../src/cluster-config.js";
import type { Level } from "../../src/config.js";
import { EMPTY_CONTEXT } from "../../src/lattice/context.js";
import { SimCluster } from "../../src/sim/cluster.js";

const KEY = utf8("ada");
const DC1 = ["n1", "n3", "n5"];
const DC2 = ["n2", "n4", "n6"];

function twoDatacenters(seed: string): SimCluster {
  const place = (index: number) => ({ datacenter: `dc${1 + (index % 2)}`, rack: `r${index}` });
  const cluster = new SimCluster({ seed, nodes: 6, place, bucket: { replication: { dc1: 3, dc2: 3 } } });
  cluster.startAll();
  return cluster;
}

function put(cluster: SimCluster, at: string, value: string, level: Level): string {
  const op = { kind: "put", contentType: "", value: utf8(value), expiresAtMs: undefined } as const;
  const outcome = cluster.write(at, { bucket: "b", key: KEY, op, context: EMPTY_CONTEXT, level, deadlineMs: 1000 });
  return outcome.ok ? "ok" : outcome.failure.kind;
}

function get(cluster: SimCluster, at: string, level: Level): string {
  const outcome = cluster.read(at, {
    bucket: "b",
    key: KEY,
    level,
    deadlineMs: 1000,
    hedge: DEFAULT_HEDGE,
    mend: true,
  });
  if (!outcome.ok) return outcome.failure.kind;
  return Buffer.from(outcome.view.contents[0]?.value ?? []).toString();
}

test("a datacenter that is cut off serves LOCAL_QUORUM, and both agree after the heal", () => {
  const cluster = twoDatacenters("cut");
  assert.equal(put(cluster, "n1", "before", "EACH_QUORUM"), "ok");
  cluster.network.partition([DC1, DC2]);
  cluster.run(3000);
  assert.equal(put(cluster, "n1", "in dc1", "LOCAL_QUORUM"), "ok");
  assert.equal(get(cluster, "n3", "LOCAL_QUORUM"), "in dc1");
  assert.equal(get(cluster, "n2", "LOCAL_QUORUM"), "before");
  for (const level of ["EACH_QUORUM", "QUORUM", "ALL"] as const) {
    assert.equal(put(cluster, "n2", "too few", level), "unavailable");
    assert.equal(get(cluster, "n2", level), "unavailable");
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
