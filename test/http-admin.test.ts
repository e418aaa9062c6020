/** The administrative side: status, health, metrics, the description of the API, and no page of Express's own. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Asked } from "../src/coordinator/outcome.js";
import { type Answer, startEdge, type TestEdge } from "./http-harness.js";

let edge: TestEdge;
before(async () => {
  edge = await startEdge();
});
after(() => edge.stop());

interface Described {
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
  readonly responses: Readonly<Record<string, unknown>>;
}

async function describedPaths(): Promise<Record<string, Record<string, Described>>> {
  return (await edge.ask("GET", "/openapi.json")).json.paths as Record<string, Record<string, Described>>;
}

function assertIsOurs(answer: Answer, label: string): void {
  const text = answer.body.toString();
  assert.doesNotMatch(text, /<\/?html|node_modules|\bat .*:\d+:\d+|Error:/i, label);
  assert.equal(answer.headers["x-powered-by"], undefined, label);
  assert.equal(answer.headers["x-content-type-options"], "nosniff", label);
  assert.equal(answer.headers["access-control-allow-origin"], undefined, label);
}

test("what the store says about the cluster is passed on", async () => {
  const table: [path: string, expected: object][] = [
    ["/v1/cluster", edge.store.cluster()],
    ["/v1/ring", edge.store.ring()],
    ["/v1/latency", edge.store.latency()],
    ["/v1/top", edge.store.top()],
    ["/v1/conflicts", edge.store.conflicts(undefined, 100)],
    ["/v1/conflicts?bucket=b&limit=1", edge.store.conflicts("b", 1)],
    ["/v1/hints", edge.store.hints()],
    ["/v1/repair", { node: "n1", ...edge.store.repairStatus() }],
    ["/v1/owners/users/a%2Fb", { token: "users:612f62", partition: 3, owners: [] }],
    ["/v1/owners/users/%00", { token: "users:00", partition: 3, owners: [] }],
    ["/v1/owners64/users/YS9i?x=1", { token: "users:612f62", partition: 3, owners: [] }],
    ["/health/live", { live: true }],
    ["/health/ready", { ready: true, draining: false, sees: ["n1"] }],
  ];
  for (const [path, expected] of table) {
    const got = await edge.ask("GET", path);
    assert.equal(got.status, 200, path);
    assert.equal(got.headers["content-type"], "application/json", path);
    assert.equal(got.headers["content-security-policy"], "default-src 'none';frame-ancestors 'none'");
    assert.deepEqual(got.json, JSON.parse(JSON.stringify(expected)), path);
    assertIsOurs(got, path);
    const head = await edge.ask("HEAD", path);
    assert.equal(head.headers["content-length"], got.headers["content-length"], path);
  }
});

test("readiness is an answer of its own", async () => {
  edge.ready = false;
  const got = await edge.ask("GET", "/health/ready");
  edge.ready = true;
  assert.equal(got.status, 503);
  assert.deepEqual(got.json, { ready: false, draining: false, sees: ["n1"] });
  assert.equal((await edge.ask("GET", "/health/live")).status, 200);
});

test("the first page leads to all others", async () => {
  const index = await edge.ask("GET", "/");
  assert.equal(index.status, 200);
  assert.equal(index.json.node, "n1");
  for (const link of index.json.links as string[]) assert.equal((await edge.ask("GET", link)).status, 200, link);
});

test("whatever is not served is a problem, never a page", async () => {
  const table: [method: string, path: string, status: number, code: string][] = [
    ["GET", "/nowhere", 404, "not-found"],
    ["GET", "/v1/cluster/", 404, "not-found"],
    ["GET", "/V1/cluster", 404, "not-found"],
    ["GET", "//user@[bad/v1", 404, "not-found"],
    ["GET", "/%", 404, "not-found"],
    ["GET", "/v1/owners/users", 404, "not-found"],
    ["GET", "/v1/owners/users/", 400, "bad-request"],
    ["GET", "/v1/owners/users/%", 400, "bad-request"],
    ["GET", "/v1/conflicts?bucket=a%2Fb", 400, "bad-request"],
    ["GET", "/v1/conflicts?limit=0", 400, "bad-request"],
    ["GET", "/v1/conflicts?values=true", 400, "bad-request"],
    ["GET", "/v1/owners/users/%ff", 400, "bad-request"],
    ["GET", "/v1/owners64/users/*", 400, "bad-request"],
    ["GET", "/v1/owners/b%20d/x", 400, "bad-request"],
    ["POST", "/v1/cluster", 405, "method-not-allowed"],
    ["DELETE", "/v1/owners/users/a", 405, "method-not-allowed"],
    ["OPTIONS", "/metrics", 405, "method-not-allowed"],
    ["GET", `/${"a".repeat(9000)}`, 414, "uri-too-long"],
  ];
  for (const [method, path, status, code] of table) {
    const got = await edge.ask(method, path, method === "POST" ? { body: "{" } : {});
    assert.equal(got.status, status, `${method} ${path}`);
    assert.equal(got.headers["content-type"], "application/problem+json");
    assert.equal(got.json.code, code);
    assert.equal(got.headers.allow, status === 405 ? "GET, HEAD" : undefined);
    assertIsOurs(got, path);
  }
});

test("a mistake of ours is told to the log, not to the client", async () => {
  const { store } = edge;
  const ring = store.ring;
  store.ring = () => {
    throw new Error("secret of /srv/murmur/file.js:1:1");
  };
  const got = await edge.ask("GET", "/v1/ring");
  store.ring = ring;
  assert.equal(got.status, 500);
  assert.equal(got.json.code, "internal");
  assert.doesNotMatch(got.body.toString(), /secret|srv/);
  assertIsOurs(got, "500");
  assert.equal(edge.warnings.length, 1);
});

test("a flush waits for the hints, says what is left, and is a POST with a bounded time", async () => {
  const path = "/v1/hints/flush";
  const whole = await edge.ask("POST", path);
  assert.deepEqual([whole.status, whole.json], [200, { node: "n1", hints: 2, left: 0, complete: true }]);
  assert.deepEqual((await edge.ask("POST", `${path}?timeout=50ms`)).json.complete, false);
  const refusals: [method: string, query: string, status: number, detail: RegExp][] = [
    ["GET", "", 405, /POST/],
    ["POST", "?timeout=soon", 400, /^timeout takes a duration/],
    ["POST", "?timeout=0ms", 400, /^timeout takes a duration/],
    ["POST", "?timeout=1h", 400, /^timeout is at most 30000ms/],
    ["POST", "?wait=1s", 400, /^a flush takes no parameter but timeout/],
  ];
  for (const [method, query, status, detail] of refusals) {
    const got = await edge.ask(method, `${path}${query}`);
    assert.equal(got.status, status, query);
    assert.match(got.json.detail as string, detail);
  }
  const foreign = await edge.ask("POST", path, { headers: { origin: "https://evil.example" } });
  assert.equal(foreign.status, 403);
  edge.store.held = [];
  const busy = await edge.ask("POST", path);
  edge.store.held = undefined;
  assert.deepEqual([busy.status, busy.json.code], [503, "overloaded"]);
});

test("a repair is begun by a POST, and told of by a GET", async () => {
  const path = "/v1/repair";
  const begun = await edge.ask("POST", `${path}?check=true&bucket=users`);
  assert.deepEqual([begun.status, begun.json.begun, begun.json.node], [200, true, "n1"]);
  assert.deepEqual(edge.store.repairs, [{ isCheck: true, bucket: "users" }]);
  assert.equal((await edge.ask("POST", path)).json.begun, false);
  assert.deepEqual(edge.store.repairs[1], { isCheck: false, bucket: undefined });
  const refusals: [method: string, query: string, status: number, detail: RegExp][] = [
    ["PUT", "", 405, /GET, HEAD, POST/],
    ["POST", "?check=yes", 400, /^check is true or false, not "yes"/],
    ["POST", "?bucket=", 400, /^a bucket's name is/],
    ["POST", "?buckets=users", 400, /^a repair takes no parameter but check and bucket/],
  ];
  for (const [method, query, status, detail] of refusals) {
    const got = await edge.ask(method, `${path}${query}`);
    assert.equal(got.status, status, query);
    assert.match(got.json.detail as string, detail);
  }
  const foreign = await edge.ask("POST", path, { headers: { origin: "https://evil.example" } });
  assert.equal(foreign.status, 403);
  assert.equal(edge.store.repairs.length, 2);
});

test("requests show in the metrics, and keys never do", async () => {
  await edge.ask("PUT", "/v1/buckets/users/keys/a-key?w=2", { body: "x" });
  await edge.ask("GET", "/v1/buckets/users/keys/a-key?r=one");
  await edge.ask("GET", "/v1/buckets/users/keys/no-key");
  await edge.ask("PATCH", "/v1/buckets/users/keys/a-key");
  const got = await edge.ask("GET", "/metrics");
  assert.match(got.headers["content-type"] as string, /^text\/plain; version=0.0.4/);
  const text = got.body.toString();
  for (const line of [
    'murmur_writes_total{level="2",result="ok"} 1',
    'murmur_reads_total{level="ONE",result="ok"} 1',
    'murmur_reads_total{level="QUORUM",result="not-found"} 1',
    'murmur_request_seconds_count{operation="read"} 2',
    'murmur_request_seconds_count{operation="write"} 1',
  ]) {
    assert.ok(text.includes(`${line}\n`), line);
  }
  assert.match(text, /^murmur_requests_refused_total\{code="method-not-allowed"\} \d+$/m);
  assert.doesNotMatch(text, /a-key|no-key/);
});

test("the description lists what exists: every path and method answers", async () => {
  const paths = await describedPaths();
  assert.ok(Object.keys(paths).length >= 11);
  for (const [template, item] of Object.entries(paths)) {
    const path = template.replace("{bucket}", "users").replace("{key}", "YQ");
    for (const method of Object.keys(item).filter((name) => name !== "parameters")) {
      const got = await edge.ask(method.toUpperCase(), path, method === "put" ? { body: "x" } : {});
      assert.ok(Object.keys(item[method]?.responses ?? {}).includes(String(got.status)), `${method} ${path}`);
      assert.notEqual(got.status, 405);
    }
  }
});

test("the description has every state that an envelope tells", async () => {
  const states: readonly Asked["state"][] = ["same", "behind", "failed", "pending"];
  const { components } = (await edge.ask("GET", "/openapi.json")).json as unknown as {
    components: { schemas: { Envelope: { properties: { replicas: { items: { properties: { state: object } } } } } } };
  };
  const { state } = components.schemas.Envelope.properties.replicas.items.properties;
  assert.deepEqual((state as { enum: string[] }).enum, states);
});

const ADD = { body: '{"add":1}', headers: { "content-type": "application/json" } };

test("the description lists every parameter that is taken", async () => {
  const values: Record<string, string> = {
    r: "ONE",
    w: "ONE",
    timeout: "1s",
    ttl: "1s",
    stamp: "1",
    mend: "never",
    merge: "never",
    hedge: "never",
  };
  const key = "/v1/buckets/{bucket}/keys/{key}";
  const operations = Object.entries((await describedPaths())[key] ?? {}).filter(([name]) => name !== "parameters");
  for (const [method, { parameters = [] }] of operations) {
    const names = parameters.filter((parameter) => parameter.in === "query").map(({ name }) => name);
    assert.ok(names.length >= 2, method);
    // Cells have addresses of their own, in buckets of their own.
    const plain = names.filter((name) => name !== "sort");
    assert.equal(plain.length, names.length - 1, method);
    const query = plain.map((name) => `${name}=${values[name]}`).join("&");
    const [bucket, sent] = method === "post" ? ["visits", ADD] : ["stamped", {}];
    const got = await edge.ask(method.toUpperCase(), `/v1/buckets/${bucket}/keys/b?${query}`, sent);
    assert.ok([200, 204, 404].includes(got.status), `${method} ${query}`);
  }
});
