/** POST to a counter, a set or a map: what it takes, where it says that a mistake is, and what it answers. */
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import fc from "fast-check";
import { DEFAULT_LIMITS } from "../src/config.js";
import { refused } from "../src/http/json-body.js";
import { opOf, type PostKind } from "../src/http/op-request.js";
import { Problem } from "../src/http/problem.js";
import { contextUpTo } from "../src/lattice/context.js";
import type { Op } from "../src/lattice/op.js";
import { ACTOR, type Answer, NOW_MS, type Sent, startEdge, type TestEdge } from "./http-harness.js";

const HOME = "/v1/buckets/visits/keys/home";

const LIMITS = { ...DEFAULT_LIMITS, elementBytesMax: 1024 };

let edge: TestEdge;
before(async () => {
  edge = await startEdge({ limits: { valueBytesMax: 1000, batchAnswerBytesMax: 1024 * 1024 } });
});
after(() => edge.stop());
beforeEach(() => {
  edge.store.writeOutcome = undefined;
});

function post(path: string, json: unknown, headers: Sent["headers"] = {}): Promise<Answer> {
  const body = typeof json === "string" ? json : JSON.stringify(json);
  return edge.ask("POST", path, { body, headers: { "content-type": "application/json", ...headers } });
}

/** What a body means, as the lattice is told it: bytes as text. */
function meant(kind: PostKind, json: string): unknown {
  const op = refused(() => opOf(kind, JSON.parse(json), "", LIMITS));
  if (op instanceof Problem) return `${op.status} ${op.detail}`;
  return asTexts(op);
}

/** With bytes as the text that they are. */
function asTexts(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString();
  if (Array.isArray(value)) return value.map(asTexts);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, asTexts(inner)]));
}

