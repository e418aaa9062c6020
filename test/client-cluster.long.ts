/** The client against real nodes: owners asked directly, nodes lost, paused, regained and restarted in turn. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { MurmurClient } from "../src/client/client.js";
import { ProcessCluster, until } from "./process-cluster.js";
import { roll } from "./rolling.js";

let cluster: ProcessCluster;
let db: MurmurClient;

before(async () => {
  cluster = await ProcessCluster.create({ nodes: 5 });
  await cluster.startAll();
  db = new MurmurClient({ nodes: [cluster.url("n1")], timeoutMs: 5000 });
});
after(async () => {
  await db.close();
  await cluster.close();
});

const keys = Array.from({ length: 40 }, (_, index) => `key ${index}`);

/** Who coordinated: the replica that was the asked node's own. */
const coordinatorOf = async (key: string) => {
  const { replicas } = await db.bucket("users").get(key);
  return replicas.find(({ role }) => role === "self")?.node;
};

test("every key is asked of its first owner, once the ring is learned", async () => {
  for (const key of keys) await db.bucket("users").put(key, { key });
  await until(
    async () => {
      const coordinators = await Promise.all(keys.map(coordinatorOf));
      const firsts = await Promise.all(keys.map(firstOwnerOf));
      return coordinators.every((node, index) => node === firsts[index]);
    },
    (isDirect) => isDirect,
  );
  for (const key of keys) assert.deepEqual((await db.bucket("users").get(key)).value, { key });
});

async function firstOwnerOf(key: string): Promise<string> {
  const name = Buffer.from(key).toString("base64url");
  const { body } = await cluster.call("GET", "n1", `/v1/owners64/users/${name}`);
  return JSON.parse(String(body)).owners[0].node;
}

test("a node that was killed costs no read, and is asked again when it is back", async () => {
  const lost = await firstOwnerOf("key 0");
  await cluster.kill(lost);
  for (const key of keys) assert.deepEqual((await db.bucket("users").get(key)).value, { key });
  for (const key of keys) await db.bucket("users").put(key, { key, again: true });
  await cluster.start(lost);
  await until(
    () => coordinatorOf("key 0"),
    (node) => node === lost,
  );
  await cluster.allSeeAll();
});

test("a paused node costs no read and, once that was noticed, no write", async () => {
  const paused = await firstOwnerOf("key 0");
  cluster.signal(paused, "SIGSTOP");
  try {
    for (const key of keys) assert.equal((await db.bucket("users").get(key)).found, true);
    for (const key of keys) await db.bucket("users").put(key, { key });
  } finally {
    cluster.signal(paused, "SIGCONT");
  }
  await until(
    () => coordinatorOf("key 0"),
    (node) => node === paused,
  );
});

test("a node is restarted under load: no QUORUM request fails, puts included", async () => {
  const { failures, operations } = await roll(cluster, db, ["n2"], 100);
  assert.deepEqual(failures, []);
  assert.ok(operations > 10);
});

test("a client sees its own writes through whichever node", async () => {
  const users = db.bucket("users");
  for (let version = 0; version < 30; version++) {
    await users.put("counted", version);
    assert.equal((await users.get("counted")).value, version);
  }
  await users.delete("counted");
  assert.equal((await users.get("counted")).found, false);
});

test("a batch reads and writes many keys at once, each with its own outcome", async () => {
  const ids = Array.from({ length: 50 }, (_, index) => `batched/${index}`);
  const { writes } = await db.batch({
    writes: [...ids.map((key) => ({ bucket: "b", key, value: { key } })), { bucket: "b", key: "gone", delete: true }],
    consistency: "QUORUM",
  });
  assert.ok(writes.length === 51 && writes.every(({ ok }) => ok));
  const { reads } = await db.batch({ reads: [...ids, "gone"].map((key) => ({ bucket: "b", key })) });
  const values = reads.map((read) => (read.ok ? read.value : read.error));
  assert.deepEqual(values, [...ids.map((key) => ({ key })), undefined]);
  assert.ok(reads.every(({ ok }) => ok));
});

test("all keys of a bucket are listed, page after page, each once", async () => {
  const ids = Array.from({ length: 25 }, (_, index) => `listed ${index} é/..`);
  await db.batch({ writes: ids.map((key) => ({ bucket: "listed", key, value: key })) });
  const listed = db.bucket("listed");
  const first = await listed.keys({ limit: 10 });
  assert.equal(first.keys.length, 10);
  const second = await listed.keys({ limit: 10, after: first.next as string });
  const all: string[] = [];
  for await (const key of listed.eachKey({ limit: 10 })) all.push(key);
  assert.deepEqual(all.slice(0, 20), [...first.keys, ...second.keys]);
  assert.deepEqual(all.toSorted(), ids.toSorted());
});
