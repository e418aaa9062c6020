/** POST /v1/batch: what each item gets, and what refuses the whole. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { after, before, beforeEach, test } from "node:test";
import type { Failure, FailureKind } from "../src/coordinator/outcome.js";
import { contextText } from "../src/http/context.js";
import { contextUpTo } from "../src/lattice/context.js";
import { ACTOR, type Answer, NOW_MS, startEdge, type TestEdge } from "./http-harness.js";

const BATCH_BYTES_MAX = 70_000;

let edge: TestEdge;
before(async () => {
  edge = await startEdge({ limits: { batchItemsMax: 20, valueBytesMax: 1000, batchBytesMax: BATCH_BYTES_MAX } });
});
after(() => edge.stop());
beforeEach(() => {
  edge.store.readOutcome = undefined;
  edge.store.writeOutcome = undefined;
  edge.store.reads.length = 0;
  edge.store.writes.length = 0;
});

function post(body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return edge.ask("POST", "/v1/batch", { body: text, headers: { "content-type": "application/json", ...headers } });
}

interface Result {
  readonly status: number;
  readonly value?: string;
  readonly contentType?: string;
  readonly context?: string;
  readonly code?: string;
  readonly mayHaveApplied?: boolean;
}

async function resultsOf(body: unknown): Promise<{ results: Result[]; missing: number[] }> {
  const answer = await post(body);
  assert.equal(answer.status, 200, answer.body.toString());
  assert.equal(answer.headers["content-type"], "application/json");
  assert.equal(answer.headers["x-content-type-options"], "nosniff");
  return answer.json as unknown as { results: Result[]; missing: number[] };
}

const base64 = (text: string | Uint8Array) => Buffer.from(text).toString("base64");
const OF_ANOTHER = contextText({ bucket: "users", key: Buffer.from("b") }, contextUpTo({ timeUs: 1, actor: ACTOR }));
const base64url = (text: string | Uint8Array) => Buffer.from(text).toString("base64url");
const failure = (kind: FailureKind): Failure => ({
  ...{ kind, detail: "one of two", level: "QUORUM", required: 2, received: 1, alive: 3 },
  ...{ mayHaveApplied: true, replicas: [] },
});

test("reads come first, then writes, each in the order of the request", async () => {
  const write = (key: string) => ({ bucket: "users", key, value: base64(`of ${key}`), contentType: "text/plain" });
  const written = await resultsOf({ writes: [write("b"), write("a")] });
  assert.deepEqual(
    written.results.map(({ status, context }) => [status, typeof context]),
    [
      [204, "string"],
      [204, "string"],
    ],
  );
  const { results, missing } = await resultsOf({
    reads: ["a", "nobody", "b"].map((key) => ({ bucket: "users", key })),
    writes: [{ bucket: "users", key: "a", delete: true }],
  });
  assert.deepEqual(
    results.map(({ status, value, contentType, code }) => [status, value, contentType, code]),
    [
      [200, base64("of a"), "text/plain", undefined],
      [404, undefined, undefined, "not-found"],
      [200, base64("of b"), "text/plain", undefined],
      [204, undefined, undefined, undefined],
    ],
  );
  assert.deepEqual(missing, []);
  assert.equal(results[0]?.context, written.results[1]?.context);
});

test("a value is any bytes, its type is kept, and both forms of a key name one key", async () => {
  const value = Buffer.from([0, 255, 10, 13]);
  const key = "a/b\u0000c😀";
  await resultsOf({ writes: [{ bucket: "users", key, value: base64(value) }] });
  const { results } = await resultsOf({ reads: [{ bucket: "users", key64: base64url(key) }] });
  assert.deepEqual(Buffer.from(results[0]?.value ?? "", "base64"), value);
  assert.equal(results[0]?.contentType, "application/octet-stream");
  const single = await edge.ask("GET", `/v1/buckets/users/keys64/${base64url(key)}`);
  assert.deepEqual(single.body, value);
});

test("the wishes of a batch mean what they mean behind the ? of a key", async () => {
  await resultsOf({
    ...{ r: "one", w: 2, timeoutMs: 50, hedge: "10ms", mend: "never" },
    reads: [{ bucket: "users", key: "a" }],
    writes: [{ bucket: "users", key: "a", value: "", ttl: "60s" }],
  });
  const [read, write] = [edge.store.reads[0], edge.store.writes[0]];
  assert.deepEqual([read?.level, read?.deadlineMs, read?.mend], ["ONE", 50, false]);
  assert.deepEqual(read?.hedge.after, { kind: "after", ms: 10 });
  assert.deepEqual([write?.level, write?.deadlineMs], [2, 50]);
  assert.equal(write?.op.kind === "put" && write.op.expiresAtMs, NOW_MS + 60_000);
});

test("without wishes each item takes what its bucket says", async () => {
  await resultsOf({
    reads: ["users", "short"].map((bucket) => ({ bucket, key: "a" })),
    writes: ["users", "short"].map((bucket) => ({ bucket, key: "a", value: "" })),
  });
  assert.deepEqual(
    edge.store.reads.map(({ level, deadlineMs }) => [level, deadlineMs]),
    [
      ["QUORUM", 2000],
      ["ONE", 2000],
    ],
  );
  assert.deepEqual(
    edge.store.writes.map(({ level, op }) => [level, op.kind === "put" && op.expiresAtMs]),
    [
      ["QUORUM", undefined],
      ["ALL", NOW_MS + 60_000],
    ],
  );
});

test("a context makes a write supersede what was read", async () => {
  const context = contextUpTo({ timeUs: NOW_MS * 1000, actor: ACTOR });
  const text = contextText({ bucket: "users", key: Buffer.from("a") }, context);
  await resultsOf({ writes: [{ bucket: "users", key: "a", value: "", context: text }] });
  assert.deepEqual(edge.store.writes[0]?.context, context);
});

test("what missed the deadline is 504 and named; other failures have their own status", async () => {
  edge.store.writeOutcome = { ok: false, failure: failure("timeout") };
  const item = (key: string) => ({ bucket: "users", key, value: "" });
  const { results, missing } = await resultsOf({
    reads: [{ bucket: "users", key: "missing" }],
    writes: [item("a"), item("b")],
  });
  assert.deepEqual(missing, [1, 2]);
  const { status, code, mayHaveApplied } = results[1] as Result;
  assert.deepEqual([results[0]?.status, status, code, mayHaveApplied], [404, 504, "timeout", true]);
  const table: [FailureKind, number][] = [
    ["unavailable", 503],
    ["disk-full", 507],
    ["bad-level", 400],
    ["too-large", 413],
  ];
  for (const [kind, expected] of table) {
    edge.store.readOutcome = { ok: false, failure: failure(kind) };
    const outcome = await resultsOf({ reads: [{ bucket: "users", key: "a" }] });
    assert.deepEqual([outcome.results[0]?.status, outcome.missing], [expected, []], kind);
  }
});

test("partial false: one failure fails the whole, with the highest status and what may have been applied", async () => {
  const body = {
    partial: false,
    reads: [{ bucket: "users", key: "a" }],
    writes: [{ bucket: "users", key: "a", value: "" }],
  };
  assert.equal((await post(body)).status, 200);
  edge.store.readOutcome = { ok: false, failure: failure("unavailable") };
  const one = await post(body);
  assert.deepEqual([one.status, one.json.code, one.json.mayHaveApplied], [503, "unavailable", true]);
  assert.match(String(one.json.detail), /^1 of 2 items failed, such as results\[0\]: /);
  edge.store.writeOutcome = { ok: false, failure: { ...failure("timeout"), mayHaveApplied: false } };
  const both = await post(body);
  assert.deepEqual([both.status, both.json.code, both.json.mayHaveApplied], [504, "timeout", false]);
  assert.match(String(both.json.detail), /^2 of 2 items failed, such as results\[1\]: /);
});

test("a mistake names its place, and nothing was asked of anybody", async () => {
  const read = { bucket: "users", key: "a" };
  const write = { ...read, value: "" };
  const table: [body: unknown, status: number, detail: RegExp][] = [
    ["{", 400, /^the body is not JSON$/],
    ["[]", 400, /^the body: takes an object$/],
    ["", 400, /^the body is not JSON$/],
    [{}, 400, /^reads: takes a list; a batch has reads, writes or both$/],
    [{ reads: {} }, 400, /^reads: takes a list/],
    [{ reads: [read, 5] }, 400, /^reads\[1\]: takes an object$/],
    [{ reads: [{ key: "a" }] }, 400, /^reads\[0\]\.bucket: takes a bucket's name$/],
    [{ reads: [read, { ...read, key: "" }] }, 400, /^reads\[1\]\.key: the key is empty$/],
    [{ reads: [{ ...read, key: 5 }] }, 400, /^reads\[0\]\.key: takes a text$/],
    [{ reads: [{ ...read, key: "\ud800" }] }, 400, /^reads\[0\]\.key: has half of a surrogate pair/],
    [{ reads: [{ ...read, sort: 5 }] }, 400, /^reads\[0\]\.sort: takes a text$/],
    [{ reads: [{ ...read, sort: "\udc00" }] }, 400, /^reads\[0\]\.sort: has half of a surrogate pair/],
    [{ reads: [{ ...read, key: "a".repeat(1025) }] }, 400, /^reads\[0\]\.key: the key has 1025 bytes/],
    [{ reads: [{ ...read, key64: "YQ" }] }, 400, /^reads\[0\]: takes either key or key64$/],
    [{ reads: [{ bucket: "users" }] }, 400, /^reads\[0\]: takes either key or key64$/],
    [{ reads: [{ bucket: "users", key64: "YQ==" }] }, 400, /^reads\[0\]\.key64: takes the key's bytes in base64url/],
    [{ reads: [{ bucket: "users", key64: "_w" }] }, 400, /^reads\[0\]\.key64: the key is not valid UTF-8$/],
    [
      { reads: [{ bucket: "a b", key: "a" }] },
      400,
      /^reads\[0\]\.bucket: a bucket's name is 1 to 64 of .*, not "a b"$/,
    ],
    [{ writes: [{ bucket: "", key: 5 }] }, 400, /^writes\[0\]\.bucket: a bucket's name is/],
    [{ reads: [{ ...read, buckte: 1 }] }, 400, /^reads\[0\]: unknown field "buckte"; did you mean bucket\?$/],
    ['{"reads":[],"__proto__":{}}', 400, /^the body: unknown field "__proto__"/],
    [{ reads: [read], timeout: "5ms" }, 400, /^the body: unknown field "timeout"; did you mean timeoutMs\?$/],
    [{ reads: [read], timeoutMs: "5ms" }, 400, /^timeoutMs: takes milliseconds, from 1 to 30000$/],
    [{ reads: [read], timeoutMs: 0 }, 400, /^timeoutMs: /],
    [{ reads: [read], partial: "no" }, 400, /^partial: takes true or false$/],
    [{ reads: [read], r: "SOME" }, 400, /^r takes ONE.*not "SOME"/],
    [{ reads: [read], r: 4 }, 400, /^r takes ONE.*from 1 to 3, not "4"/],
    [{ reads: [read], r: "ANY" }, 400, /^ANY is a level of writes/],
    [{ reads: [read], r: {} }, 400, /^r: takes a text$/],
    [{ reads: [read], hedge: "soon" }, 400, /^hedge takes /],
    [{ writes: [read] }, 400, /^writes\[0\]\.value: takes the bytes in base64, with its padding$/],
    [{ writes: [{ ...write, value: "YQ" }] }, 400, /^writes\[0\]\.value: /],
    [{ writes: [{ ...write, value: base64("x".repeat(1001)) }] }, 413, /^writes\[0\]\.value: 1001 bytes/],
    [{ writes: [{ ...write, contentType: "\u0007" }] }, 400, /^writes\[0\]\.contentType: Content-Type has/],
    [{ writes: [{ ...write, contentType: 5 }] }, 400, /^writes\[0\]\.contentType: takes a text$/],
    [{ writes: [{ ...write, ttl: "soon" }] }, 400, /^writes\[0\]\.ttl takes a duration/],
    [{ writes: [{ ...write, stamp: 1 }] }, 400, /^writes\[0\]\.stamp: .* clientStamps: true/],
    [{ writes: [{ ...write, bucket: "stamped", stamp: 1.5 }] }, 400, /^writes\[0\]\.stamp takes microseconds/],
    [{ writes: [{ ...write, context: "AQ!" }] }, 400, /^writes\[0\]\.context is not one that/],
    [{ writes: [{ ...write, context: OF_ANOTHER }] }, 400, /^writes\[0\]\.context is the context of another key: read/],
    [{ writes: [{ ...read, delete: "yes" }] }, 400, /^writes\[0\]\.delete: takes true or false$/],
    [{ writes: [{ ...write, delete: true }] }, 400, /^writes\[0\]\.value: a delete has none$/],
    [{ writes: [{ ...read, op: { add: 5 } }] }, 409, /^writes\[0\]\.op: a register bucket takes value or delete/],
    [{ writes: [write, { ...read, key: "b", value: "" }, write] }, 400, /^writes\[2\]: the same key as writes\[0\]/],
    [
      { reads: Array.from({ length: 21 }, () => read) },
      413,
      /^21 reads and writes; the limit is 20 \(batchItemsMax\)$/,
    ],
    [`{"reads":[],"x":"${"x".repeat(70_000)}"}`, 413, /^a batch of 70019 bytes; the limit is 70000$/],
  ];
  for (const [body, status, detail] of table) {
    const label = JSON.stringify(body).slice(0, 100);
    const answer = await post(body);
    assert.equal(answer.status, status, label);
    assert.match(String(answer.json.detail), detail, label);
    assert.equal(answer.json.mayHaveApplied, false, label);
  }
  const invalid = Buffer.from([0x7b, 0xff, 0x7d]);
  const headers = { "content-type": "application/json" };
  const answer = await edge.ask("POST", "/v1/batch", { body: invalid, headers });
  assert.deepEqual([answer.status, answer.json.detail], [400, "the body is not UTF-8"]);
  assert.deepEqual([edge.store.reads, edge.store.writes], [[], []]);
});

test("the description has each field that is taken, and no other", async () => {
  const document = (await edge.ask("GET", "/openapi.json")).json as unknown as { paths: { "/v1/batch": Described } };
  const { schema } = document.paths["/v1/batch"].post.requestBody.content["application/json"];
  const { reads, writes } = schema.properties;
  for (const [body, properties] of [
    [{ reads: [], xyz: 1 }, schema.properties],
    [{ reads: [{ xyz: 1 }] }, reads?.items?.properties],
    [{ writes: [{ xyz: 1 }] }, writes?.items?.properties],
  ] as const) {
    const { detail } = (await post(body)).json;
    const [, taken] = /unknown field "xyz"; it takes (.*)$/.exec(String(detail)) ?? [];
    assert.deepEqual(taken?.split(", ").sort(), Object.keys(properties ?? {}).sort());
  }
});

interface Described {
  readonly post: { readonly requestBody: { readonly content: Record<"application/json", { schema: Schema }> } };
}

interface Schema {
  readonly properties: Readonly<Record<string, { readonly items?: Schema }>>;
}

test("only POST, only JSON, no query, and no wish that would not be kept", async () => {
  const body = '{"reads":[]}';
  const table: [method: string, path: string, headers: Record<string, string>, status: number][] = [
    ["GET", "/v1/batch", {}, 405],
    ["PUT", "/v1/batch", { "content-type": "application/json" }, 405],
    ["POST", "/v1/batch?r=ONE", { "content-type": "application/json" }, 400],
    ["POST", "/v1/batch", {}, 415],
    ["POST", "/v1/batch", { "content-type": "text/json" }, 415],
    ["POST", "/v1/batch", { "content-type": "application/json; charset=latin1" }, 415],
    ["POST", "/v1/batch", { "content-type": "application/json", "content-encoding": "br" }, 415],
    ["POST", "/v1/batch", { "content-type": "application/json", "idempotency-key": "1" }, 400],
    ["POST", "/v1/batch", { "content-type": "application/json", origin: "http://evil.example" }, 403],
    ["POST", "/v1/batch", { "content-type": "Application/JSON; charset=UTF-8" }, 200],
  ];
  for (const [method, path, headers, status] of table) {
    const answer = await edge.ask(method, path, { headers, body: method === "GET" ? "" : body });
    assert.equal(answer.status, status, `${method} ${path} ${JSON.stringify(headers)}`);
    if (status === 405) assert.equal(answer.headers.allow, "POST");
  }
  assert.deepEqual((await post(body)).json, { results: [], missing: [] });
});

test("a body is asked for only once, when all but the body was found good", async () => {
  const head =
    "POST /v1/batch HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 12\r\n";
  const good = await edge.raw(`${head}Content-Type: application/json\r\n\r\n{"reads":[]}`);
  assert.match(good, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK/);
  const bad = await edge.raw(`${head}Content-Type: text/plain\r\n\r\n{"reads":[]}`);
  assert.match(bad, /^HTTP\/1\.1 415 /);
});

test("a refused batch is read away up to twice its own limit, so that its client lives to read why", async () => {
  const headers = { "content-type": "application/json" };
  const twice = await edge.ask("POST", "/v1/batch", { headers, body: Buffer.alloc(2 * BATCH_BYTES_MAX) });
  assert.equal(twice.status, 413);
  const kept = await edge.ask("POST", "/v1/batch", {
    headers: { connection: "keep-alive" },
    body: Buffer.alloc(2 * BATCH_BYTES_MAX),
  });
  assert.deepEqual([kept.status, kept.headers.connection], [415, "keep-alive"], "read away, and no reason to close");
});

test("a batch that is found too large while it comes is read away too", async () => {
  const socket = connect(edge.server.port, "127.0.0.1");
  const chunk = (bytes: number) => `${bytes.toString(16)}\r\n${"x".repeat(bytes)}\r\n`;
  const head = "POST /v1/batch HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
  socket.write(`${head}Transfer-Encoding: chunked\r\n\r\n${chunk(BATCH_BYTES_MAX + 1)}`);
  assert.match(String(await once(socket, "data")), /^HTTP\/1\.1 413 /);
  let hasEnded = false;
  socket.once("end", () => {
    hasEnded = true;
  });
  // Another request after each chunk: by its answer the node has read what came before it.
  for (let count = 0; count < 5; count++) {
    socket.write(chunk(1000));
    await edge.ask("GET", "/health/live");
    assert.equal(hasEnded, false, `chunk ${count}`);
  }
  socket.write("0\r\n\r\n");
  if (!hasEnded) await once(socket, "end");
});

test("each item counts as a request among those under way, and in the metrics", async () => {
  const busy = await startEdge({ limits: { requestsPendingMax: 3 } });
  const headers = { "content-type": "application/json" };
  const ask = (keys: readonly string[]) => {
    const reads = keys.map((key) => ({ bucket: "users", key }));
    return busy.ask("POST", "/v1/batch", { headers, body: JSON.stringify({ reads }) });
  };
  const refused = await ask(["a", "b", "c", "d"]);
  assert.deepEqual([refused.status, refused.json.code, refused.headers["retry-after"]], [503, "overloaded", "1"]);
  // Nothing stays behind: three are admitted again and again.
  for (let round = 0; round < 3; round++) assert.equal((await ask(["a", "b", "c"])).status, 200);
  const text = (await busy.ask("GET", "/metrics")).body.toString();
  assert.match(text, /murmur_reads_total\{level="QUORUM",result="not-found"\} 9/);
  assert.match(text, /murmur_request_seconds_count\{operation="batch"\} 3/);
  await busy.stop();
});
