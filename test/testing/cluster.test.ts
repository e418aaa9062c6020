/** The faults of `murmurdb/testing`, on one cluster of real processes. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startCluster, type TestCluster } from "../../src/testing/start-cluster.js";

let cluster: TestCluster;

before(async () => {
  cluster = await startCluster({ nodes: 3 });
});
after(() => cluster.stop());

interface Answered {
  readonly status: number;
  readonly code: string | undefined;
}

async function put(id: string, level: string, value = "x", key = "k"): Promise<Answered> {
  const url = `${cluster.node(id).url}/v1/buckets/b/keys/${key}?w=${level}&timeout=500ms`;
  const response = await fetch(url, { method: "PUT", body: value });
  const text = await response.text();
  return { status: response.status, code: text === "" ? undefined : JSON.parse(text).code };
}

test("a cluster that was just started takes writes at ALL, through every node", async () => {
  for (const { id } of cluster.nodes) assert.equal((await put(id, "ALL")).status, 204);
});

test("a slow node answers late; nobody else does, and healing ends it", async () => {
  await cluster.slow("n3", { percent: 100, delayMs: 60_000 });
  assert.notEqual((await put("n1", "ALL")).status, 204);
  assert.equal((await put("n1", "TWO")).status, 204);
  await cluster.heal();
  assert.equal((await put("n1", "ALL")).status, 204);
});
