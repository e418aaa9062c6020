/** Counters, sets, maps and siblings in the client: what is sent, what comes back, and what is never sent twice or by itself. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { ConnectionError, MurmurClient, type MurmurError, TimeoutError } from "../../src/client/client.js";
import { type Asked, CONTEXT, FakeCluster, problem, reply } from "./fake-cluster.js";

let cluster: FakeCluster;
let db: MurmurClient;
/** What a POST leaves, and a GET finds. */
let value: unknown;

beforeEach(async () => {
  asked = [];
  cluster = await FakeCluster.start(3);
  const types = { visits: "counter", tags: "set", profiles: "map", carts: "siblings" };
  cluster.buckets = Object.entries(types).map(([bucket, type]) => ({ bucket, type, replication: 3 }));
  db = new MurmurClient({ nodes: cluster.urls });
  answerAll((_asked, response) => reply(response, 200, { value, context: CONTEXT }, { "Murmur-Context": CONTEXT }));
});
afterEach(async () => {
  await db.close();
  await cluster.stop();
});

/** In the order in which they came, whichever node was asked. */
let asked: Asked[];

function answerAll(instead: FakeCluster["nodes"][number]["instead"]): void {
  for (const node of cluster.nodes) {
    node.instead = (each, response) => {
      asked.push(each);
      return instead(each, response);
    };
  }
}

const last = () => asked.at(-1) as Asked;
const sent = () => [last().method, last().path, JSON.parse(String(last().body))];

test("each change is a POST of JSON, and answers what the key holds now", async () => {
  value = 42;
  assert.deepEqual(await db.bucket("visits").add("home", -5, { consistency: "ALL" }), { value: 42, context: CONTEXT });
  assert.deepEqual(sent(), ["POST", "/v1/buckets/visits/keys/home", { add: -5 }]);
  assert.equal(last().headers["content-type"], "application/json");
  assert.equal(last().query.get("w"), "ALL");
  value = ["a", "b"];
  const tags = db.bucket("tags");
  assert.deepEqual(await tags.addTo("ada", ["a", "b"]), { value: ["a", "b"], context: CONTEXT });
  assert.deepEqual(sent()[2], { add: ["a", "b"] });
  await tags.removeFrom("ada", "c", { context: "c2Vu" });
  assert.deepEqual([sent()[2], last().headers["murmur-context"]], [{ remove: ["c"] }, "c2Vu"]);
  await tags.editSet("ada", { add: ["a"], remove: ["c"] });
  assert.deepEqual(sent()[2], { add: ["a"], remove: ["c"] });
  value = { name: "Ada" };
  const edit = { set: { name: "Ada" }, counters: { n: 1 }, sets: { s: { add: ["x"] } }, maps: {}, remove: ["old"] };
  assert.deepEqual((await db.bucket("profiles").editMap("ada", edit)).value, { name: "Ada" });
  assert.deepEqual(sent()[2], edit);
});

test("counters, sets and maps are read as what they are; an absent one is nothing of its kind", async () => {
  const [visits, tags, profiles] = [db.bucket("visits"), db.bucket("tags"), db.bucket("profiles")];
  value = 42;
  const { replicas: _replicas, ...count } = await visits.count("home", { consistency: "ONE" });
  assert.deepEqual(count, { found: true, value: 42, context: CONTEXT });
  assert.equal(last().query.get("r"), "ONE");
  value = ["a"];
  assert.deepEqual((await tags.elements("ada")).value, ["a"]);
  await assert.rejects(tags.count("ada"), { code: "bad-request", message: /this key is not a counter/ });
  await assert.rejects(tags.fields("ada"), { message: /this key is not a map/ });
  value = { name: "Ada" };
  assert.deepEqual((await profiles.fields("ada")).value, { name: "Ada" });
  await assert.rejects(profiles.elements("ada"), { message: /this key is not a set/ });
  answerAll((_asked, response) => problem(response, 404, "not-found", {}, { "Murmur-Context": CONTEXT }));
  assert.deepEqual((await visits.count("gone")).value, 0);
  assert.deepEqual((await tags.elements("gone")).value, []);
  assert.deepEqual((await profiles.fields("gone")).value, {});
  assert.equal((await profiles.fields("gone")).found, false);
});

