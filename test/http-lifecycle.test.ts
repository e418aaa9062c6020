/** How the edge begins and ends: listening or saying why not, draining, cutting off. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { Agent, request as httpRequest } from "node:http";
import { connect } from "node:net";
import { test } from "node:test";
import { createHttpServer } from "../src/http/server.js";
import { PromMeter } from "../src/real/meter.js";
import { bodyOf, configOf, FakeStore, startEdge } from "./http-harness.js";
import { until } from "./ports/until.js";

const ADA = "/v1/buckets/users/keys/ada";

test("draining finishes what is under way, and closes", async () => {
  const draining = await startEdge();
  draining.store.held = [];
  const agent = new Agent({ keepAlive: true });
  const idle = connect(draining.server.port, "127.0.0.1");
  const kept = httpRequest({ port: draining.server.port, agent, path: "/health/live" }).end();
  const [live] = await once(kept, "response");
  live.resume();
  await once(live, "end");
  const answered = draining.ask("GET", ADA, { headers: { connection: "keep-alive" } });
  await until(() => draining.store.held?.length === 1);
  const stopped = draining.stop();
  // The port is still open: who has not heard of the end is told of it.
  const listener = await draining.ask("GET", "/v1/events");
  assert.deepEqual([listener.status, listener.json.code], [503, "draining"]);
  await once(idle.resume(), "close");
  for (const answer of draining.store.held) answer();
  assert.equal((await answered).headers.connection, "close");
  await stopped;
  await assert.rejects(draining.ask("GET", ADA), { code: "ECONNREFUSED" });
  await draining.stop();
  agent.destroy();
});

test("draining cuts off what never ends", async () => {
  const draining = await startEdge({ limits: { drainMsMax: 20 } });
  draining.store.held = [];
  const cut = assert.rejects(draining.ask("GET", ADA), { code: "ECONNRESET" });
  await until(() => draining.store.held?.length === 1);
  await draining.stop();
  await cut;
  for (const answer of draining.store.held) answer();
});

test("an edge that cannot listen says why, and what to do", async () => {
  const listen = (node: { bind?: string; http?: number }) =>
    new Promise<Error | undefined>((resolve) => {
      const config = configOf({ node });
      const log = { info: () => {}, warn: () => {} };
      const ready = () => ({ ready: true, detail: {} });
      const { limits, nodes } = config;
      const store = new FakeStore();
      const [own] = nodes as [(typeof nodes)[number]];
      createHttpServer({ store, config, node: own, meter: new PromMeter(), log, limits, ready }).listen(resolve);
    });
  const taken = await startEdge();
  for (const bind of ["0.0.0.0", "::", "192.168.1.1", "db.example"]) {
    assert.match((await listen({ bind }))?.message ?? "", /not authenticated yet; set bind to 127.0.0.1/, bind);
  }
  assert.match(
    (await listen({ http: taken.server.port }))?.message ?? "",
    /^node n1 cannot listen for clients on 127.0.0.1:\d+: the port is in use. Stop .* another "http" port.$/,
  );
  await taken.stop();
});

test("bodies under way are bounded in their sum, and each makes room when it is stored", async () => {
  const bytes = 100_000;
  const limits = { valueBytesMax: bytes, bodyBytesPendingMax: 2.5 * bytes };
  const edge = await startEdge({ limits });
  try {
    edge.store.held = [];
    const put = (body: string) => edge.ask("PUT", "/v1/buckets/b/keys/k", { body });
    const pending = [put("x".repeat(bytes)), put("x".repeat(bytes))];
    await until(() => edge.store.held?.length === 2);
    const refused = await put("x".repeat(bytes));
    assert.equal(refused.status, 503);
    assert.equal(refused.json.code, "overloaded");
    assert.match(String(refused.json.detail), /bodyBytesPendingMax/);
    for (const answer of edge.store.held) answer();
    edge.store.held = undefined;
    await Promise.all(pending);
    for (let round = 0; round < 5; round++) assert.equal((await put("x".repeat(bytes))).status, 204);
  } finally {
    await edge.stop();
  }
});

test("draining tells idle connections, and a request that crosses that word has it as its answer", async () => {
  const edge = await startEdge();
  const put = ["PUT /v1/buckets/b/keys/k HTTP/1.1", "Host: localhost", "Content-Length: 1", "", "x"].join("\r\n");
  const socket = connect(edge.server.port, "127.0.0.1").setEncoding("latin1");
  let text = "";
  socket.on("data", (chunk: string) => {
    text += chunk;
  });
  socket.write(put);
  await until(() => text.includes("204 No Content"));
  const stopped = edge.stop();
  // Sent before the node's word is read, as from a client that has not heard of it.
  socket.write(put);
  await once(socket, "close");
  await stopped;
  const [, refusal = ""] = text.split("HTTP/1.1 503 ");
  assert.equal(bodyOf(refusal).code, "draining");
  assert.equal(bodyOf(refusal).mayHaveApplied, false);
  assert.match(refusal, /Connection: close/);
  assert.equal(edge.store.writes.length, 1);
});

test("while it drains the port stays open for those who have not heard, one answer each", async () => {
  const edge = await startEdge({ limits: { drainNoticeMs: 500 } });
  edge.store.held = [];
  const first = edge.ask("GET", ADA, { headers: { connection: "keep-alive" } });
  await until(() => edge.store.held?.length === 1);
  const stopped = edge.stop();
  const late = edge.ask("PUT", ADA, { body: "x", headers: { connection: "keep-alive" } });
  await until(() => edge.store.held?.length === 2);
  for (const answer of edge.store.held) answer();
  assert.equal((await late).status, 204);
  assert.equal((await late).headers.connection, "close");
  assert.equal((await first).headers.connection, "close");
  await stopped;
});

test("requests pipelined on connections that are torn end no node", async () => {
  const torn = await startEdge();
  const refusedAtOnce = "POST /v1/buckets/%/keys HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nabcd";
  const refusedAndClosed = "GET /v1/batch HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
  const requests = `${refusedAtOnce}${refusedAndClosed}${refusedAndClosed}`.repeat(6);
  const tear = async (): Promise<void> => {
    const socket = connect(torn.server.port, "127.0.0.1").on("error", () => {});
    socket.write(requests, () => socket.resetAndDestroy());
    await once(socket, "close");
  };
  for (let round = 0; round < 20; round++) await Promise.all(Array.from({ length: 20 }, tear));
  assert.equal((await torn.ask("GET", "/health/live")).status, 200);
  await torn.stop();
});

test("what is pipelined behind an answer that its client does not wait for is given back too", async () => {
  const left = await startEdge();
  const gauge = (name: string) => left.meter.readings(name)[0]?.value;
  const scrapeUntil = async (isThere: () => boolean): Promise<void> => {
    do await left.ask("GET", "/metrics");
    while (!isThere());
  };
  left.store.held = [];
  const key = "/v1/buckets/users/keys/ada HTTP/1.1\r\nHost: localhost\r\n";
  const reads = `GET ${key}\r\n`.repeat(4);
  const events = "GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(3);
  const socket = connect(left.server.port, "127.0.0.1").on("error", () => {});
  socket.write(`${reads}PUT ${key}Content-Length: 3\r\n\r\nabc${events}`);
  await scrapeUntil(() => gauge("murmur_event_listeners") === 3);
  assert.equal(gauge("murmur_requests_admitted"), 5);
  socket.destroy();
  await scrapeUntil(() => gauge("murmur_connections") === 1);
  assert.equal(gauge("murmur_event_listeners"), 0);
  assert.equal(gauge("murmur_requests_admitted"), 0);
  for (const goOn of left.store.held) goOn();
  await left.ask("GET", "/metrics");
  assert.deepEqual([gauge("murmur_requests_pending"), gauge("murmur_body_bytes_pending")], [0, 0]);
  await left.stop();
});
