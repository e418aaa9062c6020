/** A disk that is really full: a small file system of its own under one node's data. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { test } from "node:test";
import { ProcessCluster, until } from "./process-cluster.js";

const DISK_BYTES = 3 * 1024 * 1024;
const VALUE = Buffer.alloc(100_000, "x");

test("a full disk is 507, reads go on, and room makes writes go on", async (context) => {
  const cluster = await ProcessCluster.create({ nodes: 1 });
  const folder = cluster.dataOf("n1");
  mkdirSync(folder, { recursive: true });
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${DISK_BYTES}`, "tmpfs", folder]);
  try {
    if (mounted.status !== 0) {
      assert.ok(process.env.MURMUR_REQUIRE_ALL !== "1", `no file system could be mounted: ${mounted.stderr}`);
      return context.skip("mounting a small file system needs root");
    }
    await cluster.startAll();
    const stored: string[] = [];
    const fill = async () => {
      const key = `key ${stored.length}`;
      const answer = await cluster.put("n1", "b", key, VALUE);
      if (answer.status === 204) stored.push(key);
      return answer;
    };
    const full = await until(fill, ({ status }) => status !== 204);
    assert.equal(full.status, 507, String(full.body));
    assert.equal(JSON.parse(String(full.body)).code, "disk-full");
    assert.ok(stored.length > 5);
    for (const key of stored) assert.ok((await cluster.get("n1", "b", key)).body.equals(VALUE), key);
    const grown = spawnSync("mount", ["-o", `remount,size=${4 * DISK_BYTES}`, folder]);
    assert.equal(grown.status, 0, String(grown.stderr));
    assert.equal((await fill()).status, 204);
    await cluster.kill("n1");
    await cluster.startAll();
    for (const key of stored) assert.ok((await cluster.get("n1", "b", key)).body.equals(VALUE), key);
  } finally {
    await cluster.killAll();
    if (mounted.status === 0) spawnSync("umount", [folder]);
    await cluster.close();
  }
});
