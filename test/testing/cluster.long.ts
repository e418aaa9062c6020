/** The faults of `murmurdb/testing`, on one cluster of real processes. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { after, afterEach, before, test } from "node:test";
import { startCluster, type TestCluster } from "../../src/testing/start-cluster.js";
import { eachOf, until } from "../process-cluster.js";

let cluster: TestCluster;

before(async () => {
  cluster = await startCluster({ nodes: 3 });
});
afterEach(async () => {
  await cluster.heal();
  await cluster.start();
});
after(() => cluster.stop());

interface Answered {
  readonly status: number;
  /** Of the problem, if it is one. */
  readonly code: string | undefined;
}

const PATIENT = "5s";
/** For what is not to succeed. */
const BRIEF = "200ms";

async function put(id: string, level: string, key = "k", value = "x", timeout = PATIENT): Promise<Answered> {
  const url = `${cluster.node(id).url}/v1/buckets/b/keys/${key}?w=${level}&timeout=${timeout}`;
  const response = await fetch(url, { method: "PUT", body: value });
  const text = await response.text();
  return { status: response.status, code: text === "" ? undefined : JSON.parse(text).code };
}

async function accepts(id: string, level: string, key?: string, value?: string): Promise<void> {
  assert.deepEqual(await put(id, level, key, value), { status: 204, code: undefined });
}

async function fails(id: string, level: string, key?: string, value?: string): Promise<void> {
  assert.notEqual((await put(id, level, key, value, BRIEF)).status, 204);
}

async function get(id: string, level: string, key = "k"): Promise<string> {
  const response = await fetch(`${cluster.node(id).url}/v1/buckets/b/keys/${key}?r=${level}&timeout=${PATIENT}`);
  return response.text();
}

/** First it times out: unknown. Once it is clear that too few are there, it is refused. */
async function refuses(id: string, level: string): Promise<void> {
  const answered = await until(
    () => put(id, level, "refused", "x", BRIEF),
    ({ status }) => status !== 504,
  );
  assert.deepEqual(answered, { status: 503, code: "unavailable" });
}

test("a cluster that was just started takes writes at ALL, through every node", async () => {
  for (const { id } of cluster.nodes) await accepts(id, "ALL");
});

test("in a partition the smaller side refuses QUORUM, the larger goes on, and after the heal both agree", async () => {
  await accepts("n1", "ALL", "k", "before");
  await cluster.partition(["n1"], ["n2", "n3"]);
  await accepts("n2", "QUORUM", "k", "meanwhile");
  assert.equal(await get("n1", "ONE"), "before");
  await refuses("n1", "QUORUM");
  await accepts("n3", "QUORUM");
  await accepts("n2", "QUORUM", "k", "after");
  await cluster.heal();
  for (const { id } of cluster.nodes) assert.equal(await get(id, "ALL"), "after");
});

test("a cut of one direction lets the other pass", async () => {
  await accepts("n1", "ALL", "k", "first");
  await cluster.kill("n3");
  await cluster.cut("n1", "n2");
  await fails("n2", "TWO", "k", "second");
  assert.equal(await get("n1", "ONE"), "second", "what n2 sent has arrived");
  await cluster.heal();
  assert.equal(await get("n2", "TWO"), "second");
  await cluster.cut("n2", "n1");
  await fails("n2", "TWO", "k", "third");
  assert.equal(await get("n1", "ONE"), "second", "what n2 sends does not arrive");
});

test("a cut outlives the restart of its node", async () => {
  await cluster.partition(["n1"], ["n2", "n3"]);
  await cluster.kill("n1");
  await cluster.start("n1");
  await fails("n1", "QUORUM", "refused");
});

test("a paused node says nothing, and goes on where it was", async () => {
  await cluster.pause("n2");
  assert.equal(cluster.node("n2").state, "paused");
  await fails("n1", "ALL");
  await accepts("n1", "QUORUM", "k", "meanwhile");
  await cluster.resume("n2");
  assert.equal(cluster.node("n2").state, "running");
  // What was sent meanwhile waited in its sockets.
  await until(
    () => get("n2", "ONE"),
    (value) => value === "meanwhile",
  );
});

