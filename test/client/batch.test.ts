/** Batches and listings against nodes that misbehave as told. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { MurmurClient, type MurmurError } from "../../src/client/client.js";
import { CLIENT_LIMITS } from "../../src/client/limits.js";
import { REAL_WORLD } from "../../src/client/world.js";
import { until } from "../ports/until.js";
import { CONTEXT, FakeCluster, type FakeNode, problem, reply } from "./fake-cluster.js";

let cluster: FakeCluster;
let db: MurmurClient;

beforeEach(async () => {
  cluster = await FakeCluster.start(2);
  db = new MurmurClient({ nodes: cluster.urls });
});
afterEach(async () => {
  await db.close();
  await cluster.stop();
});

const base64 = (text: string) => Buffer.from(text).toString("base64");

function answerAll(instead: FakeCluster["nodes"][number]["instead"]): void {
  for (const node of cluster.nodes) node.instead = instead;
}

test("a batch's items come back as values, siblings, absences and errors", async () => {
  const results = [
    { status: 200, value: base64("[1]"), contentType: "application/json", context: CONTEXT },
    { status: 404, code: "not-found", context: CONTEXT },
    { status: 300, siblings: [{ value: base64("a"), contentType: "text/plain" }], context: CONTEXT },
    { status: 504, code: "timeout", detail: "1 of 2", required: 2, received: 1, mayHaveApplied: false },
    { status: 204, context: CONTEXT },
    { status: 504, code: "timeout", detail: "1 of 2", mayHaveApplied: true },
  ];
  answerAll((_asked, response) => reply(response, 200, { results }));
  const { reads, writes } = await db.batch({
    reads: ["a", "b", "c", "d"].map((key) => ({ bucket: "b", key })),
    writes: [
      { bucket: "b", key: "e", value: "text", ttl: 1000 },
      { bucket: "b", key: "f", delete: true, context: CONTEXT, stamp: 1_700_000_000_000_000 },
    ],
    merge: "never",
    consistency: { read: "ONE", write: 2 },
    timeoutMs: 1000,
  });
  const [found, absent, several, late] = reads;
  const whole = { contentType: undefined, siblings: [], context: CONTEXT, ok: true };
  assert.deepEqual(found, { ...whole, found: true, value: [1], contentType: "application/json" });
  assert.deepEqual(absent, { ...whole, found: false, value: undefined });
  const siblings = [{ value: "a", contentType: "text/plain" }];
  assert.deepEqual(several, { ...whole, found: true, value: undefined, siblings });
  const errorOf = (item: { ok: boolean; error?: MurmurError } | undefined) => {
    const { name, code, received, mayHaveApplied } = (item as { error: MurmurError }).error;
    return [name, code, received, mayHaveApplied];
  };
  assert.deepEqual(errorOf(late), ["TimeoutError", "timeout", 1, false]);
  assert.deepEqual(writes[0], { ok: true, context: CONTEXT });
  assert.deepEqual(errorOf(writes[1]), ["TimeoutError", "timeout", undefined, true]);
  const [asked] = cluster.asked;
  const { timeoutMs, ...body } = JSON.parse(String(asked?.body));
  assert.ok(timeoutMs > 900 && timeoutMs < 1000);
  assert.deepEqual(body, {
    reads: ["a", "b", "c", "d"].map((key) => ({ bucket: "b", key })),
    writes: [
      { bucket: "b", key: "e", value: base64("text"), contentType: "text/plain; charset=utf-8", ttl: "1000ms" },
      { bucket: "b", key: "f", delete: true, context: CONTEXT, stamp: 1_700_000_000_000_000 },
    ],
    merge: "never",
    r: "ONE",
    w: 2,
  });
});

test("a batch's items name cells, whose contexts are not taken for those of their keys", async () => {
  const results = [
    { status: 404, context: CONTEXT },
    { status: 204, context: CONTEXT },
    { status: 204, context: CONTEXT },
    { status: 200, value: base64('{"value":1}'), contentType: "application/json", context: CONTEXT },
    { status: 204, context: CONTEXT },
  ];
  answerAll((_asked, response) => reply(response, 200, { results }));
  const cell = (sort: string) => ({ bucket: "rows", key: "k", sort });
  await db.batch({
    reads: [cell("1")],
    writes: [
      { ...cell("2"), value: "text" },
      { ...cell("3"), delete: true },
      { ...cell("ä b"), op: { add: 1 } },
      { bucket: "rows", key: "whole", value: "text" },
    ],
    mend: "never",
  });
  const body = JSON.parse(String(cluster.asked[0]?.body));
  assert.equal(body.mend, "never");
  const sorts = [...body.reads, ...body.writes].map(({ sort }) => sort);
  assert.deepEqual(sorts, ["1", "2", "3", "ä b", undefined]);
  answerAll(() => false);
  const contextSentFor = async (key: string) => {
    for (const node of cluster.nodes) node.asked.length = 0;
    await db.bucket("rows").put(key, "text");
    return cluster.asked[0]?.headers["murmur-context"];
  };
  // Until the cluster is known, no context is sent for anything.
  while ((await contextSentFor("whole")) === undefined);
  assert.equal(await contextSentFor("k"), undefined);
  const wrong = db.batch({ reads: [cell("")] });
  await assert.rejects(wrong, { name: "BadRequestError", message: /a sort key is a string that is not empty/ });
});

test("a call that may take minutes asks no node for more time than a node takes", async () => {
  answerAll((_asked, response) => reply(response, 200, { results: [{ status: 404, context: CONTEXT }], keys: [] }));
  await db.batch({ reads: [{ bucket: "b", key: "k" }], timeoutMs: 300_000 });
  await db.bucket("b").keys({ timeoutMs: 300_000 });
  answerAll(() => false);
  await db.bucket("b").get("k", { timeoutMs: 300_000 });
  const batch = cluster.asked.find(({ method }) => method === "POST");
  assert.equal(JSON.parse(String(batch?.body)).timeoutMs, CLIENT_LIMITS.serverTimeoutMsMax);
  const told = cluster.asked.filter(({ method }) => method === "GET").map(({ query }) => query.get("timeout"));
  assert.deepEqual(told, Array(2).fill(`${CLIENT_LIMITS.serverTimeoutMsMax}ms`));
});

test("a batch of reads is repeated elsewhere; one that writes only when nothing was done", async () => {
  const read = { reads: [{ bucket: "b", key: "k" }] };
  const write = { writes: [{ bucket: "b", key: "k", value: 1 }] };
  const bad = cluster.nodes[0] as FakeCluster["nodes"][number];
  const good = cluster.nodes[1] as FakeCluster["nodes"][number];
  good.instead = (_asked, response) => reply(response, 200, { results: [{ status: 204, context: CONTEXT }] });
  const untilBadIsAsked = async (call: () => Promise<unknown>) => {
    bad.asked.length = 0;
    while (bad.asked.length === 0) await call();
  };
  bad.instead = (_asked, response) => response.destroy() !== undefined;
  await untilBadIsAsked(() => db.batch(read));
  await assert.rejects(
    untilBadIsAsked(() => db.batch(write)),
    { name: "ConnectionError", mayHaveApplied: true },
  );
  bad.instead = (_asked, response) => problem(response, 503, "overloaded");
  await untilBadIsAsked(() => db.batch(write));
});

test("what says nothing about a node keeps nobody away from it", async () => {
  const [first, second] = cluster.nodes as [FakeNode, FakeNode];
  second.instead = ({ method }, response) => method === "POST" && reply(response, 200, { results: [] });
  const asksFirst = async (deed: FakeNode["instead"], signal?: AbortSignal) => {
    first.instead = (asked, response) => asked.method === "POST" && deed(asked, response);
    first.asked.length = 0;
    while (first.asked.length === 0) await db.batch(signal === undefined ? {} : { signal }).catch(() => {});
    second.asked.length = 0;
    first.asked.length = 0;
    await db.bucket("b").get("k");
    return first.asked.length === 1;
  };
  const limits = { unavailableRestMs: 60_000, backoffMs: 1 };
  // Once the ring is known, all keys are asked of the first node.
  const begin = async () => {
    await db.close();
    cluster.lookedAt = 0;
    db = new MurmurClient({ nodes: cluster.urls, hedge: "never", limits });
    const isFirst = () => asksFirst((_asked, response) => reply(response, 200, { results: [] }));
    while (!((await isFirst()) && (await isFirst()) && cluster.lookedAt >= 2));
  };
  await begin();
  for (const [status, code] of [
    [400, "bad-request"],
    [413, "too-large"],
    [422, "id-reused"],
    [504, "timeout"],
    [200, "no problem"],
  ] as const) {
    assert.ok(await asksFirst((_asked, response) => problem(response, status, code)), code);
  }
  const stop = new AbortController();
  assert.ok(await asksFirst(() => stop.abort() === undefined, stop.signal), "the caller's own word");
  for (const code of ["unavailable", "clock-skew", "draining"]) {
    await begin();
    assert.ok(!(await asksFirst((_asked, response) => problem(response, 503, code))), code);
  }
});

test("whoever asks to be left alone is left alone for so long, or the call fails at once", async () => {
  let nowMs = 0;
  const after = (delayMs: number, fn: () => void) => {
    nowMs += delayMs;
    return REAL_WORLD.after(0, fn);
  };
  cluster.isKnown = false;
  const [only] = cluster.nodes as [FakeCluster["nodes"][number]];
  await db.close();
  db = new MurmurClient({ nodes: [only.url] }, { ...REAL_WORLD, nowMs: () => nowMs, after });
  only.instead = (_asked, response) => problem(response, 503, "overloaded", {}, { "Retry-After": "1" });
  const calls = [
    () => db.batch({ reads: [{ bucket: "b", key: "k" }] }),
    () => db.batch({ writes: [{ bucket: "b", key: "k", value: 1 }] }),
    () => db.bucket("b").keys(),
    () => db.bucket("b").range("k"),
    () => db.bucket("b").deleteCells("k"),
  ];
  for (const call of calls) {
    only.asked.length = 0;
    const beganMs = nowMs;
    await assert.rejects(call(), { name: "OverloadedError" });
    // A third question would come two seconds later, when the time of the call is over.
    assert.equal(only.asked.length, 2);
    assert.ok(nowMs - beganMs >= 1000 && nowMs - beganMs < 2000);
  }
});

test("a batch ends at its deadline, at its caller's word, or with the client", async () => {
  answerAll(() => true);
  const write = { writes: [{ bucket: "b", key: "k", value: 1 }] };
  await assert.rejects(db.batch({ ...write, timeoutMs: 200 }), { name: "TimeoutError", mayHaveApplied: true });
  const stop = new AbortController();
  const aborted = db.batch({ ...write, signal: stop.signal });
  await until(() => cluster.asked.length >= 2);
  stop.abort(new Error("no longer wanted"));
  await assert.rejects(aborted, /no longer wanted/);
  const closed = assert.rejects(db.batch(write), { name: "ClosedError", mayHaveApplied: true });
  await until(() => cluster.asked.length >= 3);
  await db.close();
  await closed;
  await assert.rejects(db.batch(write), { name: "ClosedError" });
});

test("cells are deleted a page at a time, and a delete that may have happened is told as such", async () => {
  const rows = db.bucket("rows");
  answerAll((_asked, response) => reply(response, 200, { deleted: 2, next: "b" }));
  assert.deepEqual(await rows.deleteCells("k", { from: "a b", limit: 2, consistency: "ALL" }), {
    deleted: 2,
    next: "b",
  });
  const [asked] = cluster.asked;
  assert.deepEqual([asked?.method, asked?.path], ["DELETE", "/v1/buckets/rows/partitions/k"]);
  assert.deepEqual([asked?.query.get("from"), asked?.query.get("limit"), asked?.query.get("w")], ["a b", "2", "ALL"]);
  answerAll((_asked, response) => reply(response, 200, { deleted: 0, next: null }));
  assert.deepEqual(await rows.deleteCells("k"), { deleted: 0, next: undefined });
  answerAll((_asked, response) => problem(response, 504, "timeout", { mayHaveApplied: true }));
  await assert.rejects(rows.deleteCells("k"), { name: "TimeoutError", mayHaveApplied: true });
  answerAll((_asked, response) => reply(response, 200, {}));
  await assert.rejects(rows.deleteCells("k"), { code: "bad-answer", mayHaveApplied: true });
});

test("what is no batch and no page is told, before or after it was asked", async () => {
  await assert.rejects(db.batch({ reads: [{ bucket: "b", key: "" }] }), { name: "BadRequestError" });
  await assert.rejects(db.batch({ reads: [{ bucket: "/", key: "k" }] }), { name: "BadRequestError" });
  for (const half of [{ from: "a\ud800" }, { to: "\udc00" }]) {
    const says = { name: "BadRequestError", message: /(from|to) has half of a surrogate pair/ };
    await assert.rejects(db.bucket("rows").deleteCells("k", half), says);
    await assert.rejects(db.bucket("rows").range("k", half), says);
  }
  const bigs = [1, 1n].map((by) => ({ bucket: "b", key: `${by}`, op: { add: by as number } }));
  const says = { name: "BadRequestError", message: /writes\[1\]\.op is not JSON: .*BigInt/ };
  await assert.rejects(db.batch({ writes: bigs }), says);
  await assert.rejects(db.batch({ mend: 1n as never }), { name: "BadRequestError", message: /the batch is not JSON/ });
  await assert.rejects(db.bucket("b").keys({ limit: 0 }), { name: "BadRequestError", message: /limit/ });
  assert.equal(cluster.asked.length, 0);
  answerAll((_asked, response) => reply(response, 200, {}));
  const [read, write] = [{ bucket: "b", key: "k" }, { bucket: "b", key: "k", delete: true } as const];
  await assert.rejects(db.batch({ reads: [read] }), { code: "bad-answer", mayHaveApplied: false });
  await assert.rejects(db.batch({ writes: [write] }), { code: "bad-answer", mayHaveApplied: true });
  answerAll((_asked, response) =>
    reply(response, 200, { results: [{ status: 200 }, { status: 500, code: "internal" }, { status: 200 }] }),
  );
  const { reads, writes } = await db.batch({ reads: [read], writes: [write, { ...write, key: "l" }] });
  const told = [...reads, ...writes].map((each) => (each.ok ? [] : [each.error.code, each.error.mayHaveApplied]));
  assert.deepEqual(told, [
    ["bad-answer", false],
    ["internal", true],
    ["bad-answer", true],
  ]);
  for (const text of ["null", '"results"']) {
    answerAll((_asked, response) => response.end(text) !== undefined);
    await assert.rejects(db.batch({ writes: [write] }), { name: "MurmurError", mayHaveApplied: true });
  }
  answerAll((_asked, response) => reply(response, 200, {}));
  await assert.rejects(db.bucket("b").keys(), { code: "bad-answer" });
  answerAll((_asked, response) => problem(response, 400, "bad-request"));
  await assert.rejects(db.bucket("b").keys({ after: "x" }), { name: "BadRequestError", message: /as told/ });
});