test("a counter counts up and down, and answers what it comes to", async () => {
  const first = await post(HOME, { add: 5 });
  assert.equal(first.status, 200);
  assert.equal(first.headers["content-type"], "application/json");
  assert.deepEqual(first.json, { value: 5, context: first.headers["murmur-context"] });
  assert.match(first.headers.etag as string, /^W\//);
  assert.ok(first.headers["server-timing"]);
  assert.equal((await post(`${HOME}?w=ALL&timeout=1s`, { add: -7 })).json.value, -2);
  const { level, deadlineMs } = edge.store.writes.at(-1) ?? {};
  assert.deepEqual([level, deadlineMs], ["ALL", 1000]);
  const got = await edge.ask("GET", HOME);
  assert.deepEqual(
    [got.status, got.headers["content-type"], String(got.body)],
    [200, "application/json", '{"value":-2}'],
  );
  assert.equal((await edge.ask("DELETE", HOME)).status, 204);
  assert.equal((await edge.ask("GET", HOME)).status, 404);
});

test("a context goes along, and a wrong one is refused", async () => {
  const { headers } = await post(HOME, { add: 1 });
  const context = headers["murmur-context"] as string;
  await post(HOME, { add: 1 }, { "murmur-context": context });
  assert.equal(edge.store.writes.at(-1)?.context.vector[0]?.actor, ACTOR);
  assert.equal((await post(HOME, { add: 1 }, { "murmur-context": "!!" })).status, 400);
});

test("an operation that the bucket does not know is a 409 that says what it takes", async () => {
  const table: [method: string, path: string, detail: RegExp][] = [
    ["PUT", HOME, /^a counter bucket takes POST, such as \{"add": 5\}, and DELETE; a PUT would undo/],
    ["POST", "/v1/buckets/users/keys/ada", /^a register bucket takes PUT and DELETE; POST changes/],
    [
      "POST",
      "/v1/buckets/row/keys/ada",
      /^a row bucket of register cells takes PUT and DELETE of a cell, with \?sort=;/,
    ],
    ["PUT", "/v1/buckets/rows-of-counters/keys/ada?sort=a", /^a row bucket of counter cells takes POST, such as/],
  ];
  const written = edge.store.writes.length;
  for (const [method, path, detail] of table) {
    const got = await edge.ask(method, path, { body: '{"add":1}', headers: { "content-type": "application/json" } });
    assert.deepEqual([got.status, got.json.code], [409, "type-mismatch"], path);
    assert.match(got.json.detail as string, detail);
  }
  assert.equal(edge.store.writes.length, written);
});

test("what is no JSON object of this size is refused before the store is asked", async () => {
  const written = edge.store.writes.length;
  const table: [body: string | Uint8Array, headers: Record<string, string>, status: number, detail: RegExp][] = [
    ['{"add":1}', { "content-type": "text/plain" }, 415, /an operation is application\/json in UTF-8/],
    ['{"add":1}', { "content-type": "application/json; charset=latin1" }, 415, /UTF-8/],
    ['{"add":1}', { "content-encoding": "gzip" }, 415, /Content-Encoding/],
    ["{", {}, 400, /^the body is not JSON$/],
    [Buffer.from([0x22, 0xff, 0x22]), {}, 400, /^the body is not UTF-8$/],
    ["[1]", {}, 400, /^the body: takes an object$/],
    [`{"add":1${" ".repeat(1000)}}`, {}, 413, /an operation of 1009 bytes; the limit is 1000/],
    ['{"add":1}', { "if-match": "*" }, 501, /conditional writes/],
  ];
  for (const [body, headers, status, detail] of table) {
    const sent = { body, headers: { "content-type": "application/json", ...headers } };
    const got = await edge.ask("POST", HOME, sent);
    assert.equal(got.status, status, String(body).slice(0, 20));
    assert.match(got.json.detail as string, detail);
    assert.equal(got.json.mayHaveApplied, false);
  }
  assert.match((await post(`${HOME}?ttl=1s`, { add: 1 })).json.detail as string, /a post takes w, timeout/);
  assert.equal(edge.store.writes.length, written);
  assert.equal(edge.server !== undefined && (await post(HOME, { add: 1 })).status, 200);
});

test("a counter takes safe integers", () => {
  assert.deepEqual(meant("add", '{"add":-9007199254740991}'), { kind: "add", by: -9007199254740991 });
  assert.deepEqual(meant("add", '{"add":1e3}'), { kind: "add", by: 1000 });
  assert.equal(Object.is((opOf("add", { add: -0 }, "", LIMITS) as { by: number }).by, 0), true);
  for (const value of ["9007199254740992", "1.5", '"5"', "null", "[1]", "1e999"]) {
    assert.match(
      String(meant("add", `{"add":${value}}`)),
      /^400 add: takes an integer from -9007199254740991 to/,
      value,
    );
  }
  assert.match(String(meant("add", "{}")), /^400 add: takes an integer/);
  assert.equal(meant("add", '{"ad":1}'), '400 the body: unknown field "ad"; did you mean add?');
});

test("a set takes texts, each once, and none in both lists", () => {
  assert.deepEqual(meant("edit-set", '{"add":["a","é","a",""],"remove":["b"]}'), {
    kind: "edit-set",
    add: ["a", "é", ""],
    remove: ["b"],
  });
  assert.deepEqual(meant("edit-set", '{"remove":[]}'), { kind: "edit-set", add: [], remove: [] });
  const table: [json: string, said: string | RegExp][] = [
    ["{}", "400 the body: takes add, remove or both"],
    ['{"add":"a"}', "400 add: takes a list of texts"],
    ['{"add":["a",1]}', "400 add[1]: takes a text"],
    ['{"add":["a","b"],"remove":["c","b"]}', '400 remove[1]: "b" is in add too'],
    ['{"add":["\\ud800"]}', /^400 add\[0\]: has half of a surrogate pair/],
    [`{"remove":["${"é".repeat(513)}"]}`, "413 remove[0]: 1026 bytes; the limit is 1024 (elementBytesMax)"],
    ['{"remov":[]}', '400 the body: unknown field "remov"; did you mean remove?'],
  ];
  for (const [json, said] of table) {
    if (typeof said === "string") assert.equal(meant("edit-set", json), said);
    else assert.match(String(meant("edit-set", json)), said);
  }
});

test("a map takes all kinds of fields at once, each of them once", () => {
  const json = `{
    "set": {"name": {"first": "Ada"}, "__proto__": null, "big": 9007199254740991},
    "counters": {"logins": 1}, "sets": {"tags": {"add": ["x"], "remove": ["y"]}},
    "maps": {"home": {"set": {"city": "London"}, "remove": ["zip"]}}, "remove": ["old"]}`;
  assert.deepEqual(meant("edit-map", json), {
    kind: "edit-map",
    set: [
      ["name", '{"first":"Ada"}'],
      ["__proto__", "null"],
      ["big", "9007199254740991"],
    ],
    counters: [["logins", { kind: "add", by: 1 }]],
    sets: [["tags", { kind: "edit-set", add: ["x"], remove: ["y"] }]],
    maps: [
      ["home", { kind: "edit-map", set: [["city", '"London"']], counters: [], sets: [], maps: [], remove: ["zip"] }],
    ],
    remove: ["old"],
  });
  const table: [json: string, said: string][] = [
    ["{}", "400 the body: takes set, counters, sets, maps, remove, one of them at least"],
    ['{"set":[]}', "400 set: takes an object"],
    ['{"counters":{"a":1.5}}', "400 counters.a: takes an integer from -9007199254740991 to 9007199254740991"],
    ['{"sets":{"my tags":{"add":[7]}}}', '400 sets["my tags"].add[0]: takes a text'],
    ['{"sets":{"a":{}}}', "400 sets.a: takes add, remove or both"],
    [
      '{"set":{"a":{"b":[0,9007199254740993]}}}',
      "400 set.a.b[1]: an integer beyond what every program reads exactly; send it as a text",
    ],
    ['{"set":{"a":{"b":-1e400}}}', "400 set.a.b: a number beyond what a double holds; send it as a text"],
    [
      '{"set":{"a":1},"counters":{"a":1}}',
      "400 counters.a: set changes this field too; one request changes a field once",
    ],
    [
      '{"maps":{"m":{"set":{"a":1},"remove":["a"]}}}',
      "400 maps.m.remove[0]: set changes this field too; one request changes a field once",
    ],
    [
      '{"set":{"a":1},"incr":{"b":1}}',
      '400 the body: unknown field "incr"; it takes set, counters, sets, maps, remove',
    ],
    [
      `{"set":{"${"x".repeat(1025)}":1}}`,
      `413 set["${"x".repeat(40)}…"]: 1025 bytes; the limit is 1024 (elementBytesMax)`,
    ],
  ];
  for (const [body, said] of table) assert.equal(meant("edit-map", body), said);
});

test("a map and the values in it are 32 levels deep at most", () => {
  const lists = (levels: number) => `{"set":{"a":${"[".repeat(levels)}${"]".repeat(levels)}}}`;
  const maps = (levels: number) => `${'{"maps":{"m":'.repeat(levels - 1)}{"set":{"a":1}}${"}}".repeat(levels - 1)}`;
  for (const [json, isTaken] of [
    [lists(31), true],
    [lists(32), false],
    [lists(100_000), false],
    [maps(32), true],
    [maps(33), false],
    [maps(2).replace('"a":1', `"a":${"[".repeat(31)}${"]".repeat(31)}`), false],
  ] as const) {
    const said = meant("edit-map", json);
    if (isTaken) assert.equal((said as Op).kind, "edit-map");
    else assert.match(String(said), /nested deeper than 32 levels$/);
  }
});

test("whatever JSON comes, it is an operation or a refusal that names its place", () => {
  const names = fc.constantFrom("add", "remove", "set", "counters", "sets", "maps", "x", "__proto__");
  const { json } = fc.letrec((tie) => ({
    json: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      fc.constantFrom(1, -0, 1.5, 2 ** 60, "a", "b", "\ud800", null, true),
      fc.array(tie("json"), { maxLength: 4 }),
      fc.dictionary(names, tie("json"), { maxKeys: 4 }),
    ),
  }));
  const kinds = fc.constantFrom<PostKind>("add", "edit-set", "edit-map");
  fc.assert(
    fc.property(kinds, json, (kind, body) => {
      const op = refused(() => opOf(kind, body, "", LIMITS));
      if (op instanceof Problem) assert.match(op.detail, /^[\w[\]".…\\ ]+: ./);
      else assert.equal(op.kind, kind);
    }),
    { numRuns: 2000 },
  );
});

test("what an owner refuses is a problem of its own", async () => {
  const counts = { level: "QUORUM", required: 2, received: 0, alive: 3, mayHaveApplied: false } as const;
  for (const [kind, status] of [
    ["out-of-range", 409],
    ["too-large", 413],
    ["type-mismatch", 409],
  ] as const) {
    edge.store.writeOutcome = { ok: false, failure: { kind, detail: "as the owner says", ...counts, replicas: [] } };
    const got = await post(HOME, { add: 1 });
    assert.deepEqual([got.status, got.json.code, got.json.detail], [status, kind, "as the owner says"]);
  }
});

test("a batch changes keys by op, beside those that it stores", async () => {
  const write = (changes: object) => ({ bucket: "visits", key: "batch", ...changes });
  const asked = { writes: [write({ op: { add: 3 } }), { bucket: "users", key: "ada", value: "QWRh" }] };
  const [changed, stored] = (await post("/v1/batch", asked)).json.results as Record<string, unknown>[];
  assert.deepEqual(
    [changed?.status, changed?.contentType, String(Buffer.from(changed?.value as string, "base64"))],
    [200, "application/json", '{"value":3}'],
  );
  assert.equal(typeof changed?.context, "string");
  assert.deepEqual([stored?.status, stored?.value], [204, undefined]);
  const table: [write: object, status: number, detail: RegExp][] = [
    [write({ op: { add: 1.5 } }), 400, /^writes\[0\]\.op\.add: takes an integer/],
    [write({ op: 5 }), 400, /^writes\[0\]\.op: takes an object/],
    [write({ op: { add: 1 }, value: "" }), 400, /^writes\[0\]\.value: an op has none/],
    [write({ op: { add: 1 }, delete: false }), 400, /^writes\[0\]\.delete: an op has none/],
    [write({ value: "" }), 409, /^writes\[0\]: a counter bucket takes op, such as \{"add": 5\}, and delete; a value/],
    [
      { bucket: "users", key: "ada", op: { add: 1 } },
      409,
      /^writes\[0\]\.op: a register bucket takes value or delete; op/,
    ],
  ];
  for (const [item, status, detail] of table) {
    const refusal = await post("/v1/batch", { writes: [item] });
    assert.equal(refusal.status, status);
    assert.match(refusal.json.detail as string, detail);
  }
  const deleted = await post("/v1/batch", { writes: [write({ delete: true })] });
  assert.equal((deleted.json.results as Record<string, unknown>[])[0]?.status, 204);
});

test("a batch counts one counter up as often as it likes, and any other key is written once", async () => {
  const add = (by: number, changes: object = {}) => ({ bucket: "visits", key: "often", op: { add: by }, ...changes });
  const key64 = Buffer.from("often").toString("base64url");
  const asked = [
    add(1),
    add(-0),
    add(2),
    add(1),
    add(7, { key: "other" }),
    add(5, { key: undefined, key64 }),
    add(1, { idempotencyKey: "a" }),
  ];
  edge.store.writes.length = 0;
  const results = (await post("/v1/batch", { writes: asked })).json.results as Record<string, unknown>[];
  assert.deepEqual(
    results.map(({ status }) => status),
    asked.map(() => 200),
  );
  const told = edge.store.writes.map(({ key, op, id }) => [String(key), op.kind === "add" && op.by, id !== undefined]);
  assert.deepEqual(told, [
    ["often", 1, false],
    ["often", 0, false],
    ["often", 2, false],
    ["often", 1, false],
    ["other", 7, false],
    ["often", 5, false],
    ["often", 1, true],
  ]);
  const table: [writes: object[], detail: RegExp][] = [
    [[add(1), add(1), { bucket: "visits", key: "often", delete: true }], /^writes\[2\]: the same key as writes\[0\]/],
    [[{ bucket: "visits", key: "often", delete: true }, add(1)], /^writes\[1\]: the same key as writes\[0\]/],
    [[add(1), add(1), add(1.5)], /^writes\[2\]\.op\.add: takes an integer/],
    [[add(1), add(1, { by: 5 })], /^writes\[1\]: unknown field "by"/],
    [[add(1), { ...add(1), op: { add: 1, remove: 1 } }], /^writes\[1\]\.op: unknown field "remove"/],
    [[add(1), add(1, { bucket: 5 })], /^writes\[1\]\.bucket: takes a bucket's name/],
  ];
  for (const [writes, detail] of table) {
    const refusal = await post("/v1/batch", { writes });
    assert.equal(refusal.status, 400);
    assert.match(refusal.json.detail as string, detail);
  }
});

test("with return: minimal, writes that were done are answered by their status alone", async () => {
  const add = { bucket: "visits", key: "minimal", op: { add: 3 } };
  const asked = { reads: [{ bucket: "visits", key: "nobody" }], writes: [add, add], return: "minimal" };
  const [read, ...written] = (await post("/v1/batch", asked)).json.results as Record<string, unknown>[];
  assert.equal(typeof read?.context, "string");
  assert.deepEqual(written, [{ status: 204 }, { status: 204 }]);
  const whole = (await post("/v1/batch", { writes: [add], return: "representation" })).json.results as unknown[];
  assert.equal((whole[0] as { status: number }).status, 200);
  const failure = { kind: "timeout", detail: "one of two", level: "QUORUM", mayHaveApplied: true } as const;
  edge.store.writeOutcome = { ok: false, failure: { ...failure, required: 2, received: 1, alive: 3, replicas: [] } };
  const { results, missing } = (await post("/v1/batch", { writes: [add], return: "minimal" })).json;
  assert.deepEqual([(results as { code: string }[])[0]?.code, missing], ["timeout", [0]]);
  const refusal = await post("/v1/batch", { writes: [add], return: "some" });
  assert.deepEqual([refusal.status, refusal.json.detail], [400, "return: takes minimal or representation"]);
});

test("values for which a batch has no room are left out of its answer", async () => {
  const contents = [{ contentType: "application/json", value: Buffer.from(`{"value":["${"x".repeat(600_000)}"]}`) }];
  const context = contextUpTo({ timeUs: NOW_MS * 1000, actor: ACTOR });
  edge.store.writeOutcome = { ok: true, context, view: { contents, context }, replicas: [] };
  const writes = ["a", "b"].map((key) => ({ bucket: "visits", key, op: { add: 1 } }));
  const results = (await post("/v1/batch", { writes })).json.results as { status: number; value?: string }[];
  assert.deepEqual(
    results.map(({ status, value }) => [status, value !== undefined]),
    [
      [200, true],
      [204, false],
    ],
  );
});
