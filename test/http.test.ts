/** What a client gets for a key: bytes, headers, envelopes and failures. */
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import type { Failure, FailureKind } from "../src/coordinator/outcome.js";
import { contextText } from "../src/http/context.js";
import { contextUpTo, EMPTY_CONTEXT, encodeContext } from "../src/lattice/context.js";
import { ACTOR, NOW_MS, REPLICAS, startEdge, type TestEdge } from "./http-harness.js";

const ADA = "/v1/buckets/users/keys/ada";
const TIMING =
  'n1;dur=0.25;desc="self same", n2;start=0.5;dur=1.23;desc="first behind", n3;start=0.5;desc="first failed"';

let edge: TestEdge;
before(async () => {
  edge = await startEdge();
});
after(() => edge.stop());
beforeEach(() => {
  edge.store.readOutcome = undefined;
  edge.store.writeOutcome = undefined;
});

function contextAt(timeMs: number, key = "ada"): string {
  return contextText({ bucket: "users", key: Buffer.from(key) }, contextUpTo({ timeUs: timeMs * 1000, actor: ACTOR }));
}

test("a value comes back byte for byte with its type, its context and who was asked", async () => {
  const value = Buffer.from([0, 1, 255, 13, 10, 13, 10]);
  const put = await edge.ask("PUT", ADA, { body: value, headers: { "content-type": "image/png" } });
  assert.equal(put.status, 204);
  assert.equal(put.body.length, 0);
  const got = await edge.ask("GET", ADA);
  assert.equal(got.status, 200);
  assert.deepEqual(got.body, value);
  for (const name of ["murmur-context", "etag", "server-timing"]) assert.equal(got.headers[name], put.headers[name]);
  assert.equal(got.headers["content-type"], "image/png");
  assert.match(got.headers.etag as string, /^"[A-Za-z0-9_-]{22}"$/);
  assert.equal(got.headers["server-timing"], TIMING);
  assert.equal(got.headers["x-content-type-options"], "nosniff");
  assert.equal(got.headers["content-security-policy"], "sandbox");
  assert.equal(got.headers["cross-origin-resource-policy"], "same-origin");
  assert.equal(got.headers["cache-control"], "no-cache");
  assert.equal(got.headers["content-disposition"], undefined);
});

test("HEAD is GET without the bytes", async () => {
  await edge.ask("PUT", ADA, { body: "12345" });
  const got = await edge.ask("GET", ADA);
  const head = await edge.ask("HEAD", ADA);
  assert.equal(head.status, 200);
  assert.equal(head.body.length, 0);
  assert.deepEqual({ ...head.headers, date: "" }, { ...got.headers, date: "" });
  assert.equal((await edge.ask("HEAD", "/v1/buckets/users/keys/nobody")).status, 404);
});

test("a deleted key and one that never was are 404 and still carry their context", async () => {
  await edge.ask("PUT", ADA, { body: "x" });
  const deleted = await edge.ask("DELETE", ADA);
  assert.equal(deleted.status, 204);
  const got = await edge.ask("GET", ADA);
  assert.equal(got.status, 404);
  assert.equal(got.json.code, "not-found");
  assert.equal(got.headers["content-type"], "application/problem+json");
  for (const name of ["murmur-context", "etag", "server-timing"]) {
    assert.equal(got.headers[name], deleted.headers[name]);
  }
  const never = await edge.ask("GET", "/v1/buckets/users/keys/never");
  assert.equal(
    never.headers["murmur-context"],
    contextText({ bucket: "users", key: Buffer.from("never") }, EMPTY_CONTEXT),
  );
});

test("If-None-Match is answered 304 while the value is the same", async () => {
  const { etag } = (await edge.ask("PUT", ADA, { body: "one" })).headers as { etag: string };
  const known = [etag, `W/${etag}`, `"other", ${etag}`, "*"];
  for (const header of known) {
    const got = await edge.ask("GET", ADA, { headers: { "if-none-match": header } });
    assert.equal(got.status, 304, header);
    assert.equal(got.body.length, 0);
    assert.equal(got.headers.etag, etag);
    assert.ok(got.headers["murmur-context"]);
    assert.equal(got.headers["content-length"], undefined);
  }
  assert.equal((await edge.ask("GET", ADA, { headers: { "if-none-match": '"other"' } })).status, 200);
  await edge.ask("PUT", ADA, { body: "two" });
  assert.equal((await edge.ask("GET", ADA, { headers: { "if-none-match": etag } })).status, 200);
  await edge.ask("DELETE", ADA);
  assert.equal((await edge.ask("GET", ADA, { headers: { "if-none-match": "*" } })).status, 404);
});

