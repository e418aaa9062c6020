/** `murmur top`: the hottest keys over all nodes. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { TopReport } from "../src/http/store.js";
import { murmur, problem, reply, startThree } from "./cli-harness.js";
import { ProcessCluster } from "./process-cluster.js";

function hot(key: string, readsPerSecond: number, writesPerSecond = 0, errorPerSecond = 0): TopReport["keys"][number] {
  return { bucket: "users", key, readsPerSecond, writesPerSecond, errorPerSecond };
}

describe("murmur top of nodes that say so", () => {
  const reports: TopReport[] = [
    { node: "n1", keys: [hot("ada", 100, 20), hot("with\nbreak", 30, 0, 1.5)] },
    { node: "n2", keys: [hot("bob", 115), hot("ada", 50, 0, 0.5)] },
  ];
  let three: Awaited<ReturnType<typeof startThree>>;
  before(async () => {
    three = await startThree((index, { path }, response) => {
      assert.equal(path, "/v1/top");
      const report = reports[index];
      return report === undefined ? problem(response, 503, "overloaded") : reply(response, 200, report);
    });
  });
  after(() => three.stop());

  test("a line for each key, summed up over the nodes, the hottest first", async () => {
    const { code, stdout, stderr } = await murmur(["top", "--once", "--config", three.file]);
    const cells = stdout
      .trimEnd()
      .split("\n")
      .map((line) => line.trim().split(/ {2,}/));
    assert.deepEqual(cells, [
      ["reads/s", "writes/s", "bucket", "key"],
      ["150", "20.0", "± 0.50", "users", "ada"],
      ["115", "0.00", "users", "bob"],
      ["30.0", "0.00", "± 1.50", "users", '"with\\nbreak"'],
    ]);
    assert.match(stderr, /^n3: overloaded: /);
    assert.equal(code, 0);
  });

  test("--json tells who was silent, and --limit how many to show", async () => {
    const { code, stdout } = await murmur(["top", "--once", "--json", "--limit", "1", "--config", three.file]);
    const { at, ...told } = JSON.parse(stdout);
    assert.ok(at > 0);
    assert.deepEqual([code, told], [0, { silent: ["n3"], keys: [hot("ada", 150, 20, 0.5)] }]);
    const wrong = await murmur(["top", "--once", "--limit", "none", "--config", three.file]);
    assert.equal(wrong.code, 2);
  });
});

test("a real cluster knows which of its keys is asked for most", async () => {
  const cluster = await ProcessCluster.create({ nodes: 3 });
  try {
    await cluster.startAll();
    const keys = Array.from({ length: 60 }, (_, index) => (index % 3 === 0 ? `key ${index}` : "hot key"));
    await Promise.all(keys.map((key, index) => cluster.get(`n${1 + (index % 3)}`, "b", key)));
    const { code, out } = await cluster.command(["top", "--once", "--json"]);
    assert.equal(code, 0);
    const [first, ...others] = JSON.parse(out).keys;
    assert.deepEqual([first.bucket, first.key], ["b", "hot key"]);
    assert.ok(others.length === 19 && first.readsPerSecond > 10 * others[0].readsPerSecond);
  } finally {
    await cluster.close();
  }
});
