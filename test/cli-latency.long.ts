/** `murmur latency`: the matrix of who waits how long for whom. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { LatencyReport } from "../src/http/store.js";
import { clusterFile, FakeNode, murmur, problem, reply, startThree, temporaryFolder } from "./cli-harness.js";
import { ProcessCluster } from "./process-cluster.js";

const HEDGE = { after: "max(p95,2ms)", budgetPercent: 10, tokens: 99.7 };

function peerOf(node: string, changes: Partial<LatencyReport["peers"][number]> = {}): LatencyReport["peers"][number] {
  const times = { p50Ms: 0.4213, p95Ms: 1.5, p99Ms: 12.34, hedgeAfterMs: 2 };
  return { node, samples: 100, ...times, overdue: false, unanswered: 0, ...changes };
}

describe("murmur latency of nodes that say so", () => {
  const unmeasured = { p50Ms: undefined, p95Ms: undefined, p99Ms: undefined, hedgeAfterMs: undefined };
  const reports: LatencyReport[] = [
    { node: "n1", hedge: HEDGE, peers: [peerOf("n2"), peerOf("n3", { overdue: true, unanswered: 2, p99Ms: 1234.5 })] },
    { node: "n2", hedge: HEDGE, peers: [peerOf("n1", { unanswered: 1 }), peerOf("n3", unmeasured)] },
  ];
  let three: Awaited<ReturnType<typeof startThree>>;
  before(async () => {
    three = await startThree((index, { path }, response) => {
      assert.equal(path, "/v1/latency");
      const report = reports[index];
      return report === undefined ? problem(response, 503, "overloaded") : reply(response, 200, report);
    });
  });
  after(() => three.stop());

  test("a row for each node that asks, a column for each that answers, and when a spare is asked", async () => {
    const { code, stdout, stderr } = await murmur(["latency", "--config", three.file]);
    const cells = stdout.split("\n").map((line) => line.trim().split(/ {2,}/));
    assert.deepEqual(cells, [
      ["p50 / p99 in ms of the answers to reads: who asks down, who answers across"],
      ["n1", "n2", "n3"],
      ["n1", "·", "0.42 / 12.3", "0.42 / 1,235 ! (2)"],
      ["n2", "0.42 / 12.3 (1)", "·", "- / -"],
      ["n3", "no answer"],
      [""],
      ["ms until a spare is asked: max(p95,2ms), at most 10 % of the reads"],
      ["n1", "n2", "n3"],
      ["n1", "·", "2.00", "2.00", "99 banked"],
      ["n2", "2.00", "·", "never", "99 banked"],
      ["n3", "no answer"],
      [""],
    ]);
    assert.match(stderr, /^- too few answers yet, ! late .*\nn3: overloaded: /);
    assert.equal(code, 0);
  });

  test("--json is a list of what the nodes say", async () => {
    const { code, stdout } = await murmur(["latency", "--config", three.file, "--json"]);
    const expected = [...reports, { node: "n3", failure: "overloaded: 2 of 3 needed" }];
    assert.deepEqual([code, JSON.parse(stdout)], [0, JSON.parse(JSON.stringify(expected))]);
    const one = await murmur(["latency", "--node", three.nodes[1]?.url as string, "--json"]);
    assert.deepEqual(JSON.parse(one.stdout), [JSON.parse(JSON.stringify(reports[1]))]);
  });

  test("only when nobody says anything is it a failure", async () => {
    const gone = await FakeNode.start();
    const config = clusterFile(temporaryFolder(), [gone.port]);
    await gone.stop();
    const unreachable = await murmur(["latency", "--config", config, "--json"]);
    assert.deepEqual([unreachable.code, JSON.parse(unreachable.stdout).code], [5, "unreachable"]);
    const refused = await murmur(["latency", "--node", three.nodes[2]?.url as string]);
    assert.deepEqual([refused.code, refused.stdout], [4, ""]);
  });
});

test("a real cluster learns how long its nodes take from the reads they answer", async () => {
  const cluster = await ProcessCluster.create({
    nodes: 3,
    lines: ['hedge: { after: "max(p99,3ms)", budgetPercent: 7 }'],
  });
  try {
    await cluster.startAll();
    await Promise.all(Array.from({ length: 50 }, (_, index) => cluster.get("n1", "b", `key ${index}`, "?r=ALL")));
    const { code, out } = await cluster.command(["latency", "--json"]);
    const reports = JSON.parse(out) as LatencyReport[];
    assert.deepEqual([code, reports.map(({ node }) => node)], [0, ["n1", "n2", "n3"]]);
    for (const { node, hedge, peers } of reports) {
      assert.deepEqual([hedge.after, hedge.budgetPercent], ["max(p99,3ms)", 7]);
      assert.deepEqual([node, ...peers.map((peer) => peer.node)].sort(), ["n1", "n2", "n3"]);
      for (const peer of peers) assert.ok((peer.hedgeAfterMs as number) >= 3);
    }
    for (const { samples, p50Ms = -1 } of reports[0]?.peers ?? []) assert.ok(samples > 0 && p50Ms > 0);
  } finally {
    await cluster.close();
  }
});
