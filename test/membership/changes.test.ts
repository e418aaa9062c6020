/** What a node tells whoever follows its members: who comes, goes, and votes again. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { MemberChange } from "../../src/membership/peers.js";
import { SimCluster } from "../../src/sim/cluster.js";

function follow(cluster: SimCluster, at: string): string[] {
  const seen: string[] = [];
  cluster.member(at).onMemberChange = (node: string, change: MemberChange) => seen.push(`${node} ${change}`);
  return seen;
}

test("a member that is killed goes down, and comes up when it is back, once each", () => {
  const cluster = new SimCluster({ seed: "changes" });
  cluster.startAll();
  cluster.run(5000);
  const seen = follow(cluster, "n1");
  cluster.crash("n3");
  cluster.run(10_000);
  assert.deepEqual(seen, ["n3 down"]);
  cluster.start("n3");
  cluster.run(10_000);
  assert.deepEqual(seen, ["n3 down", "n3 up"]);
});

test("a wiped member rebuilds and is rebuilt, as itself and its peers see it", () => {
  const cluster = new SimCluster({ seed: "wiped" });
  cluster.startAll();
  cluster.run(5000);
  cluster.crash("n3");
  cluster.wipe("n3");
  cluster.run(5000);
  const seen = follow(cluster, "n1");
  cluster.network.partition([["n1", "n3"], ["n2"]]);
  cluster.start("n3");
  const seenByItself = follow(cluster, "n3");
  // With one other owner of two it cannot vote again.
  cluster.run(3000);
  assert.deepEqual(seen, ["n3 up", "n3 rebuilding", "n2 down"]);
  cluster.network.heal();
  cluster.run(10_000);
  assert.deepEqual(seen, ["n3 up", "n3 rebuilding", "n2 down", "n2 up", "n3 rebuilt"]);
  assert.deepEqual(
    seenByItself.filter((line) => line.startsWith("n3")),
    ["n3 rebuilt"],
  );
});
