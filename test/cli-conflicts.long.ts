/** `murmur conflicts`: what registers lost, over all nodes. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { ConflictsReport, StampReport } from "../src/http/store.js";
import { murmur, problem, reply, startThree } from "./cli-harness.js";
import { ProcessCluster, until } from "./process-cluster.js";

function stamped(second: number, node?: string): StampReport {
  const time = `2026-11-23T08:00:${String(second).padStart(2, "0")}.000001Z`;
  return { time, timeUs: Date.parse(time) * 1000 + 1, actor: "00000000000000ab", node };
}

function conflict(key: string, second: number): ConflictsReport["conflicts"][number] {
  const at = `2026-11-23T08:00:${String(second).padStart(2, "0")}.500Z`;
  return { bucket: "users", key, kind: "stale", at, lost: stamped(second - 1), kept: stamped(second, "n2") };
}

describe("murmur conflicts of nodes that say so", () => {
  const reports: ConflictsReport[] = [
    { node: "n1", conflicts: [conflict("ada", 30), conflict("with\nbreak", 10)] },
    { node: "n2", conflicts: [conflict("bob", 20)] },
  ];
  const asked: string[] = [];
  let three: Awaited<ReturnType<typeof startThree>>;
  before(async () => {
    three = await startThree((index, { path, query }, response) => {
      asked.push(`${path} ${query.get("bucket")} ${query.get("limit")}`);
      const report = reports[index];
      return report === undefined ? problem(response, 503, "overloaded") : reply(response, 200, report);
    });
  });
  after(() => three.stop());

  test("a line for each, the newest first, over all nodes", async () => {
    const { code, stdout, stderr } = await murmur(["conflicts", "--config", three.file]);
    const cells = stdout
      .trimEnd()
      .split("\n")
      .map((line) => line.trim().split(/ {2,}/));
    assert.deepEqual(cells, [
      ["bucket", "key", "kind", "lost", "by", "in favour of", "by", "through"],
      ...[["ada", 30, "n1"] as const, ["bob", 20, "n2"] as const, ['"with\\nbreak"', 10, "n1"] as const].map(
        ([key, second, through]) => [
          ...["users", key, "stale", stamped(second - 1).time, "a former life (00000000000000ab)"],
          ...[stamped(second).time, "n2", through],
        ],
      ),
    ]);
    assert.match(stderr, /n3: overloaded: /);
    assert.equal(code, 0);
    assert.ok(asked.includes("/v1/conflicts null 20"));
  });

  test("--json tells who was silent, and --bucket and --limit are passed on", async () => {
    const words = ["conflicts", "--json", "--bucket", "users", "--limit", "2", "--config", three.file];
    const { code, stdout } = await murmur(words);
    const told = JSON.parse(stdout);
    assert.deepEqual([code, told.silent], [0, ["n3"]]);
    assert.deepEqual(told.conflicts[0], JSON.parse(JSON.stringify({ ...conflict("ada", 30), through: "n1" })));
    assert.equal(told.conflicts.length, 2);
    assert.ok(asked.includes("/v1/conflicts users 2"));
    for (const wrong of [
      ["--limit", "0"],
      ["--bucket", "a/b"],
    ]) {
      assert.equal((await murmur(["conflicts", ...wrong, "--config", three.file])).code, 2, wrong.join(" "));
    }
  });
});

test("a real cluster counts and lists what a write took away unseen, and tells no value", async () => {
  const cluster = await ProcessCluster.create({ nodes: 3 });
  try {
    await cluster.startAll();
    const first = await cluster.put("n1", "users", "ada", "secret one");
    const context = String(first.headers["murmur-context"]);
    await cluster.call("PUT", "n2", "/v1/buckets/users/keys/ada", Buffer.from("secret two"), {
      "murmur-context": context,
    });
    await cluster.call("PUT", "n3", "/v1/buckets/users/keys/ada", Buffer.from("secret three"), {
      "murmur-context": context,
    });
    const counts = async () => String((await cluster.call("GET", "n3", "/metrics")).body);
    await until(counts, (text) => text.includes('murmur_register_overwrites_total{kind="stale"} 1\n'));
    const { code, out } = await cluster.command(["conflicts", "--json", "--bucket", "users"]);
    assert.equal(code, 0);
    assert.doesNotMatch(out, /secret/);
    const [noted, ...others] = JSON.parse(out).conflicts as (ConflictsReport["conflicts"][number] & {
      through: string;
    })[];
    assert.deepEqual(others, []);
    assert.deepEqual([noted?.bucket, noted?.key, noted?.kind, noted?.through], ["users", "ada", "stale", "n3"]);
    assert.deepEqual([noted?.lost.node, noted?.kept.node], ["n2", "n3"]);
    for (const { time, timeUs } of [noted?.lost, noted?.kept] as StampReport[]) {
      assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
      assert.equal(Date.parse(time), Math.floor(timeUs / 1000));
      assert.ok(time.endsWith(`${String(timeUs % 1_000_000).padStart(6, "0")}Z`));
    }
    assert.match((await cluster.command(["conflicts"])).out, /^bucket .*\nusers +ada +stale /);
  } finally {
    await cluster.close();
  }
});
