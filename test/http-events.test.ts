/** The stream of events: what is told, to how many, and how a stream ends. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { EventListener } from "./event-listener.js";
import { NOW_MS, startEdge, type TestEdge } from "./http-harness.js";
import { until } from "./ports/until.js";

const EVENTS = "/v1/events";
const FAST = { statsIntervalMs: 20, eventHeartbeatMs: 20 };

interface Schema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: unknown;
}

/** The part of JSON Schema that says which fields there are. */
function assertFits(schema: Schema, data: unknown, where: string): void {
  const { properties } = schema;
  if (properties === undefined) return;
  const fields = data as Readonly<Record<string, unknown>>;
  for (const name of schema.required ?? []) assert.ok(name in fields, `${where} lacks ${name}`);
  for (const [name, value] of Object.entries(fields)) {
    const property = properties[name];
    assert.ok(property !== undefined, `${where} has ${name}, which is not described`);
    assertFits(property, value, `${where}.${name}`);
  }
}

describe("the stream of events", () => {
  let edge: TestEdge;
  let opened: EventListener[];
  beforeEach(async () => {
    edge = await startEdge({ limits: { ...FAST, eventListenersMax: 3 } });
    opened = [];
  });
  afterEach(async () => {
    for (const listener of opened) listener.close();
    await edge.stop();
  });

  async function listen(query?: string): Promise<EventListener> {
    const listener = await EventListener.open(edge.server.port, query);
    opened.push(listener);
    return listener;
  }

  const listeners = () => edge.meter.readings("murmur_event_listeners")[0]?.value;

  test("begins with who there is", async () => {
    const { cluster } = edge.store;
    const node = { host: "h", http: 1, peer: 2, rack: "r", datacenter: "d", partitions: 8, clockOffsetMs: undefined };
    const nodes = [
      { ...node, node: "n1", state: "up", membership: "alive", rebuilding: 3 },
      { ...node, node: "n2", state: "down", membership: undefined, rebuilding: undefined },
    ] as const;
    edge.store.cluster = () => ({ ...cluster.call(edge.store), nodes });
    const listener = await listen();
    assert.deepEqual(await listener.next("hello"), {
      at: NOW_MS,
      node: "n1",
      cluster: "test",
      version: "1.2.3",
      layout: { version: 1, digest: "00" },
      members: [
        { node: "n1", state: "up", rebuilding: 3 },
        { node: "n2", state: "down" },
      ],
    });
    assert.match(listener.text, /^retry: 1000\nid: 0\nevent: hello\ndata: \{.*\}\n\n/);
    assert.equal(listener.headers["content-type"], "text/event-stream");
    assert.equal(listener.headers["cache-control"], "no-store");
    assert.equal(listener.headers["x-content-type-options"], "nosniff");
    assert.equal(listener.headers["access-control-allow-origin"], undefined);
  });

  test("tells every listener what happens to a member, with ascending ids", async () => {
    const listeners = [await listen("?stats=never"), await listen("?stats=never")];
    for (const listener of listeners) await listener.next("hello");
    edge.store.onMemberChange("n2", "down");
    edge.store.onMemberChange("n2", "up");
    for (const listener of listeners) {
      assert.deepEqual(await listener.next("member"), { at: NOW_MS, by: "n1", node: "n2", change: "down" });
      assert.deepEqual(await listener.next("member"), { at: NOW_MS, by: "n1", node: "n2", change: "up" });
      assert.deepEqual(listener.text.match(/^id: \d+$/gm), ["id: 0", "id: 1", "id: 2"]);
    }
  });

  test("sums up what the node did since the last time", async () => {
    const listener = await listen();
    await listener.next("hello");
    await edge.ask("PUT", "/v1/buckets/b/keys/k?w=1", { body: "x" });
    await edge.ask("GET", "/v1/buckets/b/keys/k");
    await edge.ask("GET", "/v1/buckets/b/keys/none?r=ONE");
    edge.meter.count("murmur_hedges_total", { outcome: "sent" }, 4);
    edge.meter.count("murmur_mends_total");
    edge.meter.gauge("murmur_hints_pending", 7);
    let answered = 0;
    const totals = new Map<string, number>();
    while (answered < 3 || totals.get("mends") === undefined) {
      const { perSecond, requests, intervalMs, hintsPending, rows, node } = await listener.next("stats");
      answered += requests.answered;
      assert.equal(requests.p99Ms !== undefined, requests.answered > 0);
      assert.ok((requests.p50Ms ?? 0) <= (requests.maxMs ?? 0));
      const { reads, writes, hedges, mends } = perSecond;
      const rates = { ...reads, put: writes.ok ?? 0, sent: hedges.sent ?? 0, mends };
      for (const [name, rate] of Object.entries(rates)) {
        if (rate > 0) totals.set(name, (totals.get(name) ?? 0) + (rate * intervalMs) / 1000);
      }
      assert.equal(node, "n1");
      if (answered > 0) assert.equal(rows, 1);
      if (totals.has("mends")) assert.equal(hintsPending, 7);
    }
    const sums = [...totals].map(([name, total]) => [name, Math.round(total)]);
    assert.deepEqual(Object.fromEntries(sums), { put: 1, ok: 1, "not-found": 1, sent: 4, mends: 1 });
    assert.equal(answered, 3);
  });

  test("says what makes the node refuse, and how it fares", async () => {
    edge.store.condition = () => ({ rows: 5, rebuilding: 2, refusing: "its clock is off" });
    const stats = await (await listen()).next("stats");
    assert.deepEqual([stats.rows, stats.rebuilding, stats.refusing], [5, 2, "its clock is off"]);
    assert.ok(stats.rssBytes > stats.heapBytes && stats.heapBytes > 1_000_000);
    assert.ok(stats.loopLagMs >= 0 && stats.intervalMs > 0);
    assert.deepEqual(stats.perSecond, { reads: {}, writes: {}, hedges: {}, mends: 0 });
    assert.deepEqual(stats.requests, { pending: 0, answered: 0 });
  });

  test("a stream without stats has no stats, and says by comments that it lives", async () => {
    const listener = await listen("?stats=never");
    await until(() => (listener.text.match(/^:$/gm) ?? []).length >= 3);
    assert.deepEqual(
      listener.heard.map(({ name }) => name),
      ["hello"],
    );
  });

  test("nothing is sampled or counted for nobody", async () => {
    const first = await listen();
    const second = await listen("?stats=never");
    await first.next("stats");
    assert.equal(listeners(), 2);
    first.close();
    await until(() => listeners() === 1);
    let isAsked = false;
    edge.store.condition = () => {
      isAsked = true;
      return { rows: 0, rebuilding: 0, refusing: undefined };
    };
    const beats = () => (second.text.match(/^:$/gm) ?? []).length;
    const from = beats();
    await until(() => beats() > from + 3);
    assert.equal(isAsked, false);
    assert.equal((await (await listen()).next("stats")).node, "n1");
    assert.equal(isAsked, true);
  });

  test("one listener too many is refused as overloaded, and let in when another has left", async () => {
    for (let index = 0; index < 3; index++) await listen();
    const refused = await edge.ask("GET", EVENTS);
    assert.equal(refused.status, 503);
    assert.equal(refused.json.code, "overloaded");
    assert.match(String(refused.json.detail), /eventListenersMax/);
    assert.equal(refused.headers["retry-after"], "1");
    opened[0]?.close();
    await until(() => listeners() === 2);
    await (await listen()).next("hello");
  });

  test("its head can be had, other methods and parameters not", async () => {
    const head = await edge.ask("HEAD", EVENTS);
    assert.deepEqual([head.status, head.headers["content-type"]], [200, "text/event-stream"]);
    assert.equal(listeners(), undefined);
    const post = await edge.ask("POST", EVENTS, { body: "{" });
    assert.deepEqual([post.status, post.headers.allow], [405, "GET, HEAD"]);
    for (const query of ["?stats=always", "?stat=never", "?stats=never&stats=never"]) {
      const got = await edge.ask("GET", EVENTS + query);
      assert.deepEqual([got.status, got.json.code], [400, "bad-request"], query);
    }
    const foreign = await edge.ask("GET", EVENTS, { headers: { host: "evil.example" } });
    assert.equal(foreign.status, 421);
  });

  test("every event is as the description of the API says", async () => {
    const described = (await edge.ask("GET", "/openapi.json")).json.components as { schemas: Record<string, Schema> };
    const listener = await listen();
    edge.store.onMemberChange("n2", "rebuilding");
    await listener.next("stats");
    const stopped = edge.stop();
    await listener.next("bye");
    await stopped;
    for (const { name, data } of listener.heard) {
      const schema = described.schemas[`${name.slice(0, 1).toUpperCase()}${name.slice(1)}Event`];
      assertFits(schema as Schema, data, name);
    }
    assert.deepEqual(new Set(listener.heard.map(({ name }) => name)), new Set(["hello", "member", "stats", "bye"]));
  });

  test("a node that stops says so, and waits for no listener", async () => {
    const listener = await listen();
    await listener.next("hello");
    const stopped = edge.stop();
    assert.deepEqual(await listener.next("bye"), { at: NOW_MS, node: "n1", reason: "stopping" });
    await listener.over();
    await stopped;
  });
});

