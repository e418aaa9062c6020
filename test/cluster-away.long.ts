/** Real nodes that were away: one that lost its disk votes once it holds what the others do, and what was kept for one arrives. */
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { test } from "node:test";
import type { HintsReport } from "../src/http/store.js";
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

test("a node that was killed gets the hints that were kept for it, over a restart of whoever kept them", async () => {
  const cluster = await ProcessCluster.create({ nodes: 3 });
  try {
    await cluster.startAll();
    await missAndReturn(cluster);
  } finally {
    await cluster.close();
  }
});

async function missAndReturn(cluster: ProcessCluster): Promise<void> {
  const nodesOfN1 = async (): Promise<{ node: string; state: string }[]> =>
    JSON.parse(String((await cluster.call("GET", "n1", "/v1/cluster")).body)).nodes;
  const hintsOfN1 = async (): Promise<HintsReport> =>
    JSON.parse(String((await cluster.call("GET", "n1", "/v1/hints")).body));
  await cluster.kill("n3");
  await until(nodesOfN1, (nodes) => nodes.some(({ node, state }) => node === "n3" && state === "down"));
  const keys = Array.from({ length: 50 }, (_, index) => `hinted ${index}`);
  for (const [index, key] of keys.entries()) {
    const level = index % 2 === 0 ? "QUORUM" : "ANY";
    assert.equal((await cluster.put("n1", "b", key, "missed", `?w=${level}`)).status, 204);
  }
  await cluster.kill("n1", "SIGTERM");
  await cluster.start("n1");
  const [kept] = (await hintsOfN1()).targets;
  assert.ok(kept?.node === "n3" && kept.state === "waiting" && kept.hints >= keys.length, JSON.stringify(kept));
  const flushed = cluster.call("POST", "n1", "/v1/hints/flush");
  await cluster.start("n3");
  assert.deepEqual(JSON.parse(String((await flushed).body)), {
    node: "n1",
    hints: kept.hints,
    left: 0,
    complete: true,
  });
  const { code, out } = await cluster.command(["hints", "--wait"]);
  assert.deepEqual([code, out.match(/nothing to deliver/g)?.length], [0, 3]);
  for (const key of keys) {
    assert.equal(String((await cluster.get("n3", "b", key, "?r=ONE&mend=never")).body), "missed", key);
  }
}