test("an increment that may have counted is never sent again; one that certainly did not is", async () => {
  const visits = db.bucket("visits");
  value = 1;
  await visits.add("warm", 1);
  const before = asked.length;
  answerAll((_asked, response) => problem(response, 504, "timeout", { mayHaveApplied: true }));
  await assert.rejects(visits.add("home", 1), (error) => error instanceof TimeoutError && error.mayHaveApplied);
  assert.equal(asked.length, before + 1);
  answerAll((_asked, response) => {
    response.destroy();
    return true;
  });
  await assert.rejects(visits.add("home", 1), (error) => error instanceof ConnectionError && error.mayHaveApplied);
  assert.equal(asked.length, before + 2);
  let refusals = 2;
  answerAll((_asked, response) => {
    if (refusals-- > 0) return problem(response, 503, "unavailable");
    return reply(response, 200, { value, context: CONTEXT }, { "Murmur-Context": CONTEXT });
  });
  assert.equal((await visits.add("home", 1)).value, 1);
  assert.equal(asked.length, before + 5);
});

test("an answer that cannot be read leaves it open whether the change counted", async () => {
  answerAll((_asked, response) => reply(response, 200, {}, { "Murmur-Context": CONTEXT }));
  const isOpen = (error: unknown) =>
    (error as MurmurError).code === "bad-answer" && (error as MurmurError).mayHaveApplied;
  await assert.rejects(db.bucket("visits").add("home", 1), isOpen);
});

test("what makes no sense is not sent", async () => {
  const visits = db.bucket("visits");
  for (const by of [1.5, Number.NaN, 2 ** 53]) await assert.rejects(visits.add("home", by), { code: "bad-request" });
  const circle: Record<string, unknown> = {};
  circle.self = circle;
  await assert.rejects(db.bucket("profiles").editMap("ada", { set: circle }), { code: "bad-request" });
  assert.equal(asked.length, 0);
});

test("only in a bucket of registers a context is remembered and sent by itself", async () => {
  value = 1;
  const users = db.bucket("users");
  await users.get("k");
  // As long as the client has not learned the types, it sends none at all.
  do await users.addTo("k", "v");
  while (last().headers["murmur-context"] === undefined);
  const before = asked.length;
  for (const bucket of ["carts", "visits", "tags", "profiles"].map((name) => db.bucket(name))) {
    await bucket.get("k");
    await bucket.addTo("k", "v");
  }
  assert.equal(asked.length, before + 8);
  assert.ok(asked.slice(before).every(({ headers }) => headers["murmur-context"] === undefined));
});

test("a batch changes keys too, and tells what they hold", async () => {
  const held = Buffer.from('{"value":["a"]}').toString("base64");
  const results = [
    { status: 200, value: held, contentType: "application/json", context: CONTEXT },
    { status: 204, context: CONTEXT },
    { status: 409, code: "out-of-range", detail: "too much", mayHaveApplied: false },
  ];
  answerAll((_asked, response) => reply(response, 200, { results }));
  const op = { add: ["a"] };
  const { writes } = await db.batch({
    writes: [
      { bucket: "tags", key: "ada", op, context: "c2Vu" },
      { bucket: "tags", key: "bob", op },
      { bucket: "visits", key: "home", op: { add: 1 } },
    ],
  });
  assert.deepEqual(writes.slice(0, 2), [
    { ok: true, context: CONTEXT, value: ["a"] },
    { ok: true, context: CONTEXT },
  ]);
  assert.equal(writes[2]?.ok === false && writes[2].error.code, "out-of-range");
  const [first] = (JSON.parse(String(last().body)) as { writes: unknown[] }).writes;
  assert.deepEqual(first, { bucket: "tags", key: "ada", op, context: "c2Vu" });
});
