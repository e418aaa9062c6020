/** Row buckets over HTTP: cells by ?sort=, and ranges of them. */
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { asBuffer, utf8 } from "../src/base/bytes.js";
import { DEFAULT_LIMITS } from "../src/config.js";
import { contextText } from "../src/http/context.js";
import { Problem } from "../src/http/problem.js";
import { parseQuery } from "../src/http/query.js";
import { contextUpTo } from "../src/lattice/context.js";
import { ACTOR, configOf, startEdge, type TestEdge } from "./http-harness.js";

const CELL = "/v1/buckets/row/keys/ada?sort=2026%2F11";
const RANGE = "/v1/buckets/row/partitions/ada";

let edge: TestEdge;
before(async () => {
  edge = await startEdge({ limits: { keyBytesMax: 20 } });
});
after(() => edge.stop());
beforeEach(() => {
  edge.store.ranges.length = 0;
});

test("sort addresses a cell: for PUT, GET, DELETE and POST", async () => {
  assert.equal((await edge.ask("PUT", CELL, { body: "x" })).status, 204);
  assert.deepEqual(edge.store.writes.at(-1)?.sort, utf8("2026/11"));
  await edge.ask("GET", CELL);
  assert.deepEqual(edge.store.reads.at(-1)?.sort, utf8("2026/11"));
  assert.equal((await edge.ask("DELETE", CELL)).status, 204);
  assert.deepEqual(edge.store.writes.at(-1)?.sort, utf8("2026/11"));
  const headers = { "content-type": "application/json" };
  const counted = await edge.ask("POST", "/v1/buckets/rows-of-counters/keys/a?sort=b", { body: '{"add":2}', headers });
  assert.deepEqual([counted.status, counted.json.value], [200, 2]);
  assert.equal((await edge.ask("PUT", "/v1/buckets/rows-of-counters/keys/a?sort=b", { body: "1" })).status, 409);
});

test("a row is addressed by its cells, and only a row has any", async () => {
  for (const [path, expected] of [
    ["/v1/buckets/row/keys/ada", /sort is missing: this bucket is a row/],
    ["/v1/buckets/users/keys/ada?sort=a", /sort addresses a cell of a row bucket/],
    ["/v1/buckets/row/keys/ada?sort=", /sort is empty/],
    [`/v1/buckets/row/keys/ada?sort=${"x".repeat(21)}`, /sort has 21 bytes; the limit is 20/],
    ["/v1/buckets/row/keys/ada?sort=%ff", /percent-encoded UTF-8/],
  ] as const) {
    for (const method of ["GET", "PUT", "DELETE"]) {
      const answer = await edge.ask(method, path, method === "PUT" ? { body: "x" } : {});
      assert.equal(answer.status, 400, `${method} ${path}`);
      assert.match(String(answer.json.detail), expected);
    }
  }
});

test("a range is cells in order, each with its value and context, and where to go on", async () => {
  const context = contextUpTo({ timeUs: 1, actor: ACTOR });
  const content = { contentType: "text/plain", value: utf8("x") };
  const cells = [
    { sort: utf8("a"), view: { contents: [content], context } },
    { sort: utf8("ö"), view: { contents: [content, content], context } },
  ];
  edge.store.rangeOutcome = { ok: true, cells, next: utf8("ö\u0000"), replicas: [], mended: [] };
  const answer = await edge.ask("GET", `${RANGE}?from=a&to=z&limit=2&r=ALL&mend=never`);
  assert.equal(answer.status, 200);
  const [asked] = edge.store.ranges;
  assert.deepEqual(
    [asked?.bucket, asked?.key, asked?.from, asked?.to, asked?.cellsMax, asked?.level, asked?.mend],
    ["row", Buffer.from("ada"), utf8("a"), utf8("z"), 2, "ALL", false],
  );
  const told = answer.json as { cells: Record<string, unknown>[]; next: string };
  const textOf = (sort: string) => contextText({ bucket: "row", key: utf8("ada"), sort: utf8(sort) }, context);
  assert.deepEqual(told, {
    cells: [
      { sort: "a", contentType: "text/plain", value: "eA==", context: textOf("a") },
      { sort: "ö", siblings: Array(2).fill({ contentType: "text/plain", value: "eA==" }), context: textOf("ö") },
    ],
    next: "ö\u0000",
  });
  for (const [sort, status] of [
    ["a", 204],
    ["b", 400],
  ] as const) {
    const headers = { "murmur-context": textOf("a") };
    const put = await edge.ask("PUT", `/v1/buckets/row/keys/ada?sort=${sort}`, { body: "y", headers });
    assert.equal(put.status, status, "the context of a cell is of no other");
  }
  await edge.ask("GET", `${RANGE}?from=${encodeURIComponent(told.next)}`);
  assert.deepEqual([edge.store.ranges.at(-1)?.from, edge.store.ranges.at(-1)?.cellsMax], [utf8("ö\u0000"), 100]);
  await edge.ask("GET", "/v1/buckets/row/partitions64/Li4");
  assert.deepEqual(edge.store.ranges.at(-1)?.key, Buffer.from(".."));
});

