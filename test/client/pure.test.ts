/** The client's other pure parts: values, contexts, replicas, problems, the ring. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { decodeValue } from "../../src/base/decoded-value.js";
import { tokenOf } from "../../src/base/hash.js";
import { Contexts } from "../../src/client/contexts.js";
import * as errors from "../../src/client/errors.js";
import { CLIENT_LIMITS } from "../../src/client/limits.js";
import { failureOf } from "../../src/client/problem.js";
import { RingView } from "../../src/client/ring-view.js";
import { parseServerTiming } from "../../src/client/server-timing.js";
import { encodeValue } from "../../src/client/value.js";
import { contextUpTo } from "../../src/lattice/context.js";
import { encodeContextToken } from "../../src/lattice/context-token.js";
import { partitionOf } from "../../src/membership/layout.js";

test("values come back as what they were", () => {
  const decoded = (value: unknown) => {
    const { bytes, contentType } = encodeValue(value);
    return decodeValue(bytes, contentType);
  };
  fc.assert(
    fc.property(fc.jsonValue(), (value) => assert.deepEqual(decoded(value), JSON.parse(JSON.stringify(value)))),
  );
  fc.assert(fc.property(fc.string({ unit: "grapheme" }), (text) => assert.equal(decoded(text), text)));
  fc.assert(fc.property(fc.uint8Array(), (bytes) => assert.deepEqual(decoded(bytes), bytes)));
});

test("a content type says what a value is, and a value that belies it comes as bytes", () => {
  assert.deepEqual(encodeValue("{}", "application/json").bytes, Buffer.from("{}"));
  assert.equal(encodeValue({ a: 1 }, "application/vnd.a+json").contentType, "application/vnd.a+json");
  assert.equal(decodeValue(Buffer.from("é"), "TEXT/HTML; charset=utf-8"), "é");
  assert.deepEqual(decodeValue(Buffer.from("[1]"), "application/json; charset=utf-8"), [1]);
  const broken = decodeValue(Buffer.from("{"), "application/json") as Uint8Array;
  assert.deepEqual([broken.constructor, [...broken]], [Uint8Array, [0x7b]]);
});

test("what cannot be a value is refused by name", () => {
  const circle: { self?: unknown } = {};
  circle.self = circle;
  const table: [value: unknown, contentType: string | undefined, says: RegExp][] = [
    [undefined, undefined, /a undefined is no value/],
    [() => 1, undefined, /a function is no value/],
    [1n, undefined, /not JSON/],
    [circle, undefined, /not JSON/],
    ["x", "text/plain\r\nX: y", /printable ASCII/],
  ];
  for (const [value, contentType, says] of table) {
    assert.throws(() => encodeValue(value, contentType), { name: "BadRequestError", message: says });
  }
});

test("Server-Timing tells of each replica", () => {
  assert.deepEqual(parseServerTiming('n1;dur=0.25;desc="self same", n3;start=1.5;desc="first pending"'), [
    { node: "n1", askedMs: 0, ms: 0.25, role: "self", state: "same" },
    { node: "n3", askedMs: 1.5, ms: undefined, role: "first", state: "pending" },
  ]);
  assert.deepEqual(parseServerTiming(undefined), []);
});

const owner = { bucket: "b", key: Buffer.from("a") };
const contextAt = (timeUs: number, actor = 1n) =>
  Buffer.from(encodeContextToken(owner, contextUpTo({ timeUs, actor }))).toString("base64url");

test("the highest context seen is remembered, whatever the order, and the least used is forgotten", () => {
  const contexts = new Contexts(2, () => "register");
  const seen = (key: string, timeUs: number) => contexts.onSeen("b", key, contextAt(timeUs));
  const sent = (key: string, given?: string) => contexts.forWrite("b", key, given);
  seen("a", 20);
  seen("a", 10);
  assert.equal(sent("a"), contextAt(20));
  assert.equal(sent("a", contextAt(30)), contextAt(30));
  assert.equal(sent("a", contextAt(5)), contextAt(20));
  assert.equal(sent("b", contextAt(5)), contextAt(5));
  assert.equal(
    contexts.forWrite("b", "a", undefined, true),
    undefined,
    "who stamps by himself may be below what he saw",
  );
  seen("b", 1);
  seen("a", 20);
  seen("c", 1);
  assert.equal(sent("b"), undefined);
  assert.equal(sent("a"), contextAt(20));
});

test("every refusal has its error, and says what may have happened", () => {
  const table: [
    status: number,
    body: unknown,
    isWrite: boolean,
    name: string,
    code: string,
    mayHaveApplied: boolean,
  ][] = [
    [503, { code: "unavailable" }, true, "UnavailableError", "unavailable", false],
    [503, { code: "clock-skew" }, true, "UnavailableError", "clock-skew", false],
    [503, { code: "overloaded" }, true, "OverloadedError", "overloaded", false],
    [503, { code: "failed", mayHaveApplied: true }, true, "FailedError", "failed", true],
    [503, { code: "failed", mayHaveApplied: true }, false, "FailedError", "failed", false],
    [504, { code: "timeout", mayHaveApplied: true }, true, "TimeoutError", "timeout", true],
    [507, { code: "disk-full", mayHaveApplied: true }, true, "FailedError", "disk-full", true],
    [400, { code: "bad-request" }, true, "BadRequestError", "bad-request", false],
    [413, { code: "too-large" }, true, "BadRequestError", "too-large", false],
    [404, "<html>", true, "BadRequestError", "status-404", false],
    [500, { code: "internal", mayHaveApplied: false }, true, "MurmurError", "internal", true],
    [502, "<html>bad gateway", true, "MurmurError", "status-502", true],
    [502, "<html>bad gateway", false, "MurmurError", "status-502", false],
    [200, { code: "__proto__" }, false, "MurmurError", "__proto__", false],
  ];
  for (const [status, told, isWrite, name, code, mayHaveApplied] of table) {
    const body = Buffer.from(typeof told === "string" ? told : JSON.stringify(told));
    const failure = failureOf({ kind: "answer", status, headers: {}, body }, isWrite, "http://n1");
    const error = errors.errorOf(failure);
    assert.deepEqual([error.name, error.code, error.mayHaveApplied], [name, code, mayHaveApplied]);
    assert.ok(error instanceof errors.MurmurError);
  }
});

test("an error carries what the node told, and Retry-After in milliseconds", () => {
  const told = {
    code: "timeout",
    detail: "1 of 2",
    level: "QUORUM",
    required: 2,
    received: 1,
    alive: 3,
    mayHaveApplied: true,
  };
  const answer = {
    kind: "answer",
    status: 504,
    headers: { "retry-after": "2" },
    body: Buffer.from(JSON.stringify(told)),
  } as const;
  const failure = failureOf(answer, true, "http://n1");
  assert.equal(failure.retryAfterMs, 2000);
  const { message, level, required, received, alive, status, node } = errors.errorOf(failure);
  assert.deepEqual(
    [message, level, required, received, alive, status, node],
    ["timeout: 1 of 2", "QUORUM", 2, 1, 3, 504, "http://n1"],
  );
});

test("the ring gives a key's owners by its bucket's placement", () => {
  const layout = { digest: "d" };
  const nodes = ["n1", "n2", "n3"].map((node) => ({ node, host: "h", http: 1 }));
  const buckets = [{ bucket: "wide", type: "siblings", replication: { dc2: 1, dc1: 2 } }];
  const cluster = { layout, nodes, buckets, defaults: { type: "register", replication: 1 } };
  const placements = [
    { replication: 1, owners: [["n1"], ["n2"]] },
    {
      replication: { dc1: 2, dc2: 1 },
      owners: [
        ["n1", "n2"],
        ["n3", "n1"],
      ],
    },
  ];
  const view = new RingView(cluster, { partitions: 2, layout, placements }, (id) => id.toUpperCase());
  for (const key of ["ada", "bob", "é", "hello", "x"]) {
    const partition = partitionOf(2, tokenOf(Buffer.from(key)));
    assert.deepEqual(view.ownersOf("any", key), [["N1"], ["N2"]][partition]);
    assert.deepEqual(
      view.ownersOf("wide", key),
      [
        ["N1", "N2"],
        ["N3", "N1"],
      ][partition],
    );
  }
  assert.deepEqual([view.typeOf("wide"), view.typeOf("any")], ["siblings", "register"]);
  const other = { partitions: 2, layout: { digest: "e" }, placements };
  assert.throws(() => new RingView(cluster, other, String), /changed between/);
  const few = { partitions: 2, layout, placements: placements.slice(1) };
  assert.throws(() => new RingView(cluster, few, String), /no placement/);
});

test("docs/client.md has every limit with its default", () => {
  const text = readFileSync(new URL("../../../docs/client.md", import.meta.url), "utf8");
  const [, table = ""] = text.split("\n## Limits\n");
  const told = [...table.matchAll(/^\| (`[^|]*`) \| ([^|]*) \|/gm)].flatMap(([, names = "", values = ""]) => {
    const defaults = values.split(", ").map((value) => Number(value.replaceAll(",", "")));
    return names.split(", ").map((name, index) => [name.replaceAll("`", ""), defaults[index]]);
  });
  assert.deepEqual(Object.fromEntries(told), CLIENT_LIMITS);
});
