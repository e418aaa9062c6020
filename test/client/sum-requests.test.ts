/** Sums on their way, whichever way they were added up: so many requests at once, and none given up that another node takes. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { type AddResult, MurmurClient, type MurmurError } from "../../src/client/client.js";
import { REAL_WORLD } from "../../src/client/world.js";
import { until } from "../ports/until.js";
import { CONTEXT, FakeCluster, problem, reply } from "./fake-cluster.js";

interface Item {
  readonly key: string;
  readonly op: { readonly add: number };
}

interface Batch {
  readonly node: string;
  readonly writes: readonly Item[];
  readonly answer: () => void;
}

const LIMITS = { backoffMs: 0, sumRequestsMax: 2 };

let cluster: FakeCluster;
let db: MurmurClient;
let batches: Batch[];
let totals: Map<string, number>;
/** Batches of more items are refused. */
let itemsMax: number;
/** True: no batch is answered before the test does so. */
let isHeld: boolean;
/** What an item gets in place of its sum, by the number of the batch. */
let refusalOf: (item: Item, batch: number) => object | undefined;

const clockSkew = { status: 503, code: "clock-skew", detail: "as told", mayHaveApplied: false };
const unavailable = { ...clockSkew, code: "unavailable" };

beforeEach(async () => {
  [batches, totals, itemsMax, isHeld, refusalOf] = [[], new Map(), 1000, false, () => undefined];
  cluster = await FakeCluster.start(2);
  cluster.buckets = [{ bucket: "hits", type: "counter", replication: 3 }];
  for (const node of cluster.nodes) {
    node.instead = ({ body, node: id }, response) => {
      const { writes } = JSON.parse(String(body)) as { writes: Item[] };
      if (writes.length > itemsMax) {
        return problem(response, 413, "too-large", { limits: { batchItemsMax: itemsMax } });
      }
      const number = batches.length;
      const answer = () => void reply(response, 200, { results: writes.map((item) => resultOf(item, number)) });
      batches.push({ node: id, writes, answer });
      if (!isHeld) answer();
      return true;
    };
  }
  db = new MurmurClient({ nodes: cluster.urls, limits: LIMITS });
});
afterEach(async () => {
  await db.close();
  await cluster.stop();
});

function resultOf(item: Item, batch: number): object {
  const refusal = refusalOf(item, batch);
  if (refusal !== undefined) return refusal;
  totals.set(item.key, (totals.get(item.key) ?? 0) + item.op.add);
  const value = Buffer.from(JSON.stringify({ value: totals.get(item.key) })).toString("base64");
  return { status: 200, value, contentType: "application/json", context: CONTEXT };
}

type Way = (keys: readonly string[], timeoutMs?: number) => Promise<AddResult[]>;

const many: Way = (keys, timeoutMs = 30_000) =>
  db.bucket("hits").addMany(
    keys.map((key) => [key, 1]),
    { timeoutMs },
  );
const summed: Way = (keys, timeoutMs = 30_000) => {
  const hits = db.bucket("hits", { coalesceMs: 1 });
  const told = (key: string) =>
    hits.add(key, 1, { timeoutMs }).then(
      (result): AddResult => ({ ok: true, ...result }),
      (error: MurmurError): AddResult => ({ ok: false, error }),
    );
  return Promise.all(keys.map(told));
};
const WAYS = { many, summed };

const keysTo = (count: number) => Array.from({ length: count }, (_, index) => `page ${index}`);
const errorsOf = (results: readonly AddResult[]) =>
  results.map((each) => (each.ok ? undefined : [each.error.code, each.error.mayHaveApplied]));