test("a range of what is none is refused by name, and a failed one is a problem", async () => {
  for (const [method, path, status, expected] of [
    ["GET", "/v1/buckets/users/partitions/ada", 400, /only a row bucket has cells/],
    ["GET", `${RANGE}?limit=0`, 400, /limit takes a number/],
    ["GET", `${RANGE}?sort=a`, 400, /unknown parameter "sort": a range takes from, to/],
    ["GET", `${RANGE}?from=${"x".repeat(22)}`, 400, /from has 22 bytes/],
    ["GET", "/v1/buckets/row/partitions/", 400, /the key is empty/],
    ["PUT", RANGE, 405, /PUT/],
    ["DELETE", "/v1/buckets/users/partitions/ada", 400, /only a row bucket has cells/],
    ["DELETE", `${RANGE}?r=ALL`, 400, /unknown parameter "r": a range-delete takes from, to, limit, w, timeout/],
    ["DELETE", `${RANGE}?limit=1001`, 400, /limit takes a number from 1 to 1000/],
  ] as const) {
    const answer = await edge.ask(method, path);
    assert.equal(answer.status, status, path);
    assert.match(String(answer.json.detail), expected);
  }
  const counts = { required: 2, received: 1, alive: 3, mayHaveApplied: false, replicas: [] };
  edge.store.rangeOutcome = { ok: false, failure: { kind: "timeout", detail: "late", level: "QUORUM", ...counts } };
  assert.equal((await edge.ask("GET", RANGE)).status, 504);
});

test("a key's cells are deleted as they were read, a page with each request", async () => {
  const context = contextUpTo({ timeUs: 1, actor: ACTOR });
  const contents = [{ contentType: "text/plain", value: utf8("x") }];
  const cells = ["a", "b"].map((sort) => ({ sort: utf8(sort), view: { contents, context } }));
  edge.store.rangeOutcome = { ok: true, cells, next: utf8("b\u0000"), replicas: [], mended: [] };
  const before = edge.store.writes.length;
  const first = await edge.ask("DELETE", `${RANGE}?from=a&to=z&limit=2&w=LOCAL_ONE&timeout=10s`);
  assert.deepEqual([first.status, first.json], [200, { deleted: 2, next: "b\u0000" }]);
  const [asked] = edge.store.ranges;
  assert.deepEqual(
    [asked?.from, asked?.to, asked?.cellsMax, asked?.level, asked?.deadlineMs],
    [utf8("a"), utf8("z"), 2, "LOCAL_QUORUM", 5000],
  );
  const writes = edge.store.writes.slice(before);
  assert.deepEqual(
    writes.map(({ sort, op, level, context: seen }) => [sort, op.kind, level, seen]),
    ["a", "b"].map((sort) => [utf8(sort), "delete", "LOCAL_ONE", context]),
  );
  assert.ok(writes.every(({ deadlineMs }) => deadlineMs > 5000 && deadlineMs <= 10_000));
  edge.store.rangeOutcome = { ok: true, cells: [], next: undefined, replicas: [], mended: [] };
  const last = await edge.ask("DELETE", RANGE);
  assert.deepEqual([last.status, last.json], [200, { deleted: 0, next: null }]);
  assert.deepEqual([edge.store.ranges.at(-1)?.level, edge.store.ranges.at(-1)?.cellsMax], ["QUORUM", 100]);
});

