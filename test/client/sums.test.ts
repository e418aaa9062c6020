/** Increments that the client adds up before it sends them: few requests, exact sums, and every caller is told. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { ClosedError, MurmurClient, type MurmurError, OverloadedError, TimeoutError } from "../../src/client/client.js";
import { REAL_WORLD } from "../../src/client/world.js";
import { until } from "../ports/until.js";
import { CONTEXT, FakeCluster, reply } from "./fake-cluster.js";

interface Item {
  readonly key: string;
  readonly sort?: string;
  readonly op: { readonly add: number };
  readonly idempotencyKey?: string;
}

let cluster: FakeCluster;
let db: MurmurClient;
/** The writes of each batch, in the order in which they came. */
let batches: Item[][];
let totals: Map<string, number>;
/** Answers of batches that are held back. */
let held: (() => void)[] | undefined;

beforeEach(async () => {
  [batches, totals, held] = [[], new Map(), undefined];
  cluster = await FakeCluster.start(2);
  cluster.buckets = [{ bucket: "hits", type: "counter", replication: 3 }];
  for (const node of cluster.nodes) {
    node.instead = ({ path, body }, response) => {
      assert.equal(path, "/v1/batch");
      const { writes } = JSON.parse(String(body)) as { writes: Item[] };
      batches.push(writes);
      const results = writes.map(({ key, op }) => {
        if (key === "bad") return { status: 504, code: "timeout", detail: "1 of 2", mayHaveApplied: true };
        totals.set(key, (totals.get(key) ?? 0) + op.add);
        const value = Buffer.from(JSON.stringify({ value: totals.get(key) })).toString("base64");
        return { status: 200, value, contentType: "application/json", context: CONTEXT };
      });
      const answer = () => reply(response, 200, { results });
      if (held === undefined) answer();
      else held.push(answer);
      return true;
    };
  }
  db = new MurmurClient({ nodes: cluster.urls, coalesceMs: 5, limits: { sumRequestsMax: 1, sumCallsMax: 1000 } });
});
afterEach(async () => {
  await db.close();
  await cluster.stop();
});

test("what is called for within the window is one request, and each caller is told what came of it", async () => {
  const hits = db.bucket("hits");
  const all = Array.from({ length: 300 }, (_, index) => hits.add(`page ${index % 3}`, index));
  const results = await Promise.all(all);
  assert.equal(batches.length, 1);
  assert.deepEqual(
    batches[0]?.map(({ key, op }) => [key, op.add]),
    [0, 1, 2].map((rest) => [`page ${rest}`, 14_850 + 100 * rest]),
  );
  for (const [index, result] of results.entries()) {
    assert.deepEqual(result, { value: totals.get(`page ${index % 3}`), context: CONTEXT });
  }
});

test("one that failed fails for its callers alone; a wrong one is refused before it is added", async () => {
  const hits = db.bucket("hits");
  const settled = await Promise.allSettled([hits.add("bad", 1), hits.add("good", 1), hits.add("good", 0.5)]);
  assert.deepEqual(
    settled.map(({ status }) => status),
    ["rejected", "fulfilled", "rejected"],
  );
  const [bad] = settled as PromiseRejectedResult[];
  assert.ok(bad?.reason instanceof TimeoutError && bad.reason.mayHaveApplied);
  assert.equal(totals.get("good"), 1);
});

test("cells of a key are counted up by themselves, and no request has keys with and without cells", async () => {
  const hits = db.bucket("hits");
  const all = [
    hits.add("a", 1, { sort: "x" }),
    hits.add("ax", 2),
    hits.add("a", 4),
    hits.add("a", 8, { sort: "y" }),
    hits.add("a", 16, { sort: "x" }),
  ];
  await Promise.all(all);
  assert.equal(batches.length, 2);
  const rowsOf = (hasCells: boolean) =>
    batches
      .filter((batch) => batch.every(({ sort }) => (sort !== undefined) === hasCells))
      .flatMap((batch) => batch.map(({ key, sort = "", op }) => [key, sort, op.add]));
  const cells = [
    ["a", "x", 17],
    ["a", "y", 8],
  ];
  const keys = [
    ["ax", "", 2],
    ["a", "", 4],
  ];
  assert.deepEqual([rowsOf(true), rowsOf(false)], [cells, keys]);
  const wrong = hits.add("a", 1, { sort: "" });
  await assert.rejects(wrong, { name: "BadRequestError", message: /a sort key is a string that is not empty/ });
});