test("a fault commanded while a node is paused holds when it wakes", async () => {
  await cluster.pause("n2");
  await cluster.partition(["n1", "n3"], ["n2"]);
  await cluster.resume("n2");
  await fails("n2", "TWO", "refused");
});

test("a killed node is missed at ALL alone, and counts again when it is back", async () => {
  const { pid } = cluster.node("n3");
  await cluster.kill("n3");
  assert.equal(cluster.node("n3").state, "down");
  assert.throws(() => process.kill(pid as number, 0), { code: "ESRCH" });
  await accepts("n1", "QUORUM", "k", "kept");
  await refuses("n1", "ALL");
  await cluster.start("n3");
  await accepts("n1", "ALL", "other");
  assert.equal(await get("n3", "ALL"), "kept");
});

test("a drained node ends in order, and all can be down at once", async () => {
  for (const { id } of cluster.nodes) await cluster.drain(id);
  assert.deepEqual(
    cluster.nodes.map(({ state, pid }) => [state, pid]),
    cluster.nodes.map(() => ["down", undefined]),
  );
  await cluster.start();
  await accepts("n1", "ALL");
});

test("a wiped node has nothing, and everything again once the cluster is healed", async () => {
  const keys = Array.from({ length: 50 }, (_, index) => `key-${index}`);
  await eachOf(keys, 8, (key) => accepts("n1", "ALL", key, key));
  const { folder } = cluster.node("n2");
  assert.ok(existsSync(folder));
  await cluster.kill("n2");
  await cluster.wipe("n2");
  assert.ok(!existsSync(folder));
  await cluster.start("n2");
  await cluster.heal();
  await cluster.partition(["n1"], ["n2"], ["n3"]);
  await eachOf(keys, 8, async (key) => assert.equal(await get("n2", "ONE", key), key));
});

test("a slow node answers late; nobody else does, and healing ends it", async () => {
  await cluster.slow("n3", { percent: 100, delayMs: 60_000 });
  await fails("n1", "ALL");
  await accepts("n1", "TWO");
  await cluster.heal();
  await accepts("n1", "ALL");
});

test("of a node that is slow at times, some answers come and some do not", async () => {
  await cluster.slow("n3", { percent: 50, delayMs: 60_000 });
  const outcomes = new Set<boolean>();
  await until(
    async () => outcomes.add((await put("n1", "ALL", "k", "x", BRIEF)).status === 204),
    (seen) => seen.size === 2,
  );
});

test("what cannot be done is refused, with what could", async () => {
  const refusals: readonly (readonly [() => Promise<void>, RegExp])[] = [
    [() => cluster.kill("n9"), /there is no node n9; the cluster has n1, n2, n3/],
    [() => cluster.start("n1"), /n1 is running; this needs it down/],
    [() => cluster.resume("n1"), /n1 is running; this needs it paused/],
    [() => cluster.wipe("n1"), /n1 is running; this needs it down/],
    [() => cluster.partition(["n1"]), /two groups or more/],
    [() => cluster.partition(["n1", "n2"], ["n2", "n3"]), /n2 is in more than one place/],
    [() => cluster.cut("n1", ["n1", "n2"]), /n1 cannot be cut off from itself/],
    [() => cluster.slow("n1", { percent: 200, delayMs: 1 }), /percent: expected 0 to 100, found 200/],
    [() => cluster.slow("n1", { percent: 1, delayMs: -1 }), /delayMs: expected milliseconds from 0 .*, found -1/],
  ];
  for (const [act, says] of refusals) await assert.rejects(act, says);
  await accepts("n1", "ALL");
});

test("a node that cannot start says why; once it can, it starts", async () => {
  await cluster.kill("n2");
  const { hostname, port } = new URL(cluster.node("n2").url);
  const holder = createServer().listen(Number(port), hostname);
  await once(holder, "listening");
  await assert.rejects(cluster.start("n2"), new RegExp(`n2 cannot start: .*${port}`));
  assert.equal(cluster.node("n2").state, "down");
  await once(holder.close(), "close");
  await cluster.start("n2");
  await accepts("n2", "ALL");
});
