/** GET /v1/buckets/{bucket}/keys: what the edge makes of it. */
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import fc from "fast-check";
import { NO_BYTES, utf8, Writer } from "../src/base/bytes.js";
import { hash128, tokenOf } from "../src/base/hash.js";
import type { Failure } from "../src/coordinator/outcome.js";
import { pageToken, readPageToken } from "../src/http/page-token.js";
import { orderedToken } from "../src/replica/rows.js";
import { startEdge, type TestEdge } from "./http-harness.js";

const LIST = "/v1/buckets/users/keys";
const KEY = utf8("größe\u0000");
const NEXT = { token: orderedToken(tokenOf(KEY)), key: KEY, sort: utf8("a\u0000") };

let edge: TestEdge;
before(async () => {
  edge = await startEdge();
});
after(() => edge.stop());
beforeEach(() => {
  edge.store.lists.length = 0;
  edge.store.listOutcome = { ok: true, keys: [utf8("b"), KEY], next: NEXT };
});

test("keys are texts, and next leads on from where the page ended", async () => {
  const first = await edge.ask("GET", LIST);
  assert.equal(first.status, 200);
  assert.equal(first.headers["content-type"], "application/json");
  assert.deepEqual(first.json.keys, ["b", "größe\u0000"]);
  edge.store.listOutcome = { ok: true, keys: [], next: undefined };
  const second = await edge.ask("GET", `${LIST}?limit=7&after=${first.json.next}&r=all&timeout=50ms&hedge=never`);
  assert.deepEqual(second.json, { keys: [], next: null });
  const [without, asked] = edge.store.lists;
  assert.deepEqual([without?.keysMax, without?.level, without?.after], [100, "QUORUM", undefined]);
  assert.deepEqual([asked?.keysMax, asked?.level, asked?.deadlineMs], [7, "ALL", 50]);
  assert.deepEqual(asked?.hedge.after, { kind: "never" });
  assert.deepEqual(asked?.after?.token, NEXT.token);
  assert.ok(Buffer.from(KEY).equals(asked?.after?.key as Uint8Array));
});

test("HEAD is GET without the keys", async () => {
  const [got, head] = [await edge.ask("GET", LIST), await edge.ask("HEAD", LIST)];
  assert.equal(head.status, 200);
  assert.equal(head.headers["content-length"], got.headers["content-length"]);
  assert.equal(head.body.length, 0);
});

test("wrong wishes are refused by name", async () => {
  const next = pageToken("users", NEXT);
  const table: [method: string, path: string, status: number, detail: RegExp][] = [
    ["GET", `${LIST}?limit=0`, 400, /^limit takes a number from 1 to 1000, not "0"$/],
    ["GET", `${LIST}?limit=1001`, 400, /^limit takes/],
    ["GET", `${LIST}?limit=1e2`, 400, /^limit takes/],
    ["GET", `${LIST}?limt=5`, 400, /^unknown parameter "limt".*did you mean limit\?$/],
    ["GET", `${LIST}?after=`, 400, /^after takes the next of a page of this bucket, as it was answered$/],
    ["GET", `${LIST}?after=AQ`, 400, /^after takes/],
    ["GET", `${LIST}?after=${next}A`, 400, /^after takes/],
    ["GET", `/v1/buckets/carts/keys?after=${next}`, 400, /^after takes/],
    ["GET", `${LIST}?r=ANY`, 400, /^ANY is a level of writes/],
    ["GET", `${LIST}?mend=never`, 400, /^unknown parameter "mend"/],
    ["GET", "/v1/buckets/a%20b/keys", 400, /^a bucket's name/],
    ["GET", "/v1/buckets//keys", 400, /^a bucket's name/],
    ["POST", LIST, 405, /takes GET, HEAD$/],
    ["DELETE", LIST, 405, /takes GET, HEAD$/],
    ["GET", `${LIST}/`, 400, /^the key is empty$/],
    ["GET", "/v1/buckets/users/x/keys", 404, /^no such path/],
  ];
  for (const [method, path, status, detail] of table) {
    const answer = await edge.ask(method, path);
    assert.equal(answer.status, status, `${method} ${path}`);
    assert.match(String(answer.json.detail), detail, `${method} ${path}`);
  }
  assert.deepEqual(edge.store.lists, []);
});

test("a listing that cannot be answered fails as a read would", async () => {
  const failure: Failure = {
    ...{ kind: "unavailable", detail: "down: n2, n3", level: "QUORUM", required: 2, received: 0, alive: 1 },
    ...{ mayHaveApplied: false, replicas: [] },
  };
  edge.store.listOutcome = { ok: false, failure };
  const answer = await edge.ask("GET", LIST);
  assert.deepEqual([answer.status, answer.json.code, answer.json.alive], [503, "unavailable", 1]);
});

test("a text that was forged with care, its checksum too, is refused like any other", async () => {
  const place = new Writer().u64(0n).u16(65_535).finish();
  const sum = hash128(0x6e657874, new Writer().short(utf8("users")).raw(place).finish()).subarray(0, 8);
  const forged = Buffer.from(new Writer().u8(2).raw(sum).raw(place).finish()).toString("base64url");
  assert.equal((await edge.ask("GET", `${LIST}?after=${forged}`)).status, 400);
});

test("every position comes back from its token, and no other text is one", () => {
  const name = fc.stringMatching(/^[A-Za-z0-9_.-]{1,64}$/);
  const keyed = fc
    .string({ unit: "binary", minLength: 1, maxLength: 50 })
    .map((text) => ({ token: orderedToken(tokenOf(utf8(text))), key: utf8(text), sort: utf8(text.slice(1)) }));
  const bare = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map((token) => ({ token, key: NO_BYTES, sort: NO_BYTES }));
  fc.assert(
    fc.property(name, fc.oneof(keyed, bare), fc.nat(), fc.integer({ min: 1, max: 255 }), (bucket, place, at, flip) => {
      const text = pageToken(bucket, place);
      const read = readPageToken(bucket, text);
      assert.equal(read?.token, place.token);
      assert.ok(Buffer.from(place.key).equals(read?.key as Uint8Array));
      assert.ok(Buffer.from(place.sort).equals(read?.sort as Uint8Array));
      assert.equal(readPageToken(`${bucket}.`, text), undefined);
      const forged = Buffer.from(text, "base64url");
      forged[at % forged.length] = (forged[at % forged.length] as number) ^ flip;
      assert.equal(readPageToken(bucket, forged.toString("base64url")), undefined);
    }),
  );
});
