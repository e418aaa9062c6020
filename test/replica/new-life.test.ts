/** New lives of a store, on virtual time: what its peers remember of former ones, and what goes with its name to the disk. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8 } from "../../src/base/bytes.js";
import { DEFAULT_HEDGE } from "../../src/cluster-config.js";
import { DEFAULT_LIMITS, type Level } from "../../src/config.js";
import { EMPTY_CONTEXT } from "../../src/lattice/context.js";
import { ALL_ROWS } from "../../src/replica/rows.js";
import { SimCluster } from "../../src/sim/cluster.js";
import type { Tail } from "../../src/sim/disk.js";

const KEY = { bucket: "b", key: utf8("ada"), deadlineMs: 2000 } as const;

function clusterOf(seed: string): SimCluster {
  const cluster = new SimCluster({ seed, bucket: { type: "counter" } });
  cluster.startAll();
  return cluster;
}

function add(cluster: SimCluster, by: number, key = "ada"): boolean {
  const op = { kind: "add", by } as const;
  return cluster.write("n1", { ...KEY, key: utf8(key), op, context: EMPTY_CONTEXT, level: "QUORUM" }).ok;
}

function read(cluster: SimCluster, at: string, level: Level): string | undefined {
  const outcome = cluster.read(at, { ...KEY, level, hedge: DEFAULT_HEDGE, mend: true });
  const [content] = outcome.ok ? outcome.view.contents : [];
  return content && Buffer.from(content.value).toString();
}

const lifeOf = (cluster: SimCluster, node: string) => cluster.member(node).describe().incarnation;

/** Lets the node meet a damaged row that it has changed: it begins a new life, and has not told of it yet. */
function damage(cluster: SimCluster): void {
  const before = lifeOf(cluster, "n1");
  const [row] = cluster.disk("n1").keys(ALL_ROWS.from, ALL_ROWS.to, 1);
  cluster.disk("n1").damage(row as Uint8Array);
  cluster.member("n1").read({ ...KEY, level: "ALL", hedge: DEFAULT_HEDGE, mend: true }, () => {});
  cluster.runUntil(() => lifeOf(cluster, "n1") !== before);
}

test("a volume that is set back to what it was in a former life is found out, though its peers know a later one", () => {
  const cluster = clusterOf("set back");
  assert.ok(add(cluster, 5));
  cluster.run(1000);
  cluster.disk("n1").copy();
  const first = lifeOf(cluster, "n1");
  assert.ok(add(cluster, 5));
  damage(cluster);
  cluster.run(1000);
  const second = lifeOf(cluster, "n1");
  cluster.crash("n1");
  cluster.disk("n1").restore("snapshot");
  cluster.start("n1");
  assert.equal(lifeOf(cluster, "n1"), first, "it does not know");
  cluster.run(DEFAULT_LIMITS.pingIntervalMs);
  assert.ok(![first, second].includes(lifeOf(cluster, "n1")));
  assert.ok(add(cluster, 1));
  cluster.runUntil(() => cluster.member("n1").describe().rebuilding === 0);
  for (const at of cluster.ids) assert.equal(read(cluster, at, "ALL"), '{"value":11}');
});

test("however a node is killed when a new life vouches for the former one, its votes are kept", () => {
  for (const tail of ["lost", "kept", "torn"] satisfies Tail[]) {
    const cluster = clusterOf(`killed ${tail}`);
    assert.ok(add(cluster, 5));
    cluster.run(1000);
    damage(cluster);
    cluster.crash("n1", tail);
    cluster.start("n1");
    assert.equal(cluster.member("n1").describe().rebuilding, 0, tail);
  }
});

test("a node that is stopped as soon as a new life vouches for the former one keeps its votes", () => {
  const cluster = clusterOf("stopped");
  assert.ok(add(cluster, 5));
  cluster.run(1000);
  const before = lifeOf(cluster, "n1");
  damage(cluster);
  cluster.stop("n1", () => {});
  cluster.runUntil(() => !cluster.runs("n1"));
  cluster.start("n1");
  assert.notEqual(lifeOf(cluster, "n1"), before);
  assert.equal(cluster.member("n1").describe().rebuilding, 0);
});

test("votes are kept though the disk was full when the new life began", () => {
  const cluster = clusterOf("full");
  assert.ok(add(cluster, 5));
  cluster.run(1000);
  damage(cluster);
  const life = lifeOf(cluster, "n1");
  cluster.disk("n1").fail(1, "full");
  cluster.run(10);
  assert.ok(add(cluster, 1, "another row, that is not damaged"));
  cluster.crash("n1");
  cluster.start("n1");
  assert.equal(lifeOf(cluster, "n1"), life);
  assert.equal(cluster.member("n1").describe().rebuilding, 0);
});
