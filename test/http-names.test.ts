/** Names and parameters: what reaches the store, byte for byte, and what is refused. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { LEVEL_NAMES, type Level } from "../src/config.js";
import { bodyOf, NOW_MS, startEdge, type TestEdge } from "./http-harness.js";

let edge: TestEdge;
before(async () => {
  edge = await startEdge();
});
after(() => edge.stop());

/** The request line as it is: a client's library would normalise it. */
function rawGet(path: string): Promise<string> {
  return edge.raw(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
}

test("a key is the bytes of its segment, decoded once and never normalised", async () => {
  const table: [segment: string, key: string][] = [
    ["ada", "ada"],
    ["__proto__", "__proto__"],
    ["constructor", "constructor"],
    [".", "."],
    ["..", ".."],
    ["%2e%2E", ".."],
    ["a%2Fb", "a/b"],
    ["a%2f..%2fb", "a/../b"],
    ["%00", "\0"],
    ["%2541", "%41"],
    ["a+b", "a+b"],
    ["a%20b", "a b"],
    ["a;b=c&d", "a;b=c&d"],
    ["%3F%23", "?#"],
    ["%E2%82%AC", "€"],
    ["caf%C3%A9", "café"],
    ["cafe%CC%81", "cafe\u0301"],
    ["%EF%BB%BFx", "\ufeffx"],
    ["a".repeat(1024), "a".repeat(1024)],
    ["%41".repeat(1024), "A".repeat(1024)],
    ["'--%20DROP%20TABLE", "'-- DROP TABLE"],
  ];
  for (const [segment, key] of table) {
    const answer = await rawGet(`/v1/buckets/users/keys/${segment}`);
    assert.match(answer, /^HTTP\/1.1 404 /, segment);
    assert.equal(bodyOf(answer).detail, "this key has no value", segment);
    assert.deepEqual(Buffer.from(edge.store.reads.at(-1)?.key ?? []), Buffer.from(key), segment);
    const base64 = await rawGet(`/v1/buckets/users/keys64/${Buffer.from(key).toString("base64url")}`);
    assert.equal(bodyOf(base64).detail, "this key has no value", key);
    assert.deepEqual(Buffer.from(edge.store.reads.at(-1)?.key ?? []), Buffer.from(key), key);
  }
});

test("what names no key is refused, each for its own reason", async () => {
  const table: [path: string, status: number, detail: RegExp][] = [
    ["/v1/buckets/users/keys/", 400, /empty/],
    ["/v1/buckets/users/keys64/", 400, /empty/],
    ["/v1/buckets/users/keys/%", 400, /% without two hexadecimal/],
    ["/v1/buckets/users/keys/a%4", 400, /% without two hexadecimal/],
    ["/v1/buckets/users/keys/%zz", 400, /% without two hexadecimal/],
    ["/v1/buckets/users/keys/%u0041", 400, /% without two hexadecimal/],
    ["/v1/buckets/users/keys/%ff", 400, /not valid UTF-8/],
    ["/v1/buckets/users/keys/%C0%AF", 400, /not valid UTF-8/],
    ["/v1/buckets/users/keys/%ED%A0%80", 400, /not valid UTF-8/],
    ["/v1/buckets/users/keys/\u00e9", 400, /percent-encoded|not valid UTF-8/],
    [`/v1/buckets/users/keys/${"a".repeat(1025)}`, 400, /1025 bytes; the limit is 1024/],
    ["/v1/buckets/users/keys/a/b", 404, /%2F/],
    ["/v1/buckets/users/keys/a/", 404, /%2F/],
    ["/v1/buckets/users/keys/a#b", 400, /%23/],
    ["/v1/buckets/users/keys64/YQ==", 400, /base64url without padding/],
    ["/v1/buckets/users/keys64/YR", 400, /base64url/],
    ["/v1/buckets/users/keys64/a%2Fb", 400, /base64url/],
    ["/v1/buckets/users/keys64/_w", 400, /not valid UTF-8/],
    ["/v1/buckets//keys/a", 400, /bucket's name/],
    ["/v1/buckets/a%62/keys/a", 400, /bucket's name/],
    ["/v1/buckets/a b/keys/a", 400, /not an HTTP request/],
    ["/v1/buckets/sch%C3%B6n/keys/a", 400, /bucket's name/],
    [`/v1/buckets/${"b".repeat(65)}/keys/a`, 400, /bucket's name/],
    ["/v1/buckets/users", 404, /no such path/],
    ["/v1/buckets/us%20ers/keys", 400, /a bucket's name/],
    ["/v1/buckets/users/locks/a", 404, /no such path/],
    ["/v1//buckets/users/keys/a", 404, /no such path/],
    ["/V1/buckets/users/keys/a", 404, /no such path/],
  ];
  for (const [path, status, detail] of table) {
    const answer = await rawGet(path);
    assert.match(answer, new RegExp(`^HTTP/1.1 ${status} `), path);
    assert.match(answer, /\r\nContent-Type: application\/problem\+json\r\n/i, path);
    assert.match(bodyOf(answer).detail as string, detail, path);
  }
});

test("a bucket is any name of the permitted letters, and takes the defaults when it is not configured", async () => {
  for (const bucket of ["users", "__proto__", "..", ".", "A-Z_0.9", "b".repeat(64)]) {
    assert.match(await rawGet(`/v1/buckets/${bucket}/keys/a`), /^HTTP\/1.1 404 /);
    assert.equal(edge.store.reads.at(-1)?.bucket, bucket);
    assert.equal(edge.store.reads.at(-1)?.level, "QUORUM");
  }
  await edge.ask("GET", "/v1/buckets/short/keys/a");
  assert.equal(edge.store.reads.at(-1)?.level, "ONE");
  await edge.ask("DELETE", "/v1/buckets/short/keys/a");
  assert.equal(edge.store.writes.at(-1)?.level, "ALL");
});

test("levels are names in any case, or numbers of owners", async () => {
  const levels: [text: string, level: Level][] = [
    ...LEVEL_NAMES.map((name): [string, Level] => [name, name]),
    ["quorum", "QUORUM"],
    ["Local_Quorum", "LOCAL_QUORUM"],
    ["%4fNE", "ONE"],
    ["1", 1],
    ["3", 3],
  ];
  for (const [text, level] of levels) {
    if (level !== "ANY") {
      await edge.ask("GET", `/v1/buckets/users/keys/a?r=${text}`);
      assert.equal(edge.store.reads.at(-1)?.level, level);
    }
    await edge.ask("PUT", `/v1/buckets/users/keys/a?w=${text}`, { body: "x" });
    assert.equal(edge.store.writes.at(-1)?.level, level);
    await edge.ask("DELETE", `/v1/buckets/users/keys/a?w=${text}`);
    assert.equal(edge.store.writes.at(-1)?.level, level);
  }
});

test("parameters reach the store", async () => {
  await edge.ask("GET", "/v1/buckets/users/keys/a");
  assert.equal(edge.store.reads.at(-1)?.deadlineMs, 2000);
  assert.equal(edge.store.reads.at(-1)?.mend, true);
  await edge.ask("GET", "/v1/buckets/users/keys/a?&r=ONE&mend=never&hedge=never&timeout=500ms&");
  const hedge = { after: { kind: "never" }, budgetPercent: 10 };
  const { key: _key, ...read } = edge.store.reads.at(-1) ?? {};
  assert.deepEqual(read, {
    ...{ bucket: "users", sort: undefined, level: "ONE", deadlineMs: 500, mend: false },
    hedge,
  });
  const expiries: [path: string, expiresAtMs: number | undefined][] = [
    ["users/keys/a", undefined],
    ["users/keys/a?ttl=90s", NOW_MS + 90_000],
    ["short/keys/a", NOW_MS + 60_000],
    ["short/keys/a?ttl=2h", NOW_MS + 7_200_000],
  ];
  for (const [path, expiresAtMs] of expiries) {
    await edge.ask("PUT", `/v1/buckets/${path}`, { body: "x", headers: { "content-type": "a/b" } });
    const op = edge.store.writes.at(-1)?.op;
    assert.deepEqual(op, { kind: "put", contentType: "a/b", value: Buffer.from("x"), expiresAtMs }, path);
  }
});

test("a parameter that is not understood is refused by name", async () => {
  const table: [method: string, query: string, detail: RegExp][] = [
    ["GET", "r=ANY", /ANY is a level of writes/],
    ["PUT", "w=ane", /^w takes ANY, ONE.*not "ane"; did you mean ANY\?/],
    ["GET", "r=0", /number from 1 to 3, not "0"/],
    ["GET", "r=4", /number from 1 to 3/],
    ["GET", "r=01", /not "01"/],
    ["GET", "r=1.5", /not "1.5"/],
    ["GET", "r=", /not ""/],
    ["GET", "r", /not ""/],
    ["GET", "r=QUORUN", /did you mean QUORUM\?/],
    ["GET", "r=constructor", /not "constructor"/],
    ["GET", "r=ONE&r=ONE", /r is given twice/],
    ["GET", "w=ONE", /unknown parameter "w": a read takes r, timeout, mend, merge, hedge, sort; did you mean r\?/],
    ["PUT", "r=ONE", /unknown parameter "r": a put takes w, timeout, ttl, stamp, sort; did you mean w\?/],
    ["DELETE", "ttl=1s", /unknown parameter "ttl": a delete takes w, timeout, stamp, sort/],
    ["PUT", "stamp=1", /clientStamps: true in the cluster's file/],
    ["DELETE", "stamp=1", /clientStamps: true in the cluster's file/],
    ["GET", "timout=1s", /did you mean timeout\?/],
    ["GET", "__proto__=1", /unknown parameter "__proto__"/],
    ["GET", "sort=a", /row bucket/],
    ["GET", `${"x".repeat(100)}=1`, /"x{40}\u00e2\u0080\u00a6"/],
    ["GET", "r=%", /not percent-encoded/],
    ["GET", "%ff=1", /not percent-encoded/],
    ["GET", "timeout=500", /duration such as 500ms/],
    ["GET", "timeout=0ms", /duration/],
    ["GET", "timeout=-1s", /duration/],
    ["GET", "timeout=31s", /at most 30000ms/],
    ["PUT", "ttl=soon", /duration such as 60s/],
    ["PUT", "ttl=0s", /duration/],
    ["PUT", "ttl=999999999h", /^ttl is at most 31622400000000ms \(ttlMsMax\)$/],
    ["GET", "mend=always", /mend takes only never/],
    ["GET", "merge=always", /merge takes only never/],
    ["GET", "hedge=p101", /hedge takes p50 to p999, a duration such as 10ms, .* not "p101"/],
    ["GET", "hedge=tied", /tied requests are not built yet/],
    ["GET", "r=ONE#x", /not "ONE#x"/],
    ["GET", "r=ONE;mend=never", /not "ONE;mend=never"/],
  ];
  for (const [method, query, detail] of table) {
    const path = `/v1/buckets/users/keys/a?${query}`;
    const answer = await edge.raw(`${method} ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
    assert.match(answer, /^HTTP\/1.1 400 /, `${method} ${query}`);
    assert.match(bodyOf(answer).detail as string, detail, `${method} ${query}`);
    assert.equal(bodyOf(answer).code, "bad-request");
  }
});

test("a client stamps its own writes where the bucket allows it, and not above its time or below its context", async () => {
  const path = "/v1/buckets/stamped/keys/a";
  const stampUs = NOW_MS * 1000 + 7;
  for (const method of ["PUT", "DELETE"]) {
    assert.equal((await edge.ask(method, `${path}?stamp=${stampUs}`)).status, 204);
    assert.equal(edge.store.writes.at(-1)?.stampUs, stampUs);
  }
  await edge.ask("PUT", path);
  assert.equal(edge.store.writes.at(-1)?.stampUs, undefined);
  const batch = { writes: [{ bucket: "stamped", key: "b", value: "", stamp: stampUs }] };
  const headers = { "content-type": "application/json" };
  assert.equal((await edge.ask("POST", "/v1/batch", { body: JSON.stringify(batch), headers })).status, 200);
  assert.equal(edge.store.writes.at(-1)?.stampUs, stampUs);
  const count = edge.store.writes.length;
  const context = String((await edge.ask("GET", path)).headers["murmur-context"]);
  const table: [query: string, headers: Record<string, string>, detail: RegExp][] = [
    [`stamp=${(NOW_MS + 11_000) * 1000}`, {}, /^stamp is from too far in the future/],
    [`stamp=${NOW_MS * 1000}`, { "murmur-context": context }, /^stamp is not above the context/],
    ["stamp=0", {}, /^stamp takes microseconds since 1970, not "0"/],
    ["stamp=1e6", {}, /^stamp takes microseconds/],
    ["stamp=9999999999999999", {}, /^stamp takes microseconds/],
  ];
  for (const [query, sent, detail] of table) {
    const answer = await edge.ask("PUT", `${path}?${query}`, { headers: sent });
    assert.deepEqual([answer.status, answer.json.code], [400, "bad-request"], query);
    assert.match(String(answer.json.detail), detail);
  }
  assert.equal(edge.store.writes.length, count);
});
