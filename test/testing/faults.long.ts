/** Faults of every kind on top of each other, while clients write; then heal, and demand all that was promised. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { below, shuffled } from "../../src/base/random.js";
import { RealRandom } from "../../src/real/random.js";
import { startCluster, type TestCluster } from "../../src/testing/start-cluster.js";
import { eachOf } from "../process-cluster.js";

const ROUNDS = 40;
const WRITERS = 8;
const random = new RealRandom();

function anyOf<Item>(items: readonly Item[]): Item {
  return items[below(random, items.length)] as Item;
}

function keyUrl(cluster: TestCluster, key: string, query: string): string {
  const running = cluster.nodes.filter(({ state }) => state === "running");
  return `${anyOf(running).url}/v1/buckets/b/keys/${key}?${query}`;
}

/** Writes one key after the other until told to cease; what is not acknowledged promises nothing. */
async function write(cluster: TestCluster, name: string, kept: Set<string>, isOver: () => boolean): Promise<void> {
  for (let count = 0; !isOver(); count++) {
    const key = `${name}-${count}`;
    const url = keyUrl(cluster, key, "w=QUORUM&timeout=200ms");
    const status = await fetch(url, { method: "PUT", body: key }).then(
      (response) => response.status,
      () => 0,
    );
    if (status === 204) kept.add(key);
  }
}

/** One more fault, or one less. Two nodes are never down, so that some writes succeed. */
async function disturb(cluster: TestCluster): Promise<void> {
  const ids = shuffled(
    random,
    cluster.nodes.map(({ id }) => id),
  );
  const [one, two] = ids as [string, string];
  const notRunning = cluster.nodes.filter(({ state }) => state !== "running");
  const acts = [
    () => cluster.partition(ids.slice(0, 2), ids.slice(2)),
    () => cluster.cut(one, two),
    () => cluster.slow(one, { percent: 50, delayMs: 30 }),
    () => cluster.heal(),
  ];
  const stop = [() => cluster.kill(one), () => cluster.drain(one), () => cluster.pause(one)];
  for (const { id, state } of notRunning) {
    acts.push(() => (state === "paused" ? cluster.resume(id) : cluster.start(id)));
  }
  await anyOf(notRunning.length < 2 && cluster.node(one).state === "running" ? [...acts, ...stop] : acts)();
}

test("whatever faults come together, nothing that was acknowledged at QUORUM is lost", async () => {
  await using cluster = await startCluster({ nodes: 5 });
  const kept = new Set<string>();
  let isOver = false;
  const writers = Array.from({ length: WRITERS }, (_, index) => write(cluster, `w${index}`, kept, () => isOver));
  for (let round = 0; round < ROUNDS; round++) await disturb(cluster);
  await cluster.heal();
  await cluster.start();
  isOver = true;
  await Promise.all(writers);
  assert.ok(kept.size > ROUNDS, `only ${kept.size} writes were acknowledged`);
  await eachOf([...kept], WRITERS, async (key) => {
    const answer = await fetch(keyUrl(cluster, key, "r=ALL&timeout=20s"));
    assert.deepEqual([answer.status, await answer.text()], [200, key]);
  });
});
