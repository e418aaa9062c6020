/** What calls that are not about one key say of a node, and their deadlines. */
import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { afterEach, beforeEach, test } from "node:test";
import { MurmurClient } from "../../src/client/client.js";
import { type ClientWorld, REAL_WORLD } from "../../src/client/world.js";
import { until } from "../ports/until.js";
import { CONTEXT, FakeCluster, type FakeNode, problem, reply } from "./fake-cluster.js";

let cluster: FakeCluster;
let db: MurmurClient;
let bad: FakeNode;

/** A node that is out stays out: nobody asks it whether it is back. */
const limits = { unavailableRestMs: 0, backoffMs: 0, hedgeMsMin: 1, hedgeUnmeasuredMs: 1, probeMs: 60_000 };

beforeEach(async () => {
  cluster = await FakeCluster.start(3);
  for (const node of cluster.nodes) node.instead = answers;
  bad = cluster.node("n2");
  db = new MurmurClient({ nodes: cluster.urls, limits });
});
afterEach(async () => {
  await db.close();
  await cluster.stop();
});

type Deed = FakeNode["instead"];

const answers: Deed = (_asked, response) =>
  reply(response, 200, { results: [{ status: 404, context: CONTEXT }], keys: [], cells: [] });
const silent: Deed = () => true;
const breaks: Deed = (_asked, response) => response.destroy() !== undefined;
const leaves: Deed = (_asked, response) => problem(response, 503, "draining", {}, { Connection: "close" });

const batch = (timeoutMs = 2000) => db.batch({ reads: [{ bucket: "b", key: "k" }], timeoutMs });

test("a node that is silent, that breaks connections or that leaves gets no more batches, pages and ranges", async () => {
  for (const [deed, times] of [
    [silent, 1],
    [breaks, 3],
    [leaves, 1],
  ] as const) {
    await db.close();
    db = new MurmurClient({ nodes: cluster.urls, limits });
    bad.asked.length = 0;
    bad.instead = deed;
    while (bad.asked.length < times) await batch(deed === silent ? 20 : undefined).catch(() => {});
    for (let count = 0; count < 6; count++) {
      await batch();
      await db.bucket("b").keys();
      await db.bucket("b").range("k");
    }
    assert.equal(bad.asked.length, times);
  }
});

test("a node that refuses connections gets no more batches; one that answers with refusals is asked again", async () => {
  bad.instead = (_asked, response) => problem(response, 504, "timeout");
  while (bad.asked.length < 5) await batch();
  const nodes = cluster.urls.toReversed();
  cluster.isKnown = false;
  await bad.stop();
  let retries = 0;
  await db.close();
  const random = { u32: () => 2 ** 31 };
  const after: ClientWorld["after"] = (delayMs, fn) => {
    retries++;
    return REAL_WORLD.after(delayMs, fn);
  };
  db = new MurmurClient({ nodes, limits }, { ...REAL_WORLD, random, after });
  for (let count = 0; count < 10; count++) await batch();
  assert.equal(retries, 1);
});

/** A byte now and then: no silence is as long as the call. */
function drips(response: ServerResponse, bytes: number): true {
  response.writeHead(200, { "Content-Length": bytes });
  let written = 0;
  const dripping = setInterval(() => {
    response.write(" ");
    if (++written === bytes) clearInterval(dripping);
  }, 5);
  response.once("close", () => clearInterval(dripping));
  return true;
}

test("the time of a call is over when it is over, though an answer has begun", async () => {
  for (const node of cluster.nodes) node.instead = (_asked, response) => drips(response, 100);
  const late = db.batch({ writes: [{ bucket: "b", key: "k", value: 1 }], timeoutMs: 50 });
  await assert.rejects(late, { name: "TimeoutError", mayHaveApplied: true, message: /no answer within 50 ms/ });
  await assert.rejects(db.bucket("b").keys({ timeoutMs: 50 }), { name: "TimeoutError", mayHaveApplied: false });
});

test("who tells of the cluster a byte at a time is not waited for", async () => {
  await db.close();
  const { answer } = cluster;
  let isCut = false;
  cluster.answer = (_path, response) => {
    cluster.answer = answer;
    drips(response, 1_000_000);
    response.once("close", () => (isCut = true));
  };
  db = new MurmurClient({ nodes: cluster.urls, limits: { refreshTimeoutMs: 20 } });
  await batch();
  await until(() => cluster.lookedAt === 2);
  assert.ok(isCut);
});
