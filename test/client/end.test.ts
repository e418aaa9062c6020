/** The end of a client: nothing of it goes on, and nothing of it holds the process. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { MurmurClient } from "../../src/client/client.js";
import { Fleet } from "../../src/client/fleet.js";
import { Learner } from "../../src/client/learner.js";
import { CLIENT_LIMITS } from "../../src/client/limits.js";
import { Rest } from "../../src/client/rest.js";
import { type ClientWorld, REAL_WORLD } from "../../src/client/world.js";
import { until } from "../ports/until.js";
import { FakeCluster, problem } from "./fake-cluster.js";

let cluster: FakeCluster;
/** Of the timers that hold a process, how long each waits. */
let waiting: Set<number>;
let world: ClientWorld;

beforeEach(async () => {
  cluster = await FakeCluster.start(2);
  waiting = new Set();
  world = {
    ...REAL_WORLD,
    random: { u32: () => 2 ** 32 - 1 },
    after(delayMs, fn) {
      const delay = Math.round(delayMs);
      const forget = () => waiting.delete(delay);
      const cancel = REAL_WORLD.after(delayMs, () => {
        forget();
        fn();
      });
      waiting.add(delay);
      return () => {
        forget();
        cancel();
      };
    },
  };
});
afterEach(() => cluster.stop());

test("a wait between two attempts of a batch ends with the client, and with its caller's word", async () => {
  for (const node of cluster.nodes) node.instead = (_asked, response) => problem(response, 503, "overloaded");
  const waitMs = 50_000;
  const limits = { backoffMs: waitMs, backoffMsMax: waitMs, timeoutMs: 2 * waitMs };
  const db = new MurmurClient({ nodes: cluster.urls, limits }, world);
  const stop = new AbortController();
  const aborted = db.batch({ signal: stop.signal });
  await until(() => waiting.has(waitMs));
  stop.abort(new Error("no longer wanted"));
  assert.deepEqual([...waiting], []);
  await assert.rejects(aborted, /no longer wanted/);
  const closed = assert.rejects(db.batch({}), { name: "ClosedError" });
  await until(() => waiting.has(waitMs));
  await db.close();
  assert.deepEqual([...waiting], []);
  await closed;
});

test("a window of increments ends with the client", async () => {
  const db = new MurmurClient({ nodes: cluster.urls, coalesceMs: 900 }, world);
  const added = assert.rejects(db.bucket("hits").add("a", 1), { name: "ClosedError", mayHaveApplied: false });
  assert.ok(waiting.has(900));
  await db.close();
  await added;
  assert.deepEqual([...waiting], []);
});

test("nobody is asked about the cluster any more", async () => {
  const stops: (AbortSignal | undefined)[] = [];
  class SilentRest extends Rest {
    override ask(_url: string, _question: object, stop?: AbortSignal): Promise<never> {
      stops.push(stop);
      return new Promise((_resolve, reject) => stop?.addEventListener("abort", () => reject(stop.reason)));
    }
  }
  const fleet = new Fleet(cluster.urls, world, CLIENT_LIMITS);
  const learner = new Learner(fleet, new SilentRest(1, 1000, world), CLIENT_LIMITS, world);
  learner.tick(0);
  await until(() => stops.length === 1);
  learner.close();
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([stops.length, stops[0]?.aborted], [1, true]);
});

test("a client that is closed while it looks at the cluster leaves no connection behind", async () => {
  cluster.answer = () => cluster.lookedAt++;
  const db = new MurmurClient({ nodes: cluster.urls }, world);
  await db.bucket("b").get("k");
  await until(() => cluster.lookedAt === 1);
  await db.close();
  await until(() => cluster.nodes.every(({ sockets }) => sockets.size === 0));
  assert.equal(cluster.lookedAt, 1);
});
