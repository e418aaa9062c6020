/** Keys with many siblings: counted and logged before their writers are refused. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { DEFAULT_LIMITS } from "../src/config.js";
import { Crowding } from "../src/http/crowding.js";
import { contextUpTo } from "../src/lattice/context.js";
import { ACTOR, startEdge } from "./http-harness.js";

const view = (siblings: number) => ({
  contents: Array.from({ length: siblings }, () => ({ contentType: "text/plain", value: Buffer.from("x") })),
  context: contextUpTo({ timeUs: 1, actor: ACTOR }),
});
const KEY = Buffer.from("ada");

test("a crowded key is counted each time and logged once a minute for each bucket, unnamed ones as one", () => {
  const counted: unknown[] = [];
  const logged: unknown[] = [];
  let nowMs = 0;
  const config = {} as never;
  const meter = { count: (name: string, labels: object = {}) => void counted.push(name, labels) };
  const log = { info: () => {}, warn: (_sentence: string, facts: object = {}) => void logged.push(facts) };
  const buckets = new Map([["carts", config]]);
  const crowding = new Crowding(buckets, DEFAULT_LIMITS, { ...meter, gauge() {}, time() {} }, log, () => nowMs);
  crowding.onMet("carts", KEY, view(24));
  crowding.onMet("carts", KEY, undefined);
  assert.deepEqual([counted, logged], [[], []]);
  crowding.onMet("carts", KEY, view(25));
  nowMs = 59_999;
  crowding.onMet("carts", KEY, view(26));
  for (const bucket of ["a", "b"]) crowding.onMet(bucket, KEY, view(30));
  nowMs = 60_000;
  crowding.onMet("carts", KEY, view(27));
  const names = counted.filter((each) => typeof each === "string");
  assert.deepEqual(names, Array(5).fill("murmur_siblings_warned_total"));
  const labels = counted.filter((each) => typeof each === "object");
  assert.deepEqual(
    labels.map((each) => (each as { bucket: string }).bucket),
    ["carts", "carts", "*", "*", "carts"],
  );
  assert.deepEqual(logged, [
    { bucket: "carts", key: '"ada"', siblings: 25 },
    { bucket: "a", key: '"ada"', siblings: 30 },
    { bucket: "carts", key: '"ada"', siblings: 27 },
  ]);
});

test("reads, writes, batches and ranges tell of a crowded key, with the remedy", async () => {
  const edge = await startEdge({ limits: { siblingsWarn: 3 } });
  const path = "/v1/buckets/carts/keys/ada";
  const warned = () => edge.meter.readings("murmur_siblings_warned_total").map(({ value }) => value);
  const headers = { "content-type": "application/json" };
  for (const body of ["1", "2"]) await edge.ask("PUT", path, { body });
  await edge.ask("GET", path);
  assert.deepEqual([warned(), edge.warnings], [[], []]);
  await edge.ask("PUT", path, { body: "3" });
  await edge.ask("GET", path);
  assert.deepEqual(warned(), [2]);
  const write = { bucket: "carts", key: "ada", value: "" };
  const batch = {
    reads: [
      { bucket: "carts", key: "ada" },
      { bucket: "users", key: "ada" },
    ],
    writes: [write],
  };
  await edge.ask("POST", "/v1/batch", { body: JSON.stringify(batch), headers });
  assert.deepEqual(warned(), [4]);
  const cells = [{ sort: Buffer.from("a"), view: view(3) }];
  edge.store.rangeOutcome = { ok: true, cells, next: undefined, replicas: [], mended: [] };
  await edge.ask("GET", "/v1/buckets/row/partitions/ada");
  assert.deepEqual(warned(), [4, 1]);
  assert.equal(edge.warnings.length, 2);
  assert.match(
    String(edge.warnings[0]),
    /^a key of bucket carts has 3 siblings, and takes no more at 100 \(siblingsMax\): /,
  );
  await edge.stop();
});
