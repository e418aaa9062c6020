/** A client that belongs to a datacenter asks nobody elsewhere. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { BadRequestError, MurmurClient } from "../../src/client/client.js";
import { Fleet } from "../../src/client/fleet.js";
import { CLIENT_LIMITS } from "../../src/client/limits.js";
import { REAL_WORLD } from "../../src/client/world.js";
import { FakeCluster } from "./fake-cluster.js";

let cluster: FakeCluster;
let db: MurmurClient | undefined;

beforeEach(async () => {
  cluster = await FakeCluster.start(3);
  cluster.datacenterOf = (id) => (id === "n1" ? "dc1" : "dc2");
});
afterEach(async () => {
  await db?.close();
  await cluster.stop();
});

/** Once the ring is learned, an owner of the datacenter is asked, and the same one each time. */
async function learned(client: MurmurClient, owner: string): Promise<void> {
  do {
    for (const node of cluster.nodes) node.asked.length = 0;
    for (let count = 0; count < 4; count++) await client.bucket("b").get(`${count}`);
  } while (cluster.node(owner).asked.length !== cluster.asked.length);
  for (const node of cluster.nodes) node.asked.length = 0;
}

test("the owners of its datacenter are asked, and the others of it when they fail, and nobody else", async () => {
  db = new MurmurClient({ nodes: cluster.urls, datacenter: "dc2", hedge: "never" });
  await learned(db, "n2");
  cluster.node("n2").instead = (_asked, response) => {
    response.destroy();
    return true;
  };
  for (let count = 0; count < 5; count++) await db.bucket("b").get(`${count}`);
  assert.equal(cluster.node("n1").asked.length, 0);
  assert.equal(cluster.node("n3").asked.length, 5);
});

test("a datacenter that there is not is told, with those that there are", async () => {
  db = new MurmurClient({ nodes: cluster.urls, datacenter: "dc3" });
  const client = db;
  const refused = async () => {
    for (;;) await client.bucket("b").get("k");
  };
  await assert.rejects(refused, (error) => {
    assert.ok(error instanceof BadRequestError);
    assert.match(error.detail, /no node is in datacenter dc3; there are dc1, dc2/);
    return true;
  });
});

test("two answers that do not fit together change nothing, neither whom it asks nor whether it can", () => {
  const fleet = new Fleet(["http://h:1"], REAL_WORLD, CLIENT_LIMITS, "dc1");
  const facts = (datacenter: string, http: number) => ({
    layout: { digest: "d" },
    nodes: [{ node: "n1", host: "h", http, datacenter }],
    buckets: [],
    defaults: { type: "register", replication: 1 },
  });
  const ring = (replication: number) => {
    return { partitions: 1, layout: { digest: "d" }, placements: [{ replication, owners: [["n1"]] }] };
  };
  fleet.learn(facts("dc1", 2), ring(1));
  const before = [fleet.misfit, fleet.urlsToAsk().sort(), fleet.ownersOf("b", "k").map(({ url }) => url)];
  assert.deepEqual(before, [undefined, ["http://h:1", "http://h:2"], ["http://h:2"]]);
  for (const [datacenter, http] of [
    ["dc2", 2],
    ["dc1", 3],
  ] as const) {
    assert.throws(() => fleet.learn(facts(datacenter, http), ring(3)), /a bucket has no placement/);
    assert.deepEqual([fleet.misfit, fleet.urlsToAsk().sort(), fleet.ownersOf("b", "k").map(({ url }) => url)], before);
  }
  fleet.destroy();
});
