/** The edge under pressure and suspicion: hosts, origins, garbage, large bodies, overload, leaving clients. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { after, before, beforeEach, test } from "node:test";
import { bodyOf, startEdge, type TestEdge } from "./http-harness.js";
import { until } from "./ports/until.js";

const ADA = "/v1/buckets/users/keys/ada";
const VALUE_BYTES_MAX = 1000;

let edge: TestEdge;
before(async () => {
  edge = await startEdge({
    limits: { valueBytesMax: VALUE_BYTES_MAX, requestsPendingMax: 2, headerBytesMax: 4096 },
    node: { host: "node-1.internal" },
    security: { allowedHosts: ["db.example", "10.0.0.1:80", "fe80::1"], allowedOrigins: ["https://Admin.example"] },
  });
});
after(() => edge.stop());
beforeEach(() => {
  edge.store.held = undefined;
});

/** A raw request whose answer closes the connection. */
function rawRequest(method: string, path: string, headers: readonly string[], body = ""): Promise<string> {
  return edge.raw([`${method} ${path} HTTP/1.1`, "Connection: close", ...headers, "", body].join("\r\n"));
}

function statusOf(answer: string): number {
  return Number(/^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1]);
}

test("only our own hosts are served", async () => {
  const table: [host: string, status: number][] = [
    ["localhost", 404],
    ["LOCALHOST:8101", 404],
    ["127.0.0.1:1", 404],
    ["[::1]:8101", 404],
    ["[::1]", 404],
    ["node-1.internal:8101", 404],
    ["DB.example", 404],
    ["10.0.0.1:80", 404],
    ["[fe80::1]:80", 404],
    ["10.0.0.1:81", 421],
    ["evil.example", 421],
    ["localhost.evil.example", 421],
    ["evil.example:8101", 421],
    ["localhost:80a", 421],
    ["::1", 421],
    ["localhost, evil.example", 421],
    ["", 400],
  ];
  for (const [host, status] of table) {
    for (const path of [ADA, "/nowhere"]) {
      const answer = await rawRequest("GET", path, [`Host: ${host}`]);
      assert.equal(statusOf(answer), status, `${host} ${path}`);
      assert.equal(bodyOf(answer).status, status);
    }
  }
  // What tells of all keys is behind the same door, and tells nothing there.
  for (const path of ["/v1/conflicts", "/v1/top", "/v1/hints", "/metrics", "/v1/events"]) {
    assert.equal(statusOf(await rawRequest("GET", path, ["Host: evil.example"])), 421, path);
  }
  assert.equal(statusOf(await rawRequest("GET", ADA, [])), 400);
  assert.equal(bodyOf(await rawRequest("GET", ADA, ["Host: evil.example"])).code, "unknown-host");
});

test("a page of another origin changes nothing", async () => {
  const table: [headers: readonly string[], allowed: boolean][] = [
    [[], true],
    [["Origin: http://localhost:8101"], true],
    [["Origin: https://localhost:8101"], true],
    [["Origin: http://localhost:8101", "Sec-Fetch-Site: same-origin"], true],
    [["Sec-Fetch-Site: none"], true],
    [["Origin: https://admin.example", "Sec-Fetch-Site: cross-site"], true],
    [["Origin: http://localhost:3000"], false],
    [["Origin: http://localhost"], false],
    [["Origin: http://evil.example"], false],
    [["Origin: null"], false],
    [["Origin: "], false],
    [["Origin: http://localhost:8101", "Sec-Fetch-Site: cross-site"], false],
    [["Sec-Fetch-Site: cross-site"], false],
    [["Sec-Fetch-Site: same-site"], false],
  ];
  for (const [headers, allowed] of table) {
    const all = ["Host: localhost:8101", ...headers];
    for (const method of ["PUT", "DELETE", "POST"]) {
      const answer = await rawRequest(method, ADA, [...all, "Content-Length: 0"]);
      const status = allowed ? (method === "POST" ? 409 : 204) : 403;
      assert.equal(statusOf(answer), status, `${method} ${headers.join()}`);
      assert.doesNotMatch(answer, /access-control/i);
    }
    assert.equal(statusOf(await rawRequest("GET", ADA, all)), 404, "reading is not what the guard is about");
  }
});

