/**
 * Garbage HTTP, from a seed: requests put together of pieces that are right and
 * wrong, then mutated, cut off, repeated on one connection; and what may be
 * answered to it.
 */
import { below, happens, pick, type Random } from "../src/base/random.js";

const PIECES = {
  method: ["GET", "HEAD", "PUT", "DELETE", "POST", "PATCH", "OPTIONS", "TRACE", "CONNECT", "get", "G\0T", "QUERY", ""],
  path: [
    "/v1/buckets/users/keys/ada",
    "/v1/buckets/users/keys64/YWRh",
    ...[
      "/v1/buckets/visits/keys/a",
      "/v1/buckets/tags/keys/a",
      "/v1/buckets/profiles/keys/a",
      "/v1/buckets/carts/keys/a",
    ],
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
    "/v1/events",
    "/v1/cluster",
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
    "?sort=x",
    "?hedge=max(p95,",
    `?timeout=${"9".repeat(400)}ms`,
    `?r=${"%41".repeat(3000)}`,
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
    "Murmur-Context: AwAAAAAB",
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
    "If-Match: *",
    "Range: bytes=0-0,-1",
    `Cookie: ${"a".repeat(20_000)}`,
    `Murmur-Context: ${"A".repeat(8000)}`,
  ],
  body: [
    ...["{}", '{"reads":[]}', '{"reads":[{"bucket":"users","key":"ada"}],"r":"ALL"}', '{"writes":[{"key64":""}]}'],
    '{"writes":[{"bucket":"users","key":"\\ud800","value":"AA=="}],"__proto__":1}',
    ...[
      '{"add":1}',
      '{"add":9007199254740993}',
      '{"add":["a"],"remove":["a"]}',
      '{"add":["\\ud800"]}',
      '{"remove":["a"]}',
    ],
    '{"set":{"a":1},"counters":{"b":-1},"sets":{"c":{"add":[""]}},"maps":{"d":{"set":{"__proto__":{}}}}}',
    `${'{"maps":{"m":'.repeat(60)}{}${"}}".repeat(60)}`,
    `{"set":{"a":${"[".repeat(400)}${"]".repeat(400)}}}`,
    '{"writes":[{"bucket":"visits","key":"a","op":{"add":1}},{"bucket":"tags","key":"a","op":{"add":1}}]}',
    `{"reads":${"[".repeat(5000)}`,
    `{"writes":${'{"a":'.repeat(200)}1${"}".repeat(200)}}`,
    `{"reads":[${'{"bucket":"users","key":"ada"},'.repeat(300)}{"bucket":"users","key":"ada"}],"timeoutMs":1e400}`,
    ...["", "abc", "3\r\nabc\r\n0\r\n\r\n", "fffffffffffffffff\r\n", "-1\r\n", "\0\0\0", "GET / HTTP/1.1\r\n\r\n"],
  ],
} as const;

const TARGETS = [
  "/v1/buckets/users/keys/ada?timeout=200ms",
  "/v1/buckets/users/keys64/YWRh?timeout=200ms",
  "/v1/buckets/users/keys?limit=10&timeout=200ms",
  "/v1/batch",
  "/v1/owners/users/ada",
  ...["visits", "tags", "profiles", "carts"].map((bucket) => `/v1/buckets/${bucket}/keys/a?timeout=200ms`),
];

/** Refusals of the contract that are a 5xx: not built, too few owners, too late, a full disk. */
const REFUSALS = ["501", "503", "504", "507"];
const PIPELINED_MAX = 8;

export class HttpGarbage {
  constructor(private readonly random: Random) {}

  /** The bytes of one connection, mostly of one request. */
  next(): Buffer {
    const { random } = this;
    const count = happens(random, 0.1) ? 2 + below(random, PIPELINED_MAX - 1) : 1;
    const requests = Array.from({ length: count }, (_, index) => this.request(index === count - 1));
    const bytes = Buffer.concat(requests);
    for (let flips = happens(random, 0.3) ? 1 + below(random, 4) : 0; flips > 0; flips--) {
      bytes[below(random, bytes.length)] = below(random, 256);
    }
    return happens(random, 0.1) ? bytes.subarray(0, below(random, bytes.length)) : bytes;
  }

  private request(isLast: boolean): Buffer {
    const { random } = this;
    if (happens(random, 0.5)) return this.nearlyRight(isLast);
    const lines = [
      `${pick(random, PIECES.method)} ${pick(random, PIECES.path)}${pick(random, PIECES.query)} ${pick(random, PIECES.version)}`,
    ];
    for (let count = below(random, 6); count > 0; count--) lines.push(pick(random, PIECES.header));
    if (isLast) lines.push("Connection: close");
    lines.push("", pick(random, PIECES.body));
    return Buffer.from(lines.join(happens(random, 0.05) ? "\n" : "\r\n"), "latin1");
  }

  /** What a client says, but for one thing. */
  private nearlyRight(isLast: boolean): Buffer {
    const { random } = this;
    const body = pick(random, PIECES.body);
    const isChunked = happens(random, 0.3);
    const target = happens(random, 0.5)
      ? pick(random, TARGETS)
      : `${pick(random, PIECES.path)}${pick(random, PIECES.query)}`;
    const lines = [
      `${pick(random, ["GET", "PUT", "POST", "DELETE"])} ${target} HTTP/1.1`,
      "Host: localhost",
      isChunked ? "Transfer-Encoding: chunked" : `Content-Length: ${Buffer.byteLength(body, "latin1")}`,
      pick(random, ["Content-Type: application/json", "Content-Type: text/plain", "Accept: application/json"]),
      ...(happens(random, 0.3) ? [pick(random, PIECES.header)] : []),
      ...(isLast ? ["Connection: close"] : []),
    ];
    const sent = isChunked ? `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n` : body;
    return Buffer.from(`${lines.join("\r\n")}\r\n\r\n${sent}`, "latin1");
  }
}

/** The statuses in what came back on a connection; `complain` is told of what may never be answered. */
export function verdictOn(text: string, complain: (complaint: string) => void): string[] {
  const statuses = [...text.matchAll(/^HTTP\/1\.1 (\d{3}) /gm)].map(([, status]) => status as string);
  const wrong = statuses.find((status) => status >= "500" && !REFUSALS.includes(status));
  if (wrong !== undefined) complain(`answered ${wrong}: ${text}`);
  if (text !== "" && !text.startsWith("HTTP/1.1 ")) complain(`an answer that is not HTTP: ${text}`);
  if (/<html|node_modules|\bat .*\.js:\d+/.test(text)) complain(`an answer that tells too much: ${text}`);
  const refused = statuses.filter((status) => status.startsWith("5")).length;
  const problems = text.match(/^content-type: application\/problem\+json/gim)?.length ?? 0;
  if (refused > problems) complain(`a refusal that is no problem+json: ${text}`);
  return statuses;
}
