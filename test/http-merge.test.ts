/** Siblings that a merge function made one value of, as clients are answered. */
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { utf8 } from "../src/base/bytes.js";
import type { Mergers } from "../src/http/merging.js";
import type { Content } from "../src/lattice/lattice.js";
import { startEdge, type TestEdge } from "./http-harness.js";

const ENVELOPE = { accept: "application/vnd.murmur+json" };

/** Joins texts; a text "fail" cannot be joined. */
const joining: Mergers & { asked: string[] } = {
  asked: [],
  merge(bucket, key, contents, onMerged) {
    this.asked.push(`${bucket}/${key}`);
    const texts = contents.map(({ value }) => Buffer.from(value).toString());
    const joined: Content = { contentType: contents[0]?.contentType ?? "", value: utf8(texts.join("+")) };
    setImmediate(() => onMerged(texts.includes("fail") ? undefined : joined));
  },
};

let edge: TestEdge;
let count = 0;
let key: string;
let path: string;
before(async () => {
  edge = await startEdge({ mergers: joining, limits: { batchAnswerBytesMax: 40, valueBytesMax: 40 } });
});
after(() => edge.stop());
beforeEach(() => {
  joining.asked = [];
  key = `cart${count++}`;
  path = `/v1/buckets/carts/keys/${key}`;
});

function put(value: string, headers: Record<string, string> = {}, contentType = "text/a"): Promise<unknown> {
  return edge.ask("PUT", path, { body: value, headers: { "content-type": contentType, ...headers } });
}

test("siblings are answered as one value, with the context of all of them: a put with it supersedes them", async () => {
  await put("a");
  assert.equal((await edge.ask("GET", path)).body.toString(), "a");
  assert.deepEqual(joining.asked, [], "one value is not merged");
  await put("b");
  const merged = await edge.ask("GET", path);
  assert.deepEqual([merged.status, merged.headers["content-type"], merged.body.toString()], [200, "text/a", "a+b"]);
  assert.deepEqual(joining.asked, [`carts/${key}`]);
  const raw = await edge.ask("GET", `${path}?merge=never`, { headers: { accept: "application/json" } });
  assert.deepEqual([raw.status, (raw.json.siblings as unknown[]).length], [300, 2]);
  assert.equal(merged.headers["murmur-context"], raw.headers["murmur-context"]);
  assert.notEqual(merged.headers.etag, raw.headers.etag);
  await put("settled", { "murmur-context": String(merged.headers["murmur-context"]) });
  assert.equal((await edge.ask("GET", `${path}?merge=never`)).body.toString(), "settled");
});

test("a merged value is not known by its tag: another version of the function may make another one", async () => {
  for (const value of ["a", "b"]) await put(value);
  const { etag } = (await edge.ask("GET", path)).headers;
  assert.match(String(etag), /^W\//);
  assert.equal((await edge.ask("GET", path, { headers: { "if-none-match": String(etag) } })).status, 200);
});

test("the envelope and a batch say that a value is merged", async () => {
  for (const value of ["a", "b"]) await put(value);
  const { json } = await edge.ask("GET", path, { headers: ENVELOPE });
  const value = Buffer.from("a+b").toString("base64");
  assert.deepEqual([json.found, json.merged, json.value, json.siblings], [true, true, value, []]);
  const batch = async (wishes: object) => {
    const body = JSON.stringify({
      reads: [
        { bucket: "carts", key },
        { bucket: "carts", key: "none" },
      ],
      ...wishes,
    });
    const answer = await edge.ask("POST", "/v1/batch", { body, headers: { "content-type": "application/json" } });
    return answer.json.results as Record<string, unknown>[];
  };
  const [merged, absent] = await batch({});
  assert.deepEqual([merged?.status, merged?.merged, merged?.value, absent?.status], [200, true, value, 404]);
  assert.equal((await batch({ merge: "never" }))[0]?.status, 300);
});

test("what a function cannot merge, or makes a type of that no header may have, is answered as siblings", async () => {
  for (const value of ["a", "fail"]) await put(value);
  assert.equal((await edge.ask("GET", path)).status, 300);
  const { json } = await edge.ask("GET", path, { headers: ENVELOPE });
  assert.deepEqual([json.merged, (json.siblings as unknown[]).length], [undefined, 2]);
  const merge = joining.merge;
  joining.merge = (_bucket, _key, _contents, onMerged) => onMerged({ contentType: "a\r\nb", value: utf8("x") });
  assert.equal((await edge.ask("GET", path)).status, 300);
  joining.merge = merge;
});

test("values of a batch that have no room when merged stay siblings", async () => {
  const paths = [path, `${path}-2`];
  for (path of paths) for (const value of ["a".repeat(9), "b".repeat(9)]) await put(value);
  const reads = [key, `${key}-2`].map((each) => ({ bucket: "carts", key: each }));
  const body = JSON.stringify({ reads });
  const answer = await edge.ask("POST", "/v1/batch", { body, headers: { "content-type": "application/json" } });
  const statuses = (answer.json.results as { status: number }[]).map(({ status }) => status);
  assert.deepEqual(statuses.sort(), [200, 200], "19 bytes each are no more than 40");
  for (path of paths) await put("c");
  const again = await edge.ask("POST", "/v1/batch", { body, headers: { "content-type": "application/json" } });
  assert.deepEqual((again.json.results as { status: number }[]).map(({ status }) => status).sort(), [200, 300]);
});
