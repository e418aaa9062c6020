/** Several values of one key: how they are answered, and what puts one in their place. */
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import type { Context } from "../src/lattice/context.js";
import { decodeContextToken } from "../src/lattice/context-token.js";
import { type Answer, NOW_MS, startEdge, type TestEdge } from "./http-harness.js";

let edge: TestEdge;
let keys = 0;
let cart: string;
before(async () => {
  edge = await startEdge();
});
after(() => edge.stop());
beforeEach(() => {
  edge.store.nowMs = NOW_MS;
  cart = `/v1/buckets/carts/keys/cart${keys++}`;
});

function put(value: string | Uint8Array, contentType: string, context?: string, query = ""): Promise<Answer> {
  const seen: Record<string, string> = context === undefined ? {} : { "murmur-context": context };
  return edge.ask("PUT", cart + query, { body: value, headers: { "content-type": contentType, ...seen } });
}

const get = (accept?: string) => edge.ask("GET", cart, { headers: accept === undefined ? {} : { accept } });
const contextOf = ({ headers }: Answer) => headers["murmur-context"] as string;
const base64 = (text: string | Uint8Array) => Buffer.from(text).toString("base64");

/** The parts of a multipart body: type and bytes as latin1. */
function partsOf({ headers, body }: Answer): (readonly [type: string, value: string])[] {
  const boundary = /^multipart\/mixed; boundary="([\w-]{1,70})"$/.exec(headers["content-type"] ?? "")?.[1];
  assert.ok(boundary !== undefined, headers["content-type"]);
  const [preamble, ...parts] = body.toString("latin1").split(`--${boundary}`);
  assert.equal(preamble, "");
  assert.equal(parts.pop(), "--\r\n");
  return parts.map((part) => {
    const [, type, value] = /^\r\nContent-Type: ([^\r]*)\r\n\r\n(.*)\r\n$/s.exec(part) as unknown as string[];
    return [type as string, value as string] as const;
  });
}

test("concurrent writes are all answered, each with its type and its very bytes", async () => {
  const bytes = Buffer.from([0, 13, 10, 45, 45, 255]);
  await put(bytes, "image/png");
  assert.equal((await get()).status, 200);
  await put("book", "text/plain; charset=utf-8");
  const both = await get();
  assert.equal(both.status, 300);
  assert.deepEqual(partsOf(both), [
    ["image/png", bytes.toString("latin1")],
    ["text/plain; charset=utf-8", "book"],
  ]);
  for (const name of ["murmur-context", "etag", "server-timing"]) assert.ok(both.headers[name], name);
  assert.equal(both.headers.vary, "Accept");
  assert.equal(both.headers["x-content-type-options"], "nosniff");
  assert.equal(both.headers["content-security-policy"], "sandbox");
  assert.equal(both.headers["content-disposition"], "attachment");
  assert.equal(Number(both.headers["content-length"]), both.body.length);
  const head = await edge.ask("HEAD", cart);
  assert.equal(head.status, 300);
  assert.deepEqual({ ...head.headers, date: "" }, { ...both.headers, date: "" });
  assert.deepEqual((await get()).body, both.body);
});

test("as JSON and in the envelope the values are base64, in the same order", async () => {
  await put("one", "text/plain");
  await put("[2]", "application/json");
  const siblings = [
    { contentType: "text/plain", value: base64("one") },
    { contentType: "application/json", value: base64("[2]") },
  ];
  const json = await get("application/json");
  assert.equal(json.status, 300);
  assert.equal(json.headers["content-type"], "application/json");
  assert.deepEqual(json.json, { siblings, context: contextOf(json) });
  const enveloped = await get("application/vnd.murmur+json");
  assert.equal(enveloped.status, 300);
  assert.deepEqual([enveloped.json.found, enveloped.json.siblings], [true, siblings]);
  assert.equal("value" in enveloped.json, false);
  const asMultipart = ["*/*", "multipart/mixed, application/json;q=0.5", "application/json;q=0", "text/html"];
  for (const accept of asMultipart) assert.equal(partsOf(await get(accept)).length, 2, accept);
  assert.equal((await get("application/json, multipart/mixed;q=0.9")).headers["content-type"], "application/json");
});

