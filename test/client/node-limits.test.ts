/** Nodes that allow less than a client asks for by itself: they are asked again within their limits, which are kept to. */
import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { afterEach, beforeEach, test } from "node:test";
import { MurmurClient } from "../../src/client/client.js";
import { CLIENT_LIMITS } from "../../src/client/limits.js";
import { REAL_WORLD } from "../../src/client/world.js";
import { type Asked, CONTEXT, FakeCluster, type FakeNode, problem, reply } from "./fake-cluster.js";

const TIMEOUT_MS_MAX = 1000;
const ITEMS_MAX = 3;

let cluster: FakeCluster;
let db: MurmurClient;
let laterMs: number;

beforeEach(async () => {
  laterMs = 0;
  cluster = await FakeCluster.start(1);
  for (const node of cluster.nodes) node.instead = answer;
  const world = { ...REAL_WORLD, nowMs: () => REAL_WORLD.nowMs() + laterMs };
  db = new MurmurClient({ nodes: cluster.urls, limits: { attemptsMax: 2, sumRequestsMax: 1 } }, world);
});
afterEach(async () => {
  await db.close();
  await cluster.stop();
});

/** As a node whose file says so. */
function answer(asked: Asked, response: ServerResponse): boolean {
  const { method, query, body } = asked;
  const batch = method === "POST" ? JSON.parse(String(body)) : undefined;
  const timeoutMs = batch?.timeoutMs ?? Number.parseInt(query.get("timeout") ?? "", 10);
  if (timeoutMs > TIMEOUT_MS_MAX) {
    return problem(response, 400, "bad-request", { limits: { requestDeadlineMsMax: TIMEOUT_MS_MAX } });
  }
  if (batch === undefined) return method === "GET" && asked.path.endsWith("/keys") ? page(response) : false;
  const { reads = [], writes = [] } = batch;
  if (reads.length + writes.length > ITEMS_MAX) {
    return problem(response, 413, "too-large", { limits: { batchItemsMax: ITEMS_MAX } });
  }
  const value = Buffer.from('{"value":1}').toString("base64");
  const changed = { status: 200, value, contentType: "application/json", context: CONTEXT };
  return reply(response, 200, { results: [...reads, ...writes].map(() => changed) });
}

function page(response: ServerResponse): true {
  return reply(response, 200, { keys: [], next: null });
}

test("the first call is repeated within the time that a node allows, and all others keep to it", async () => {
  const users = db.bucket("users");
  await users.put("ada", 1);
  await users.get("ada", { timeoutMs: 300_000 });
  await users.keys({ timeoutMs: 300_000 });
  await db.batch({ reads: [{ bucket: "users", key: "ada" }] });
  assert.deepEqual(
    cluster.asked.map(({ method }) => method),
    ["PUT", "PUT", "GET", "GET", "POST"],
  );
  const told = cluster.asked.slice(1, 4).map(({ query }) => query.get("timeout"));
  assert.deepEqual(told, Array(3).fill(`${TIMEOUT_MS_MAX}ms`));
});

test("calls under way together, and calls that are not about a key, are repeated too", async () => {
  const users = db.bucket("users");
  await Promise.all([users.get("a"), users.get("b"), users.keys(), users.keys()]);
  assert.equal(cluster.asked.length, 8);
});

test("what a node does not allow is asked for again after a while", async () => {
  await db.bucket("users").put("ada", 1);
  laterMs = CLIENT_LIMITS.refreshMs;
  for (const node of cluster.nodes) node.instead = () => false;
  await db.bucket("users").put("ada", 1);
  assert.match(cluster.asked.at(-1)?.query.get("timeout") ?? "", /^19\d\dms$/);
});

test("a node that refuses what it allows is not asked for ever", async () => {
  for (const node of cluster.nodes) {
    node.instead = (_asked, response) =>
      problem(response, 400, "bad-request", { limits: { requestDeadlineMsMax: 1900 - 100 * cluster.asked.length } });
  }
  await assert.rejects(db.bucket("users").put("ada", 1), { name: "BadRequestError" });
  assert.equal(cluster.asked.length, 2);
  await assert.rejects(db.bucket("users").keys(), { name: "BadRequestError" });
  assert.equal(cluster.asked.length, 4);
});

test("increments go in batches as small as a node wants them", async () => {
  const increments = Array.from({ length: 7 }, (_, index) => [`page ${index}`, 1] as const);
  const sizes = () => cluster.asked.map(({ body }) => JSON.parse(String(body)).writes.length);
  const timeoutMs = TIMEOUT_MS_MAX;
  const results = await db.bucket("hits").addMany(increments, { timeoutMs });
  assert.deepEqual(
    results.map(({ ok }) => ok),
    Array(7).fill(true),
  );
  assert.deepEqual(sizes(), [7, 3, 3, 1]);
  laterMs = CLIENT_LIMITS.refreshMs;
  for (const node of cluster.nodes) node.asked.length = 0;
  const summed = db.bucket("hits", { coalesceMs: 1 });
  await Promise.all(increments.map(([key, by]) => summed.add(key, by, { timeoutMs })));
  assert.deepEqual(sizes().sort(), [1, 3, 3, 7]);
  await assert.rejects(db.batch({ reads: increments.map(([key]) => ({ bucket: "hits", key })), timeoutMs }), {
    name: "BadRequestError",
    code: "too-large",
  });
});

test("what may have been done before a smaller batch was asked for is told, and not sent once more", async () => {
  const named = { timeoutMs: TIMEOUT_MS_MAX, idempotencyKey: true } as const;
  const increments = Array.from({ length: 4 }, (_, index) => [`page ${index}`, 1] as const);
  const summed = db.bucket("hits", { coalesceMs: 1 });
  for (const call of [
    async () => (await db.bucket("hits").addMany(increments, named)).map((each) => (each.ok ? undefined : each.error)),
    async () => {
      const all = await Promise.allSettled(increments.map(([key, by]) => summed.add(key, by, named)));
      return all.map((each) => (each.status === "rejected" ? each.reason : undefined));
    },
  ]) {
    laterMs += CLIENT_LIMITS.refreshMs;
    const [node] = cluster.nodes as [FakeNode];
    node.asked.length = 0;
    node.instead = (asked, response) =>
      node.asked.length === 1 ? response.destroy() !== undefined : answer(asked, response);
    for (const error of await call()) assert.deepEqual([error?.code, error?.mayHaveApplied], ["too-large", true]);
    assert.equal(node.asked.length, 2);
  }
});