describe("streams that nobody reads", () => {
  test("whoever reads too slowly is dropped, and the others are not", async () => {
    const edge = await startEdge({ limits: { eventBytesPendingMax: 1024 } });
    const [slow, quick] = [await EventListener.open(edge.server.port), await EventListener.open(edge.server.port)];
    await slow.next("hello");
    slow.pause();
    const dropped = () => edge.meter.readings("murmur_event_listeners_dropped_total")[0]?.value;
    const name = "n".repeat(100_000);
    for (let told = 1; dropped() === undefined; told++) {
      edge.store.onMemberChange(name, "up");
      await until(() => quick.heard.filter((event) => event.name === "member").length === told);
    }
    assert.equal(dropped(), 1);
    assert.equal(edge.meter.readings("murmur_event_listeners")[0]?.value, 1);
    quick.close();
    await edge.stop();
  });

  test("a stopping node does not wait for one that reads nothing", async () => {
    const edge = await startEdge({ limits: { eventBytesPendingMax: 1e9, drainMsMax: 600_000 } });
    const slow = await EventListener.open(edge.server.port);
    slow.pause();
    const name = "n".repeat(1024 * 1024);
    for (let told = 0; told < 30; told++) edge.store.onMemberChange(name, "up");
    await edge.stop();
    slow.close();
  });
});