test("a PUT or DELETE with the context takes the place of what was read, and of nothing else", async () => {
  await put("one", "text/plain");
  await put("two", "text/plain");
  const seen = contextOf(await get());
  await put("late", "text/plain");
  await put("decided", "text/plain", seen);
  const left = partsOf(await get());
  assert.deepEqual(
    left.map(([, value]) => value),
    ["late", "decided"],
  );
  const deleted = await edge.ask("DELETE", cart, { headers: { "murmur-context": contextOf(await get()) } });
  assert.equal(deleted.status, 204);
  const gone = await get();
  assert.equal(gone.status, 404);
  assert.ok(contextOf(gone));
});

test("a blind PUT answers a context that has seen its own write alone", async () => {
  await put("one", "text/plain");
  const mine = contextOf(await put("two", "text/plain"));
  assert.deepEqual(decodeContextToken(Buffer.from(mine, "base64url"))?.vector, []);
  await put("three", "text/plain", mine);
  assert.deepEqual(
    partsOf(await get()).map(([, value]) => value),
    ["one", "three"],
  );
});

test("an ETag holds as long as the values do, whatever form they are asked in", async () => {
  await put("one", "text/plain");
  await put("two", "text/plain", undefined, "?ttl=60s");
  await put("three", "text/plain", undefined, "?ttl=120s");
  const { headers } = await get();
  assert.match(headers.etag as string, /^W\//);
  const isKnown = async () =>
    (await edge.ask("GET", cart, { headers: { "if-none-match": headers.etag as string } })).status;
  assert.equal(await isKnown(), 304);
  assert.equal((await get("application/json")).headers.etag, headers.etag);
  edge.store.nowMs = NOW_MS + 60_000;
  assert.equal(await isKnown(), 300);
  edge.store.nowMs = NOW_MS + 120_000;
  assert.equal(await isKnown(), 200);
});

test("a value that holds the boundary is still one part", async () => {
  await put("one", "text/plain");
  await put("two", "text/plain");
  const boundary = /boundary="(.*)"/.exec((await get()).headers["content-type"] as string)?.[1] as string;
  // Whoever wrote this has guessed the boundary of the very answer that it becomes a part of.
  const contents = ["one", `\r\n--${boundary}--\r\n`].map((text) => ({
    contentType: "text/plain",
    value: Buffer.from(text),
  }));
  const context = decodeContextToken(Buffer.from(contextOf(await get()), "base64url")) as Context;
  edge.store.readOutcome = { ok: true, view: { contents, context }, replicas: [], mended: [] };
  const answer = await get();
  edge.store.readOutcome = undefined;
  assert.deepEqual(
    partsOf(answer).map(([, value]) => value),
    contents.map(({ value }) => value.toString()),
  );
});

test("too many siblings are a 409 that says what to do", async () => {
  const detail = "the key has 100 siblings";
  const counts = { level: "QUORUM", required: 2, received: 0, alive: 3, mayHaveApplied: false } as const;
  edge.store.writeOutcome = { ok: false, failure: { kind: "too-many-siblings", detail, ...counts, replicas: [] } };
  const refused = await put("x", "text/plain");
  edge.store.writeOutcome = undefined;
  assert.deepEqual([refused.status, refused.json.code], [409, "too-many-siblings"]);
  assert.match(
    refused.json.detail as string,
    /^the key has 100 siblings \(GET and PUT with Murmur-Context; or .murmur resolve/,
  );
});

test("a batch reads siblings as so many values of one item", async () => {
  await put("one", "text/plain");
  await put("two", "text/plain");
  const key = cart.slice(cart.lastIndexOf("/") + 1);
  const body = JSON.stringify({ reads: [{ bucket: "carts", key }] });
  const batch = await edge.ask("POST", "/v1/batch", { body, headers: { "content-type": "application/json" } });
  const [result] = batch.json.results as { status: number; siblings: unknown; context: string }[];
  const siblings = ["one", "two"].map((text) => ({ contentType: "text/plain", value: base64(text) }));
  assert.deepEqual(result, { status: 300, siblings, context: contextOf(await get()) });
});

test("a bucket of siblings takes no POST, and says what it takes", async () => {
  const body = '{"add":1}';
  const posted = await edge.ask("POST", cart, { body, headers: { "content-type": "application/json" } });
  assert.deepEqual([posted.status, posted.json.code], [409, "type-mismatch"]);
  assert.match(
    posted.json.detail as string,
    /^a siblings bucket takes PUT and DELETE; POST changes counters, sets and maps/,
  );
});