for (const [name, way] of Object.entries(WAYS)) {
  test(`${name}: so many requests at once, and no fewer, also of what was refused as too many`, async () => {
    for (const most of [1000, 3]) {
      [itemsMax, isHeld, batches] = [most, true, []];
      const parts = 5;
      const all = way(keysTo(most * parts));
      for (let answered = 0; answered < parts; answered++) {
        await until(() => batches.length === Math.min(parts, answered + LIMITS.sumRequestsMax));
        // What else was sent has arrived before this is answered.
        await Promise.all(cluster.urls.map((url) => fetch(`${url}/health/ready`)));
        assert.equal(batches.length, Math.min(parts, answered + LIMITS.sumRequestsMax));
        batches[answered]?.answer();
      }
      assert.ok((await all).every(({ ok }) => ok));
      assert.deepEqual(
        batches.map(({ writes }) => writes.length),
        Array(parts).fill(most),
      );
    }
  });

  test(`${name}: what a node refuses before any work is asked of another one, and nothing else`, async () => {
    const unknown = { status: 504, code: "timeout", detail: "1 of 2", mayHaveApplied: true };
    const refusals: Record<string, object> = {
      a: unavailable,
      b: unknown,
      c: { ...clockSkew, status: 409, code: "type-mismatch" },
    };
    refusalOf = ({ key }, batch) => (batch === 0 || key === "b" ? refusals[key] : undefined);
    const results = await way(["a", "b", "c", "d"]);
    assert.deepEqual(errorsOf(results), [undefined, ["timeout", true], ["type-mismatch", false], undefined]);
    assert.deepEqual(
      batches.map(({ writes }) => writes.map(({ key }) => key)),
      [["a", "b", "c", "d"], ["a"]],
    );
    assert.notEqual(batches[0]?.node, batches[1]?.node);
    assert.deepEqual(
      [...totals],
      [
        ["d", 1],
        ["a", 1],
      ],
    );
  });

  test(`${name}: it is refused at last when the attempts, the budget or the time are used up, and told so`, async () => {
    refusalOf = () => unavailable;
    for (const [limits, timeoutMs, asked] of [
      [{ attemptsMax: 3 }, 2000, 3],
      [{ retryTokensMax: 1 }, 2000, 2],
      [{ backoffMs: 1000, backoffMsMax: 1000 }, 900, 1],
    ] as const) {
      await db.close();
      batches = [];
      const world = { ...REAL_WORLD, random: { u32: () => 2 ** 32 - 1 } };
      db = new MurmurClient({ nodes: cluster.urls, limits: { ...LIMITS, ...limits } }, world);
      assert.deepEqual(errorsOf(await way(["a", "b"], timeoutMs)), Array(2).fill(["unavailable", false]));
      assert.equal(batches.length, asked, JSON.stringify(limits));
    }
  });

  test(`${name}: the client's end finds what waits to be asked for again`, async () => {
    await db.close();
    const waitMs = 400;
    const world = { ...REAL_WORLD, random: { u32: () => 2 ** 32 - 1 } };
    let onWait = () => {};
    const after = (delayMs: number, fn: () => void) => {
      if (Math.round(delayMs) === waitMs) setImmediate(onWait);
      return world.after(delayMs, fn);
    };
    const limits = { ...LIMITS, backoffMs: waitMs, backoffMsMax: waitMs };
    db = new MurmurClient({ nodes: cluster.urls, limits }, { ...world, after });
    refusalOf = () => unavailable;
    onWait = () => void db.close();
    assert.deepEqual(errorsOf(await way(["a"])), [["closed", false]]);
  });
}

test("addMany's caller may give up while increments wait to be asked for again", async () => {
  await db.close();
  const waitMs = 50_000;
  const stop = new AbortController();
  const left = new Set<number>();
  const after = (delayMs: number, fn: () => void) => {
    const delay = Math.round(delayMs);
    left.add(delay);
    if (delay === waitMs) setImmediate(() => stop.abort(new Error("no longer wanted")));
    const cancel = REAL_WORLD.after(delayMs, fn);
    return () => {
      left.delete(delay);
      cancel();
    };
  };
  const world = { ...REAL_WORLD, random: { u32: () => 2 ** 32 - 1 }, after };
  db = new MurmurClient({ nodes: cluster.urls, limits: { backoffMs: waitMs, backoffMsMax: waitMs } }, world);
  refusalOf = () => unavailable;
  const given = db.bucket("hits").addMany([["a", 1]], { timeoutMs: 2 * waitMs, signal: stop.signal });
  await assert.rejects(given, /no longer wanted/);
  assert.deepEqual([...left], []);
});

test("a node whose clock is off is left alone for a while by whoever sends batches", async () => {
  await db.close();
  db = new MurmurClient({ nodes: cluster.urls, limits: { ...LIMITS, unavailableRestMs: 60_000 } });
  const write = { bucket: "hits", key: "a", op: { add: 1 } };
  refusalOf = (_item, batch) => (batch === 0 ? clockSkew : undefined);
  const { writes } = await db.batch({ writes: [write, write] });
  assert.deepEqual(errorsOf(writes as AddResult[]), Array(2).fill(["clock-skew", false]));
  for (let count = 0; count < 4; count++) await db.batch({ writes: [write] });
  assert.deepEqual(new Set(batches.slice(1).map(({ node }) => node)).size, 1);
  assert.notEqual(batches[1]?.node, batches[0]?.node);
});
