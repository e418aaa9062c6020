/** Many increments in one call: few rows, exact sums, and an outcome for each. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { BadRequestError, MurmurClient, TimeoutError } from "../../src/client/client.js";
import { REAL_WORLD } from "../../src/client/world.js";
import { CONTEXT, FakeCluster, problem, reply } from "./fake-cluster.js";

interface Item {
  readonly key: string;
  readonly op: { readonly add: number };
  readonly idempotencyKey?: string;
}

let cluster: FakeCluster;
let db: MurmurClient;
let batches: Item[][];
let totals: Map<string, number>;

beforeEach(async () => {
  [batches, totals] = [[], new Map()];
  cluster = await FakeCluster.start(2);
  cluster.buckets = [{ bucket: "hits", type: "counter", replication: 3 }];
  for (const node of cluster.nodes) {
    node.instead = ({ body }, response) => {
      const { writes } = JSON.parse(String(body)) as { writes: Item[] };
      batches.push(writes);
      const results = writes.map(({ key, op }) => {
        if (key === "bad") return { status: 504, code: "timeout", detail: "1 of 2", mayHaveApplied: true };
        totals.set(key, (totals.get(key) ?? 0) + op.add);
        const value = Buffer.from(JSON.stringify({ value: totals.get(key) })).toString("base64");
        return { status: 200, value, contentType: "application/json", context: CONTEXT };
      });
      reply(response, 200, { results });
      return true;
    };
  }
  db = new MurmurClient({ nodes: cluster.urls });
});
afterEach(async () => {
  await db.close();
  await cluster.stop();
});

const rows = () => batches.flat().map(({ key, op }) => [key, op.add]);

test("what one call adds to a counter is one row, and each increment has its own result", async () => {
  const results = await db.bucket("hits").addMany([
    ["a", 1],
    ["bad", 1],
    ["a", 5],
    ["b", -2],
    ["a", -1],
    ["bad", 2],
  ]);
  assert.deepEqual(rows(), [
    ["a", 5],
    ["bad", 3],
    ["b", -2],
  ]);
  assert.equal(batches.length, 1);
  assert.deepEqual(
    results.map((result) => (result.ok ? result.value : [result.error.name, result.error.mayHaveApplied])),
    [5, ["TimeoutError", true], 5, -2, 5, ["TimeoutError", true]],
  );
});

test("a Map will do, and nothing is sent for nothing", async () => {
  const hits = db.bucket("hits");
  assert.deepEqual(await hits.addMany([]), []);
  assert.equal(batches.length, 0);
  const [first] = await hits.addMany(new Map([["a", 7]]), { consistency: "LOCAL_QUORUM" });
  assert.ok(first?.ok);
  assert.deepEqual([first.value, first.context], [7, CONTEXT]);
});

test("thousands of counters are several requests, and what fails is told of its own increments alone", async () => {
  for (const node of cluster.nodes) {
    const { instead } = node;
    node.instead = (asked, response, ...more) => {
      if (!String(asked.body).includes('"key 1500"')) return instead?.(asked, response, ...more) ?? false;
      problem(response, 504, "timeout", { mayHaveApplied: true });
      return true;
    };
  }
  const increments = Array.from({ length: 6000 }, (_, index) => [`key ${index % 3000}`, 1] as const);
  const results = await db.bucket("hits").addMany(increments);
  assert.deepEqual(batches.map(({ length }) => length).sort(), [1000, 1000]);
  assert.deepEqual(
    results.map(({ ok }) => ok),
    increments.map((_, index) => index % 3000 < 1000 || index % 3000 >= 2000),
  );
  assert.deepEqual([...totals.values()], new Array(2000).fill(2));
});

test("timeoutMs is the whole call's: the later requests get what is left, and what finds nothing left is not sent", async () => {
  await db.close();
  let nowMs = 0;
  const limits = { sumRequestsMax: 1 };
  db = new MurmurClient({ nodes: cluster.urls, limits }, { ...REAL_WORLD, nowMs: () => nowMs });
  const given: number[] = [];
  for (const node of cluster.nodes) {
    const { instead } = node;
    node.instead = (asked, response) => {
      nowMs += 400;
      given.push(JSON.parse(String(asked.body)).timeoutMs);
      return instead(asked, response);
    };
  }
  const increments = Array.from({ length: 4000 }, (_, index) => [`key ${index}`, 1] as const);
  const results = await db.bucket("hits").addMany(increments, { timeoutMs: 1000 });
  assert.deepEqual(given, [980, 580, 180]);
  const late = results.filter(({ ok }) => !ok).map((each) => (each.ok ? undefined : each.error));
  assert.equal(late.length, 1000);
  assert.ok(late.every((error) => error instanceof TimeoutError && !error.mayHaveApplied));
  assert.match(String(late[0]), /not sent: .* 1000 ms/);
  await assert.rejects(db.bucket("hits").addMany([["a", 1]], { timeoutMs: 0 }), BadRequestError);
});

test("a call with a name has it in every row, and is asked for again until it is known", async () => {
  let failures = 2;
  for (const node of cluster.nodes) {
    const { instead } = node;
    node.instead = (asked, response, ...more) => {
      const handled = failures === 0 && (instead?.(asked, response, ...more) ?? false);
      if (failures > 0) batches.push((JSON.parse(String(asked.body)) as { writes: Item[] }).writes);
      if (failures > 0) problem(response, 504, "timeout", { mayHaveApplied: true });
      failures = Math.max(0, failures - 1);
      return handled || true;
    };
  }
  const most = Number.MAX_SAFE_INTEGER;
  const increments = [["a", 1] as const, ["b", 2] as const, ["a", most] as const];
  const results = await db.bucket("hits").addMany(increments, { idempotencyKey: "minute-5" });
  assert.ok(results.every(({ ok }) => ok));
  const names = batches.map((items) => items.map(({ key, op, idempotencyKey }) => [key, op.add, idempotencyKey]));
  const once = [
    ["a", 1, "minute-5"],
    ["b", 2, "minute-5"],
    ["a", most, "minute-5."],
  ];
  assert.deepEqual(names, [once, once, once]);
});

test("a mistake refuses the call before anything is sent", async () => {
  const hits = db.bucket("hits");
  await assert.rejects(
    hits.addMany([
      ["a", 1],
      ["a", 1.5],
    ]),
    BadRequestError,
  );
  await assert.rejects(hits.addMany([["", 1]]), BadRequestError);
  await assert.rejects(hits.addMany([["a", 1]], { idempotencyKey: "with space" }), BadRequestError);
  const twice = [["a", Number.MAX_SAFE_INTEGER] as const, ["a", 1] as const];
  await assert.rejects(hits.addMany(twice, { idempotencyKey: "n".repeat(255) }), {
    name: "BadRequestError",
    message: /idempotencyKey has 255 characters.* "a" .* 254 at most/,
  });
  const reason = new Error("changed my mind");
  await assert.rejects(hits.addMany([["a", 1]], { signal: AbortSignal.abort(reason) }), reason);
  assert.equal(batches.length, 0);
});

test("a batch with return: minimal is answered without contexts", async () => {
  for (const node of cluster.nodes) {
    node.instead = ({ body }, response) => {
      assert.equal(JSON.parse(String(body)).return, "minimal");
      reply(response, 200, { results: [{ status: 204 }, { status: 503, code: "overloaded", detail: "busy" }] });
      return true;
    };
  }
  const write = { bucket: "hits", key: "a", op: { add: 1 } };
  const { writes } = await db.batch({ writes: [write, write], return: "minimal" });
  assert.deepEqual(writes[0], { ok: true, context: "" });
  assert.ok(writes[1]?.ok === false && writes[1].error.code === "overloaded");
});
