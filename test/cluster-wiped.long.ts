/** A real node that lost its disk: it votes once it holds what the others do. */
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { test } from "node:test";
import { eachOf, ProcessCluster, until } from "./process-cluster.js";

test("a node whose folder was deleted catches up by itself before it counts", async () => {
  const other = await ProcessCluster.create({ nodes: 3 });
  try {
    await other.startAll();
    const keys = Array.from({ length: 500 }, (_, index) => `key ${index}`);
    await eachOf(keys, 16, async (key) => {
      assert.equal((await other.put("n1", "b", key, `of ${key}`, "?w=ALL&timeout=20s")).status, 204);
    });
    await other.kill("n2");
    rmSync(other.dataOf("n2"), { recursive: true });
    await other.start("n2");
    await other.seesAll("n2");
    await other.kill("n1");
    await other.kill("n3");
    await eachOf(keys, 16, async (key) => {
      assert.equal(String((await other.get("n2", "b", key, "?r=ONE")).body), `of ${key}`);
    });
    await until(
      () => other.get("n2", "b", "key 0", "?r=QUORUM"),
      ({ status }) => status === 503,
    );
  } finally {
    await other.close();
  }
});