test("while a request is under way the next sum grows; what is sent alone or with other wishes is not added to it", async () => {
  held = [];
  const hits = db.bucket("hits");
  const first = hits.add("a", 1);
  await until(() => batches.length === 1);
  const others = [hits.add("a", 2), hits.add("a", 3), hits.add("a", 4, { idempotencyKey: true })];
  const most = Number.MAX_SAFE_INTEGER;
  others.push(hits.add("b", most), hits.add("b", -most));
  const answers = held;
  held = undefined;
  for (const answer of answers) answer();
  await Promise.all([first, ...others]);
  const sums = batches.slice(1).flat();
  assert.deepEqual(
    sums
      .filter(({ key }) => key === "a")
      .map(({ op }) => op.add)
      .sort(),
    [4, 5],
  );
  assert.ok(sums.find(({ op }) => op.add === 4)?.idempotencyKey !== undefined, "a sum that counts once has a name");
  assert.equal(totals.get("b"), 0);
});

test("what waits is bounded in number and in time, and ends with the client", async () => {
  held = [];
  const hits = db.bucket("hits");
  const first = hits.add("a", 1);
  await until(() => batches.length === 1);
  const late = hits.add("a", 1, { timeoutMs: 20 });
  await assert.rejects(late, (error: MurmurError) => error instanceof TimeoutError && !error.mayHaveApplied);
  const waiting = Array.from({ length: 999 }, () => hits.add("a", 1));
  await assert.rejects(hits.add("a", 1), OverloadedError);
  const ended = Promise.allSettled([first, ...waiting]);
  await db.close();
  const reasons = (await ended).map((each) => (each as PromiseRejectedResult).reason);
  assert.ok(reasons.every((reason) => reason instanceof ClosedError));
  assert.deepEqual([reasons[0]?.mayHaveApplied, reasons[1]?.mayHaveApplied], [true, false]);
  assert.throws(() => db.bucket("hits", { coalesceMs: -1 }), /coalesceMs is a number/);
});

test("who comes when half of a window's time has gone by begins another: nobody has less than half of his own", async () => {
  await db.close();
  let nowMs = 0;
  const world = { ...REAL_WORLD, nowMs: () => nowMs };
  db = new MurmurClient({ nodes: cluster.urls, coalesceMs: 1, limits: { sumRequestsMax: 1 } }, world);
  const given: number[] = [];
  for (const node of cluster.nodes) {
    const { instead } = node;
    node.instead = (asked, response) =>
      given.push(JSON.parse(String(asked.body)).timeoutMs) > 0 && instead(asked, response);
  }
  held = [];
  const hits = db.bucket("hits");
  const all = [hits.add("a", 1, { timeoutMs: 8000 })];
  await until(() => batches.length === 1);
  all.push(hits.add("a", 2, { timeoutMs: 8000 }));
  nowMs = 3900;
  all.push(hits.add("a", 3, { timeoutMs: 8000 }));
  nowMs = 4100;
  all.push(hits.add("a", 4, { timeoutMs: 8000 }), hits.add("a", 5, { timeoutMs: 8000 }));
  const answers = held;
  held = undefined;
  for (const answer of answers) answer();
  await Promise.all(all);
  const sums = batches.map((batch) => batch.map(({ op }) => op.add));
  assert.deepEqual(
    [sums, given],
    [
      [[1], [5], [9]],
      [7980, 3880, 7980],
    ],
  );
});