test("a delete of cells that fails says of which, and what may have happened; a wish that it cannot keep is refused", async () => {
  const context = contextUpTo({ timeUs: 1, actor: ACTOR });
  const cells = [{ sort: utf8("ö"), view: { contents: [], context } }];
  edge.store.rangeOutcome = { ok: true, cells, next: undefined, replicas: [], mended: [] };
  const counts = { level: "QUORUM", required: 2, received: 1, alive: 3, mayHaveApplied: true, replicas: [] } as const;
  edge.store.writeOutcome = { ok: false, failure: { kind: "timeout", detail: "late", ...counts } };
  const late = await edge.ask("DELETE", RANGE);
  edge.store.writeOutcome = undefined;
  assert.deepEqual([late.status, late.json.mayHaveApplied], [504, true]);
  assert.equal(late.json.detail, '1 of 1 items failed, such as the cell "ö": late');
  const before = edge.store.writes.length;
  edge.store.rangeOutcome = {
    ok: false,
    failure: { kind: "unavailable", detail: "alone", ...counts, mayHaveApplied: false },
  };
  assert.equal((await edge.ask("DELETE", RANGE)).status, 503);
  for (const [name, status] of [
    ["Murmur-Context", 400],
    ["Idempotency-Key", 400],
    ["If-Match", 501],
  ] as const) {
    assert.equal((await edge.ask("DELETE", RANGE, { headers: { [name]: "x" } })).status, status, name);
  }
  assert.equal(edge.store.writes.length, before);
  // Whatever came of them, all requests were let go again.
  assert.match((await edge.ask("GET", "/metrics")).body.toString(), /^murmur_requests_pending 0$/m);
});

test("a batch takes cells, two of one key too, and none of them twice", async () => {
  const write = { bucket: "row", key: "k", value: "eA==" };
  const cells = [
    { ...write, sort: "a" },
    { ...write, sort: "b" },
  ];
  const answer = await edge.ask("POST", "/v1/batch", {
    body: JSON.stringify({ writes: cells, reads: [{ bucket: "row", key: "k", sort: "a" }] }),
    headers: { "content-type": "application/json" },
  });
  assert.equal(answer.status, 200);
  assert.deepEqual(
    edge.store.writes.slice(-2).map(({ sort }) => sort),
    [utf8("a"), utf8("b")],
  );
  for (const [item, expected] of [
    [write, /writes\[2\]\.sort is missing/],
    [{ ...write, sort: "a" }, /the same key as writes\[0\]/],
    [{ ...write, sort: "" }, /writes\[2\]\.sort is empty/],
    [{ ...write, sort: 1 }, /writes\[2\]\.sort.*takes a text/],
    [{ ...write, bucket: "users", sort: "a" }, /writes\[2\]\.sort addresses a cell of a row bucket/],
  ] as const) {
    const body = JSON.stringify({ writes: [...cells, item] });
    const refused = await edge.ask("POST", "/v1/batch", { body, headers: { "content-type": "application/json" } });
    assert.equal(refused.status, 400);
    assert.match(String(refused.json.detail), expected);
  }
});

test("a sort key is decoded once, byte for byte as a key is, whatever of it came raw", async () => {
  const raw = await edge.raw(Buffer.from(`GET ${CELL}é HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`));
  assert.match(raw, /^HTTP\/1\.1 (404|400 .*must be percent-encoded)/s, "some parsers do not let it pass");
  const row = { ...configOf({}).defaults, type: "row", cells: "register" };
  // As a parser hands it over: one character per byte.
  const range = (from: string) =>
    parseQuery("range", `from=${Buffer.from(from).toString("latin1")}`, row, DEFAULT_LIMITS);
  for (const sort of ["a", "é", "%C3%A9", "é%20é", "a+b", "%2B", "\ufeffé", "%EF%BB%BF"]) {
    const query = range(sort);
    assert.ok(!(query instanceof Problem), sort);
    assert.deepEqual(asBuffer(query.from as Uint8Array).toString(), decodeURIComponent(sort), sort);
  }
  for (const sort of ["%", "%C3", "%zz"]) assert.ok(range(sort) instanceof Problem, sort);
});
