/** A write that counts once is asked for again: whatever the later attempts meet, what the first one may have done is told. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { MurmurClient, type MurmurError } from "../../src/client/client.js";
import { type ClientWorld, REAL_WORLD } from "../../src/client/world.js";
import { until } from "../ports/until.js";
import { type Asked, CONTEXT, FakeCluster, problem, reply } from "./fake-cluster.js";

let cluster: FakeCluster;
let db: MurmurClient;
/** What a node does with the first write, the second, and so on; the last one goes for all that follow. */
let deeds: FakeCluster["nodes"][number]["instead"][];
let written: Asked[];

beforeEach(async () => {
  written = [];
  cluster = await FakeCluster.start(1);
  for (const node of cluster.nodes) {
    node.instead = (asked, response) => {
      if (asked.method === "GET") return asked.path.endsWith("/silent");
      written.push(asked);
      const deed = deeds.length > 1 ? deeds.shift() : deeds[0];
      return deed?.(asked, response) ?? false;
    };
  }
  db = new MurmurClient({ nodes: cluster.urls, limits: { attemptsMax: 3, backoffMs: 1, unavailableRestMs: 0 } });
});
afterEach(async () => {
  await db.close();
  await cluster.stop();
});

const breaks: (typeof deeds)[number] = (_asked, response) => response.destroy() !== undefined;
const refuses: (typeof deeds)[number] = (_asked, response) => problem(response, 503, "unavailable");
const named = { idempotencyKey: "once" };
const item = { bucket: "b", key: "k", op: { add: 1 }, ...named };

test("a retry that is refused does not make the first attempt undone", async () => {
  const users = db.bucket("b");
  const calls: (() => Promise<unknown>)[] = [
    () => users.put("k", 1, named),
    () => users.put("k", 1, { stamp: 1_700_000_000_000_000 }),
    () => users.delete("k", named),
    () => users.add("k", 1, named),
    () => db.batch({ writes: [item] }),
  ];
  for (const call of calls) {
    deeds = [breaks, refuses];
    await assert.rejects(call(), { name: "UnavailableError", mayHaveApplied: true });
    deeds = [refuses];
    await assert.rejects(call(), { name: "UnavailableError", mayHaveApplied: false });
  }
  deeds = [breaks, (_asked, response) => problem(response, 422, "idempotency-mismatch")];
  await assert.rejects(users.put("k", 1, named), { name: "BadRequestError", mayHaveApplied: true });
  deeds = [breaks, refuses];
  const [told] = await users.addMany([["k", 1]], named);
  assert.ok(told?.ok === false && told.error.mayHaveApplied);
});

test("a batch is asked for again when all its writes count once, under names or with stamps of their own", async () => {
  const stamp = 1_700_000_000_000_000;
  const stamped = { bucket: "b", key: "s", value: 1, stamp } as const;
  const deleted = { bucket: "b", key: "d", delete: true, stamp } as const;
  const plain = { bucket: "b", key: "p", value: 1 } as const;
  const done: (typeof deeds)[number] = (_asked, response) =>
    reply(response, 200, { results: Array(3).fill({ status: 204, context: CONTEXT }) });
  deeds = [breaks, done];
  const { writes } = await db.batch({ writes: [item, stamped, deleted] });
  assert.ok(writes.every(({ ok }) => ok));
  assert.deepEqual(
    String(written[0]?.body).match(/"writes":.*]/)?.[0],
    String(written[1]?.body).match(/"writes":.*]/)?.[0],
  );
  deeds = [breaks, done];
  await assert.rejects(db.batch({ writes: [item, plain, deleted] }), { name: "ConnectionError", mayHaveApplied: true });
  assert.equal(written.length, 3);
});

test("an item of a batch that is refused at last may have been done at first", async () => {
  const refusal = { status: 503, code: "unavailable", detail: "as told", mayHaveApplied: false };
  const results = [{ status: 404, context: CONTEXT }, refusal, refusal];
  const answers: (typeof deeds)[number] = (_asked, response) => reply(response, 200, { results });
  const question = {
    reads: [
      { bucket: "b", key: "r" },
      { bucket: "b", key: "s" },
    ],
    writes: [item],
  };
  for (const isUnknown of [true, false]) {
    deeds = isUnknown ? [breaks, answers] : [answers];
    const { reads, writes } = await db.batch(question);
    const errors = [...reads, ...writes].flatMap((each): MurmurError[] => (each.ok ? [] : [each.error]));
    assert.deepEqual(
      errors.map(({ mayHaveApplied }) => mayHaveApplied),
      [false, isUnknown],
    );
  }
});

test("a deadline that meets the retry before it has left tells of the first attempt", async () => {
  await db.close();
  db = new MurmurClient({ nodes: cluster.urls, limits: { socketsMax: 1, backoffMs: 1 } });
  deeds = [(_asked, response) => held.push(response) > 0];
  const held: { destroy(): unknown }[] = [];
  const put = db.bucket("b").put("k", 1, { ...named, timeoutMs: 100 });
  await until(() => held.length === 1);
  const silent = assert.rejects(db.bucket("b").get("silent"), { name: "ClosedError" });
  held[0]?.destroy();
  await assert.rejects(put, { name: "TimeoutError", mayHaveApplied: true });
  assert.equal(written.length, 1);
  await db.close();
  await silent;
});

test("the client's end between two attempts tells of the first one", async () => {
  await db.close();
  const longestMs = 400;
  const world: ClientWorld = {
    ...REAL_WORLD,
    random: { u32: () => 2 ** 32 - 1 },
    after(delayMs, fn) {
      if (Math.round(delayMs) === longestMs) setImmediate(() => db.close());
      return REAL_WORLD.after(delayMs, fn);
    },
  };
  const limits = { backoffMs: longestMs, backoffMsMax: longestMs };
  db = new MurmurClient({ nodes: cluster.urls, limits }, world);
  deeds = [breaks];
  await assert.rejects(db.bucket("b").put("k", 1, named), { name: "ClosedError", mayHaveApplied: true });
  deeds = [refuses];
  db = new MurmurClient({ nodes: cluster.urls, limits }, world);
  await assert.rejects(db.bucket("b").put("k", 1, named), { name: "ClosedError", mayHaveApplied: false });
});