test("what is no request is told so, as a problem", async () => {
  const table: [bytes: string, status: number][] = [
    ["garbage\r\n\r\n", 400],
    ["GET / HTTP/9.9\r\n\r\n", 400],
    ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400],
    ["\x16\x03\x01\x02\x00\x01\x00\x01", 400],
    ["GET / HTTP/1.1\r\nHost: localhost\r\nBad Header\r\n\r\n", 400],
    ["PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n", 400],
    ["PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400],
    ["PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400],
    [`PUT ${ADA} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n`, 400],
    [`GET /${"a".repeat(5000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`, 414],
    [`GET / HTTP/1.1\r\nHost: localhost\r\nX: ${"a".repeat(5000)}\r\n\r\n`, 431],
    ["GET http://localhost/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 400],
    ["OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 400],
    ["CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n", 405],
    [`PUT ${ADA} HTTP/1.1\r\nHost: localhost\r\nExpect: tea\r\nContent-Length: 1\r\n\r\nx`, 417],
  ];
  const answers = await Promise.all(table.map(([bytes]) => edge.raw(bytes)));
  for (const [index, [bytes, status]] of table.entries()) {
    const answer = answers[index] as string;
    assert.equal(statusOf(answer), status, bytes.slice(0, 80));
    assert.match(answer, /\r\nContent-Type: application\/problem\+json\r\n/i);
    assert.equal(bodyOf(answer).status, status);
    assert.equal(bodyOf(answer).mayHaveApplied, false);
  }
});

test("garbage behind a request is never taken for its answer", async () => {
  edge.store.held = [];
  const socket = connect(edge.server.port, "127.0.0.1");
  let text = "";
  socket.on("data", (chunk) => {
    text += chunk;
  });
  socket.write(`DELETE ${ADA} HTTP/1.1\r\nHost: localhost\r\n\r\ngarbage\r\n\r\n`);
  await once(socket, "close");
  assert.equal(text, "");
  assert.equal(edge.store.held.length, 1);
  for (const answer of edge.store.held) answer();
});

test("bodies of any framing are stored up to the limit", async () => {
  const full = Buffer.alloc(VALUE_BYTES_MAX, "v");
  const bodies: [name: string, headers: Record<string, string>, body: Uint8Array][] = [
    ["empty", { "content-length": "0" }, Buffer.alloc(0)],
    ["full", { "content-length": String(full.length) }, full],
    ["chunked", { "transfer-encoding": "chunked" }, full],
  ];
  for (const [name, headers, body] of bodies) {
    assert.equal((await edge.ask("PUT", ADA, { headers, body })).status, 204, name);
    assert.deepEqual((await edge.ask("GET", ADA)).body, body, name);
  }
  const pieces = "3\r\nabc\r\n1;x=y\r\nd\r\n0\r\nTrailer: x\r\n\r\n";
  assert.equal(statusOf(await rawRequest("PUT", ADA, ["Host: localhost", "Transfer-Encoding: chunked"], pieces)), 204);
  assert.equal((await edge.ask("GET", ADA)).body.toString(), "abcd");
});

test("a body beyond the limit is refused, and the client lives to read why", async () => {
  const written = edge.store.writes.length;
  for (const length of [VALUE_BYTES_MAX + 1, 2 * VALUE_BYTES_MAX, 3 * VALUE_BYTES_MAX]) {
    for (const framing of ["content-length", "transfer-encoding"]) {
      const headers = { [framing]: framing === "content-length" ? String(length) : "chunked" };
      const put = await edge.ask("PUT", ADA, { headers, body: Buffer.alloc(length) });
      assert.equal(put.status, 413, `${length} ${framing}`);
      assert.equal(put.json.code, "too-large");
    }
  }
  assert.equal(edge.store.writes.length, written);
  assert.match(
    await rawRequest("PUT", ADA, ["Host: localhost", "Content-Length: 1001"], "x".repeat(1001)),
    /^HTTP\/1.1 413/,
  );
});

test("an endless body is cut off after twice the limit", async () => {
  const socket = connect(edge.server.port, "127.0.0.1");
  socket.on("error", () => {}).resume();
  socket.write(`PUT ${ADA} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n`);
  let sentBytes = 0;
  const more = (): void => {
    while (socket.writable && socket.write(`64\r\n${"x".repeat(100)}\r\n`)) sentBytes += 100;
  };
  socket.on("drain", more);
  more();
  await new Promise((resolve) => socket.once("close", resolve));
  assert.ok(sentBytes > 2 * VALUE_BYTES_MAX);
});

test("100 Continue is said only for a body that is wanted", async () => {
  const expecting = ["Host: localhost", "Expect: 100-continue"];
  assert.match(
    await rawRequest("PUT", ADA, [...expecting, "Content-Length: 2"], "ok"),
    /^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 204 /,
  );
  const refused: [path: string, headers: readonly string[], status: number][] = [
    [ADA, ["Content-Length: 1001"], 413],
    [ADA, ["Content-Length: 2", "Idempotency-Key: two words"], 400],
    [`${ADA}?w=9`, ["Content-Length: 2"], 400],
  ];
  for (const [path, headers, status] of refused) {
    const { socket, answer } = await firstAnswer(["PUT", path, ...expecting, ...headers]);
    assert.equal(statusOf(answer), status, path);
    assert.match(answer, /\r\nConnection: close\r\n/);
    socket.destroy();
  }
});

/** What comes first on a connection after a request's headers, and the connection. */
async function firstAnswer([method, path, ...headers]: readonly string[]): Promise<{ socket: Socket; answer: string }> {
  const socket = connect(edge.server.port, "127.0.0.1");
  socket.write([`${method} ${path} HTTP/1.1`, ...headers, "", ""].join("\r\n"));
  const [chunk] = (await once(socket, "data")) as [Buffer];
  return { socket, answer: chunk.toString() };
}

test("one request too many is refused before any work, and the next one served", async () => {
  edge.store.held = [];
  const pending = [edge.ask("GET", ADA), edge.ask("PUT", ADA, { body: "x" })];
  await until(() => edge.store.held?.length === 2);
  const asked = edge.store.writes.length;
  for (const [method, sent] of [
    ["GET", {}],
    ["PUT", { body: "x".repeat(500) }],
    ["DELETE", {}],
  ] as const) {
    const refused = await edge.ask(method, ADA, sent);
    assert.equal(refused.status, 503);
    assert.equal(refused.json.code, "overloaded");
    assert.equal(refused.json.mayHaveApplied, false);
    assert.equal(refused.headers["retry-after"], "1");
  }
  assert.equal(edge.store.writes.length, asked);
  assert.equal((await edge.ask("GET", "/health/live")).status, 200);
  for (const answer of edge.store.held) answer();
  edge.store.held = undefined;
  await Promise.all(pending);
  assert.equal((await edge.ask("DELETE", ADA)).status, 204);
});

test("clients that leave are forgotten, whenever they do", async () => {
  for (let round = 0; round < 3; round++) {
    edge.store.held = [];
    // In the middle of a body, before the answer, and with more requests behind the one that is under way.
    const leaving = [
      `PUT ${ADA} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf`,
      `GET ${ADA} HTTP/1.1\r\nHost: localhost\r\n\r\n`.repeat(2),
    ];
    for (const [index, bytes] of leaving.entries()) {
      const socket = connect(edge.server.port, "127.0.0.1");
      socket.write(bytes);
      if (index === 1) await until(() => edge.store.held?.length !== 0);
      else await once(socket, "connect");
      socket.resetAndDestroy();
    }
    await edge.ask("GET", "/health/live");
    for (const answer of edge.store.held) answer();
    edge.store.held = undefined;
  }
  let refused = 2;
  for (let tries = 0; refused > 0 && tries < 100; tries++) {
    const answers = await Promise.all([edge.ask("GET", ADA), edge.ask("GET", ADA)]);
    refused = answers.filter(({ status }) => status === 503).length;
  }
  assert.equal(refused, 0);
});

test("whoever asks for a tunnel and is gone before the refusal takes nobody along", async () => {
  for (let time = 0; time < 20; time++) {
    const socket = connect(edge.server.port, "127.0.0.1");
    await once(socket, "connect");
    await new Promise((resolve) => socket.write("CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n", resolve));
    socket.resetAndDestroy();
    await once(socket, "close");
  }
  assert.equal((await edge.ask("PUT", ADA, { body: "alive" })).status, 204);
});
