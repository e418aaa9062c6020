/** The client under a rolling restart of all five nodes at 500 requests a second. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { MurmurClient } from "../src/client/client.js";
import { ProcessCluster } from "./process-cluster.js";
import { roll } from "./rolling.js";

test("all five nodes are restarted in turn at 500 requests a second: 0 failed QUORUM requests", async () => {
  const cluster = await ProcessCluster.create({ nodes: 5, partitions: 1024 });
  const db = new MurmurClient({ nodes: [cluster.url("n1"), cluster.url("n2")], timeoutMs: 5000 });
  try {
    await cluster.startAll();
    const { failures, operations } = await roll(cluster, db, cluster.ids, 500);
    assert.deepEqual(failures, []);
    assert.ok(operations > 1000);
  } finally {
    await db.close();
    await cluster.close();
  }
});