test("Accept changes nothing but the envelope", async () => {
  await edge.ask("PUT", ADA, { body: "bytes", headers: { "content-type": "text/plain" } });
  for (const accept of ["application/json", "text/html;q=1", "application/vnd.murmur+json;q=0", "nonsense", ""]) {
    const got = await edge.ask("GET", ADA, { headers: { accept } });
    assert.equal(got.status, 200, accept);
    assert.equal(got.body.toString(), "bytes", accept);
  }
  for (const accept of ["application/vnd.murmur+json", "text/plain, Application/Vnd.Murmur+JSON; q=0.5"]) {
    const got = await edge.ask("GET", ADA, { headers: { accept } });
    assert.equal(got.headers["content-type"], "application/vnd.murmur+json", accept);
  }
});

test("the envelope tells how the answer came about", async () => {
  await edge.ask("PUT", ADA, { body: "bytes", headers: { "content-type": "text/plain" } });
  const accept = { accept: "application/vnd.murmur+json" };
  const got = await edge.ask("GET", `${ADA}?r=ONE`, { headers: accept });
  const { context, ...rest } = got.json;
  assert.equal(context, got.headers["murmur-context"]);
  assert.match(got.headers.etag as string, /^W\//);
  assert.equal(got.headers.vary, "Accept");
  assert.deepEqual(rest, {
    bucket: "users",
    key: "ada",
    found: true,
    value: Buffer.from("bytes").toString("base64"),
    contentType: "text/plain",
    siblings: [],
    level: "ONE",
    replicas: [
      { node: "n1", ms: 0.25, askedMs: 0, role: "self", state: "same" },
      { node: "n2", ms: 1.23, askedMs: 0.5, role: "first", state: "behind" },
      { node: "n3", ms: null, askedMs: 0.5, role: "first", state: "failed" },
    ],
    mended: ["n2"],
  });
  const absent = await edge.ask("GET", "/v1/buckets/users/keys/never", { headers: accept });
  assert.equal(absent.status, 404);
  assert.equal(absent.json.found, false);
  assert.equal("value" in absent.json, false);
});

test("content types are kept, and what a browser might run is a download", async () => {
  const table: [sent: string | undefined, stored: string | 400, attachment: boolean][] = [
    [undefined, "application/octet-stream", false],
    ["", "application/octet-stream", false],
    ["text/plain; charset=utf-8", "text/plain; charset=utf-8", false],
    ["application/json", "application/json", false],
    ["not a type", "not a type", false],
    ["text/html", "text/html", true],
    ["Text/HTML; charset=utf-8", "Text/HTML; charset=utf-8", true],
    ["application/xhtml+xml", "application/xhtml+xml", true],
    ["image/svg+xml", "image/svg+xml", true],
    ["application/xml", "application/xml", true],
    ["text/javascript", "text/javascript", true],
    ["application/pdf", "application/pdf", true],
    ["a".repeat(255), "a".repeat(255), false],
    ["a".repeat(256), 400, false],
    ["text/pl\u00e4in", 400, false],
    ["text/plain\tx", 400, false],
  ];
  for (const [sent, stored, attachment] of table) {
    const headers = sent === undefined ? {} : { "content-type": sent };
    const put = await edge.ask("PUT", ADA, { body: "x", headers });
    assert.equal(put.status, stored === 400 ? 400 : 204, sent);
    if (stored === 400) continue;
    const got = await edge.ask("GET", ADA);
    assert.equal(got.headers["content-type"], stored);
    assert.equal(got.headers["content-disposition"], attachment ? "attachment" : undefined, stored);
  }
});

test("a stored type that no header can hold does not break the answer", async () => {
  const contents = [{ contentType: "text/html\r\nSet-Cookie: a=b", value: Buffer.from("x") }];
  edge.store.readOutcome = { ok: true, view: { contents, context: EMPTY_CONTEXT }, replicas: [], mended: [] };
  const got = await edge.ask("GET", ADA);
  assert.equal(got.status, 200);
  assert.equal(got.headers["content-type"], "application/octet-stream");
  assert.equal(got.headers["set-cookie"], undefined);
  assert.equal(got.headers["server-timing"], undefined);
});

test("every failure of the core is the problem the contract names", async () => {
  const table: [FailureKind, number, string][] = [
    ["unavailable", 503, "unavailable"],
    ["timeout", 504, "timeout"],
    ["failed", 503, "failed"],
    ["overloaded", 503, "overloaded"],
    ["clock-skew", 503, "clock-skew"],
    ["disk-full", 507, "disk-full"],
    ["bad-level", 400, "bad-request"],
    ["type-mismatch", 409, "type-mismatch"],
  ];
  for (const [kind, status, code] of table) {
    const counts = { level: "QUORUM", required: 2, received: 1, alive: 3, mayHaveApplied: kind === "timeout" } as const;
    const failure: Failure = { kind, detail: `because of ${kind}`, ...counts, replicas: REPLICAS };
    edge.store.readOutcome = { ok: false, failure };
    edge.store.writeOutcome = { ok: false, failure };
    for (const method of ["GET", "PUT", "DELETE"]) {
      const got = await edge.ask(method, ADA, method === "PUT" ? { body: "x" } : {});
      assert.equal(got.status, status, `${method} ${kind}`);
      assert.equal(got.headers["content-type"], "application/problem+json");
      assert.equal(got.headers["server-timing"], TIMING);
      assert.equal(got.headers["retry-after"], kind === "overloaded" ? "1" : undefined);
      const { title, type, ...rest } = got.json;
      assert.equal(typeof title, "string");
      assert.equal(type, `urn:murmur:problem:${code}`);
      assert.deepEqual(rest, { status, detail: `because of ${kind}`, code, ...counts });
    }
  }
});

test("a write carries what its client has seen, and an impossible context is refused", async () => {
  const accepted = contextAt(NOW_MS + 10_000);
  for (const method of ["PUT", "DELETE"]) {
    const put = await edge.ask(method, ADA, { headers: { "murmur-context": accepted } });
    assert.equal(put.status, 204);
    assert.deepEqual(
      edge.store.writes.at(-1)?.context,
      contextUpTo({ timeUs: (NOW_MS + 10_000) * 1000, actor: ACTOR }),
    );
  }
  const vector = Array.from({ length: 300 }, (_, index) => ({ timeUs: 1, actor: BigInt(index) }));
  const ada = { bucket: "users", key: Buffer.from("ada") };
  const unchecked = Buffer.from(encodeContext(contextUpTo({ timeUs: 1, actor: ACTOR }))).toString("base64url");
  const table: [context: string | string[], detail: RegExp][] = [
    ["", /not one that this cluster answered/],
    ["!!", /not one/],
    [`${accepted}=`, /not one/],
    [accepted.slice(0, -2), /not one/],
    ["Aw", /not one/],
    [[accepted, accepted], /not one/],
    [contextAt(NOW_MS + 10_001), /future/],
    [contextText(ada, { vector, dots: [] }), /4806 bytes; the limit is 4096/],
    [contextAt(NOW_MS, "bob"), /^Murmur-Context is the context of another key: read this key again, and send/],
    [unchecked, /^Murmur-Context was answered by an earlier version of MurmurDB: read this key again, and send/],
  ];
  for (const [context, detail] of table) {
    const put = await edge.ask("PUT", ADA, { body: "x", headers: { "murmur-context": context } });
    assert.equal(put.status, 400, String(context));
    assert.match(put.json.detail as string, detail);
  }
});

test("a wish that is not built is refused, not ignored", async () => {
  const table: [method: string, headers: Record<string, string>, status: number, code: string][] = [
    ["PUT", { "if-match": '"x"' }, 501, "not-built"],
    ["DELETE", { "if-match": "*" }, 501, "not-built"],
    ["PUT", { "if-none-match": "*" }, 501, "not-built"],
    ["PUT", { "if-unmodified-since": "now" }, 501, "not-built"],
    ["PUT", { "idempotency-key": "two words" }, 400, "bad-request"],
    ["DELETE", { "idempotency-key": "x".repeat(256) }, 400, "bad-request"],
    ["PUT", { "content-encoding": "gzip" }, 415, "unsupported-media-type"],
    ["PUT", { "content-encoding": "Identity" }, 204, ""],
    ["PUT", { "content-range": "bytes 0-0/1" }, 400, "bad-request"],
    ["PUT", { "transfer-encoding": "gzip, chunked" }, 501, "not-built"],
    ["POST", { "content-type": "application/json" }, 409, "type-mismatch"],
    ["PATCH", {}, 405, "method-not-allowed"],
    ["OPTIONS", {}, 405, "method-not-allowed"],
  ];
  const written = edge.store.writes.length;
  for (const [method, headers, status, code] of table) {
    const got = await edge.ask(method, ADA, { headers, body: "x" });
    assert.equal(got.status, status, `${method} ${JSON.stringify(headers)}`);
    if (status === 204) continue;
    assert.equal(got.json.code, code);
    assert.equal(got.json.mayHaveApplied, false);
    assert.equal(got.headers.allow, status === 405 ? "GET, HEAD, PUT, DELETE, POST" : undefined);
  }
  assert.equal(edge.store.writes.length, written + 1);
});

test("an Idempotency-Key goes along as hashes of itself and of the operation, whenever it is sent", async () => {
  const first = edge.store.writes.length;
  const put = (key: string, body: string, query = "") =>
    edge.ask("PUT", ADA + query, { headers: { "idempotency-key": key }, body });
  for (const [key, body, query] of [
    ["8e03978e-40d5-43dd", "a"],
    ["8e03978e-40d5-43dd", "a", "?ttl=60s"],
    ["8e03978e-40d5-43dd", "b"],
    ["other", "a"],
  ] as const) {
    assert.equal((await put(key, body, query)).status, 204);
  }
  const [a, again, b, other] = edge.store.writes.slice(first).map(({ id }) => id);
  assert.ok(a !== undefined && a.id.length === 16 && a.body.length === 8);
  assert.deepEqual(again, a, "what expires later is the same value");
  assert.deepEqual(b?.id, a.id);
  assert.notDeepEqual(b?.body, a.body);
  assert.deepEqual(other?.body, a.body);
  assert.notDeepEqual(other?.id, a.id);
});
