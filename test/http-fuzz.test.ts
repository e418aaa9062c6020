/**
 * Garbage HTTP, thousands of times: the edge answers with a refusal that the
 * contract knows, or closes; it never fails inside and never dies.
 *
 * A seed repeats every byte: MURMUR_FUZZ_SEED, printed on failure.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { below, type Random } from "../src/base/random.js";
import { startEdge, type TestEdge } from "./http-harness.js";

const REQUESTS = 4000;
const AT_ONCE = 32;
const SEED = Number(process.env.MURMUR_FUZZ_SEED ?? Date.now() % 2 ** 32);

/** Mulberry32: small, and good enough to make garbage. */
function randomOf(seed: number): Random {
  let state = seed >>> 0;
  return {
    u32() {
      state = (state + 0x6d2b79f5) >>> 0;
      let mixed = Math.imul(state ^ (state >>> 15), state | 1);
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
      return (mixed ^ (mixed >>> 14)) >>> 0;
    },
  };
}

const PIECES = {
  method: ["GET", "HEAD", "PUT", "DELETE", "POST", "PATCH", "OPTIONS", "TRACE", "CONNECT", "get", "G\0T", "QUERY", ""],
  path: [
    "/v1/buckets/users/keys/ada",
    "/v1/buckets/users/keys64/YWRh",
    "/v1/buckets/../keys/..",
    "/v1/buckets/users/keys/%00%zz",
    "/v1/buckets/users/keys/%F0%9F",
    "/v1/owners/users/%",
    "/v1/owners64/users/__",
    "/v1/buckets/users/keys",
    "/v1/buckets/%/keys",
    "/v1/batch",
    "/v1/batch",
    "/v1/batch/",
    "/metrics",
    "/openapi.json",
    "//user@[::1/%",
    "*",
    "http://[/",
    "/",
    "",
  ],
  query: [
    "",
    "?r=ONE",
    "?r=%",
    "?w=ALL&w=ALL",
    "?ttl=1s",
    "?timeout=99999999999999999s",
    "?__proto__=1",
    "?limit=1&after=AQ",
    "?limit=0",
    "?&=&==",
    "?r",
  ],
  version: ["HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "http/1.1", "HTTP/1.", ""],
  header: [
    "Host: localhost",
    "Host: localhost",
    "Host: localhost",
    "Host: [::1",
    "Host: a, b",
    "Content-Length: 3",
    "Content-Length: -1",
    "Content-Length: 99999999999999999999",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: gzip",
    "Expect: 100-continue",
    "Expect: the spanish inquisition",
    "Upgrade: h2c",
    "Connection: Upgrade",
    "Murmur-Context: AQ",
    "Murmur-Context: \xff",
    "If-None-Match: *",
    'If-None-Match: "',
    "Accept: application/vnd.murmur+json;q=x,,;",
    "Content-Type: \x7f",
    "Content-Type: application/json",
    "Content-Type: application/json; charset=utf-8",
    "Content-Encoding: br",
    "Idempotency-Key: 1",
    "Origin: null",
    "Sec-Fetch-Site: cross-site",
    "__proto__: x",
    ": x",
    "X",
    " folded",
  ],
  body: [
    ...["{}", '{"reads":[]}', '{"reads":[{"bucket":"users","key":"ada"}],"r":"ALL"}', '{"writes":[{"key64":""}]}'],
    '{"writes":[{"bucket":"users","key":"\\ud800","value":"AA=="}],"__proto__":1}',
    ...["", "abc", "3\r\nabc\r\n0\r\n\r\n", "fffffffffffffffff\r\n", "-1\r\n", "\0\0\0", "GET / HTTP/1.1\r\n\r\n"],
  ],
} as const;

function garbage(random: Random): Buffer {
  const pick = (pieces: readonly string[]): string => pieces[below(random, pieces.length)] as string;
  const lines = [`${pick(PIECES.method)} ${pick(PIECES.path)}${pick(PIECES.query)} ${pick(PIECES.version)}`];
  for (let count = below(random, 6); count > 0; count--) lines.push(pick(PIECES.header));
  lines.push("Connection: close", "", pick(PIECES.body));
  const bytes = Buffer.from(lines.join(below(random, 20) === 0 ? "\n" : "\r\n"), "latin1");
  for (let count = below(random, 3) === 0 ? 1 + below(random, 4) : 0; count > 0; count--) {
    bytes[below(random, bytes.length)] = below(random, 256);
  }
  return below(random, 10) === 0 ? bytes.subarray(0, below(random, bytes.length)) : bytes;
}

/** Sends one piece of garbage and ends the sending side, so that whatever is missing does not hold the test up. */
async function provoke(edge: TestEdge, bytes: Buffer): Promise<void> {
  const text = await edge.raw(bytes, true);
  for (const [, status] of text.matchAll(/^HTTP\/1\.1 (\d{3}) /gm)) {
    const isExpected = Number(status) < 500 || status === "501";
    assert.ok(isExpected, `seed ${SEED}: ${JSON.stringify(bytes.toString("latin1"))} gave ${text}`);
  }
  assert.ok(text === "" || text.startsWith("HTTP/1.1 "), `seed ${SEED}: ${text}`);
  assert.doesNotMatch(text, /<html|node_modules|\bat .*\.js:\d+/, `seed ${SEED}`);
}

test(`${REQUESTS} pieces of garbage are refused, and the edge lives`, async () => {
  const edge = await startEdge({ limits: { drainMsMax: 10 } });
  const random = randomOf(SEED);
  for (let sent = 0; sent < REQUESTS; sent += AT_ONCE) {
    await Promise.all(Array.from({ length: AT_ONCE }, () => provoke(edge, garbage(random))));
  }
  assert.equal((await edge.ask("PUT", "/v1/buckets/users/keys/after", { body: "all" })).status, 204);
  assert.equal((await edge.ask("GET", "/v1/buckets/users/keys/after")).body.toString(), "all");
  assert.deepEqual(edge.warnings, []);
  await edge.stop();
});
