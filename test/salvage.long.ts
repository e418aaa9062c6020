/** A real node whose store has keys out of order: it is put together anew while the cluster serves, and nothing is lost. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { eachOf, ProcessCluster, until } from "./process-cluster.js";

const KEYS = Array.from({ length: 1500 }, (_, index) => `key-${index}`);
const BUCKET = "b";

/** The highest bit of the token of every hundredth row turns round, wherever the file has the row. */
function flipTokens(file: string): number {
  const bytes = readFileSync(file);
  let flips = 0;
  for (const key of KEYS.filter((_, index) => index % 100 === 0)) {
    const address = Buffer.concat([Buffer.of(1), Buffer.from(BUCKET), Buffer.of(0, key.length), Buffer.from(key)]);
    for (let at = bytes.indexOf(address); at >= 0; at = bytes.indexOf(address, at + 1)) {
      bytes[at - 8] = (bytes[at - 8] as number) ^ 0x80;
      flips++;
    }
  }
  writeFileSync(file, bytes);
  return flips;
}

test("a store with keys out of order is salvaged by a repair, and then every row is found at every owner", async () => {
  const cluster = await ProcessCluster.create({ nodes: 3 });
  try {
    await cluster.startAll();
    await eachOf(KEYS, 32, async (key) => {
      assert.equal((await cluster.put("n1", BUCKET, key, `value of ${key}`, "?w=ALL")).status, 204);
    });
    await cluster.kill("n2", "SIGTERM");
    assert.ok(flipTokens(join(cluster.dataOf("n2"), "store.db")) >= KEYS.length / 100);
    await cluster.start("n2");
    await cluster.allSeeAll();
    const first = await cluster.command(["repair"]);
    assert.equal(first.code, 1, "what was found broken is said, though it is being mended");
    const metrics = async () => String((await cluster.call("GET", "n2", "/metrics")).body);
    await until(metrics, (text) => text.includes('murmur_salvages_total{end="complete"} 1'));
    const second = await until(
      () => cluster.command(["repair"]),
      ({ code }) => code === 0,
    );
    assert.match(second.out, /n2 .*whole/);
    await cluster.allSeeAll();
    await eachOf(KEYS, 32, async (key) => {
      const { status, body } = await cluster.get("n2", BUCKET, key, "?r=ALL");
      assert.deepEqual([status, String(body)], [200, `value of ${key}`]);
    });
  } finally {
    await cluster.close();
  }
});
