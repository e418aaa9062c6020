/** Deletes that are forgotten by real processes, whatever is killed meanwhile: their rows go, and nothing comes back. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { eachOf, ProcessCluster, until } from "./process-cluster.js";

const KEYS = Array.from({ length: 40 }, (_, index) => `key ${index}`);
const LIMITS = { carrierAgeMaxMs: 1000, hintAgeMsMax: 1000, clockSkewMsMax: 200, reapIntervalMs: 50 };
const LIVING = "living";

let cluster: ProcessCluster;

before(async () => {
  cluster = await ProcessCluster.create({ nodes: 3, partitions: 8, lines: [`limits: ${JSON.stringify(LIMITS)}`] });
  await cluster.startAll();
  assert.equal((await cluster.put("n1", "b", LIVING, "for ever", "?w=ALL")).status, 204);
});
after(() => cluster.close());

/** Of each node's own replica. */
const rowsOfAll = () =>
  Promise.all(
    cluster.ids.map(async (id) => JSON.parse(String((await cluster.call("GET", id, "/v1/cluster")).body)).rows),
  );
/** What a write takes that meets a node on its way down. */
const RETRIED = [503, 504];

async function change(at: string, method: "PUT" | "DELETE"): Promise<void> {
  await eachOf(KEYS, 8, async (key) => {
    const path = `/v1/buckets/b/keys/${encodeURIComponent(key)}?w=QUORUM`;
    const ask = () => cluster.call(method, at, path, method === "PUT" ? Buffer.from(key) : undefined);
    const { status } = await until(ask, (answer) => !RETRIED.includes(answer.status));
    assert.equal(status, 204);
  });
}

/** Until every owner holds the one living row alone; then a read that asks all of them finds nothing else. */
async function allForget(): Promise<void> {
  await until(rowsOfAll, (rows) => rows.every((count) => count === 1));
  await eachOf(KEYS, 8, async (key) => assert.equal((await cluster.get("n2", "b", key, "?r=ALL")).status, 404));
  assert.equal(String((await cluster.get("n2", "b", LIVING, "?r=ALL")).body), "for ever");
  assert.deepEqual(await rowsOfAll(), [1, 1, 1]);
}

test("what was deleted while an owner was killed is forgotten by all when it is back, and nothing returns", async () => {
  await change("n1", "PUT");
  await cluster.kill("n3");
  await change("n1", "DELETE");
  await cluster.start("n3");
  await cluster.allSeeAll();
  await allForget();
  const { body } = await cluster.call("GET", "n1", "/metrics");
  assert.match(String(body), /^murmur_reaped_rows_total [1-9]/m);
  await cluster.kill("n2");
  await cluster.start("n2");
  await cluster.allSeeAll();
  await allForget();
});
