/**
 * `murmur bench` against a cluster of real processes, and against a node that
 * does as told: what it asks, what it says, and how it ends. No timing.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { FakeNode, murmur, problem, reply, start } from "./cli-harness.js";
import { ProcessCluster } from "./process-cluster.js";

let cluster: ProcessCluster;
before(async () => {
  cluster = await ProcessCluster.create({ nodes: 3, lines: ["durability: os"] });
  await cluster.startAll();
});
after(() => cluster.close());

let node: FakeNode;
beforeEach(async () => {
  node = await FakeNode.start();
  node.instead = (asked, response) => {
    const seen = { node: "n1", state: "up", host: "127.0.0.1", http: node.port };
    return asked.path === "/v1/cluster" && reply(response, 200, { nodes: [seen] });
  };
});
afterEach(() => node.stop());

test("both sides of a comparison are measured, and told as JSON with what the nodes counted", async () => {
  const words = ["bench", "--compare", "--json", "--seconds", "1", "--rate", "200", "--keys", "50"];
  const { code, out, err } = await cluster.command(words);
  assert.equal(code, 0, err);
  assert.match(err, /writing 50 keys of 100 bytes into the bucket murmur-bench; they stay there/);
  const { nodes, bucket, sides } = JSON.parse(out);
  assert.deepEqual([nodes.length, bucket], [3, "murmur-bench"]);
  assert.deepEqual(
    sides.map((side: { hedge: string }) => side.hedge),
    ["never", "default"],
  );
  for (const { readsMs, writesMs, answered, errors, hedges, generator } of sides) {
    assert.deepEqual([errors, writesMs.count, readsMs.count], [{}, 0, answered]);
    assert.ok(readsMs.p50 > 0 && readsMs.p50 <= readsMs.p90 && readsMs.p90 <= readsMs.longest);
    assert.equal(readsMs["p99.9"], undefined, "fewer than ten samples above");
    assert.ok(hedges.sent >= 0 && hedges.extraReadsPercent >= 0 && generator.cores > 0);
  }
  assert.equal(sides[0].hedges.sent, 0, "never is never");
  const stored = await cluster.get("n1", "murmur-bench", "key-49");
  assert.equal(stored.body.length, 100);
});

test("for people it is a table: reads and writes, errors, and what the generator itself used", async () => {
  const words = ["bench", "--mix", "A", "--bucket", "mine", "--seconds", "1", "--rate", "200", "--keys", "20"];
  const { code, out, err } = await cluster.command([...words, "--consistency", "ONE", "--value-bytes", "10"]);
  assert.equal(code, 0, err);
  const lines = out.split("\n");
  assert.match(lines[0] as string, /^ms +p50 +p90 +p95 +p99 +p99\.9 +p99\.99 +longest +requests$/);
  assert.match(lines[1] as string, /^reads +[\d.]+ .*- +- +- +[\d.]+ +\d+$/);
  assert.match(lines[2] as string, /^writes +[\d.]+ /);
  assert.match(out, /^\d+ requests, [\d,]+\/s; errors: none$/m);
  assert.match(out, /^generator: [\d.]+ of a core, loop lag [\d.]+ ms at p99/m);
});

test("what is asked for goes into the requests; errors are told by their code", async () => {
  const inner = node.instead;
  let reads = 0;
  node.instead = (asked, response) =>
    inner(asked, response) ||
    (asked.path.includes("/keys/") && asked.method === "GET" && ++reads > 5 && problem(response, 503, "unavailable"));
  const words = ["bench", "--node", node.url, "--rate", "100", "--seconds", "1", "--keys", "3"];
  const { code, stdout } = await murmur([...words, "--hedge", "max(p95,2ms)", "--consistency", "TWO"]);
  assert.equal(code, 0);
  assert.match(stdout, /errors: \d+ unavailable$/m);
  assert.doesNotMatch(stdout, /spare questions/, "this node counts nothing");
  const [read, write] = ["GET", "PUT"].map((method) =>
    node.asked.findLast((asked) => asked.method === method && asked.path.includes("/keys/")),
  );
  assert.equal(String(write?.query), "w=TWO");
  assert.deepEqual([read?.query.get("r"), read?.query.get("hedge")], ["TWO", "max(p95,2ms)"]);
});

test("Ctrl-C ends the measuring and tells what there is", async () => {
  const inner = node.instead;
  const running = start(["bench", "--node", node.url, "--keys", "3", "--seconds", "600"]);
  let reads = 0;
  node.instead = (asked, response) => {
    if (asked.method === "GET" && asked.path.includes("/keys/") && ++reads === 60) running.process.kill("SIGINT");
    return inner(asked, response);
  };
  const { code, stdout } = await running.ended;
  assert.equal(code, 1);
  assert.match(stdout, /^reads +[\d.]+ /m);
});

test("Ctrl-C while the nodes are asked for their counts begins no further round", async () => {
  const inner = node.instead;
  const running = start(["bench", "--node", node.url, "--keys", "3", "--seconds", "50", "--rate", "20"]);
  let isStopped = false;
  let readsBehind = 0;
  node.instead = (asked, response) => {
    if (asked.path === "/metrics" && !isStopped) {
      isStopped = true;
      running.process.kill("SIGINT");
      // A process started behind the signal is over before the answer goes out: the signal is there first.
      spawn(process.execPath, ["-e", ""]).once("close", () => problem(response, 503, "unavailable"));
      return true;
    }
    if (asked.method === "GET" && asked.path.includes("/keys/") && isStopped) readsBehind++;
    return inner(asked, response);
  };
  assert.equal((await running.ended).code, 1);
  assert.ok(readsBehind < 20, `${readsBehind} reads of the 200 of a round`);
});

test("what cannot be measured is refused before the bucket is filled", async () => {
  const refused = async (...words: string[]) => {
    const { code, stderr } = await murmur(["bench", "--node", node.url, ...words]);
    assert.equal(code, 2, stderr);
    return stderr;
  };
  assert.match(await refused("--mix", "Z"), /--mix: expected one of A, B, C, reads, found Z/);
  assert.match(await refused("--rate", "0"), /--rate: expected a number from 1 to 100000, found "0"/);
  assert.match(await refused("--keys", "1e9"), /--keys: expected a number from 1 to 1000000/);
  assert.match(await refused("--compare", "--hedge", "p95"), /leave out --hedge/);
  assert.match(await refused("--bucket", "a/b"), /a bucket's name is/);
  assert.equal(node.asked.length, 0);
  const inner = node.instead;
  node.instead = (asked, response) =>
    inner(asked, response) || (asked.method === "GET" && problem(response, 400, "bad-request"));
  assert.match(await refused("--hedge", "p200"), /bad-request: 2 of 3 needed/);
  assert.deepEqual([...node.keys.keys()], ["murmur-bench/key-0"]);
});

test("a level that is not met, and a cluster that is not there, end it in their own words", async () => {
  const inner = node.instead;
  node.instead = (asked, response) => inner(asked, response) || problem(response, 503, "unavailable");
  const unmet = await murmur(["bench", "--node", node.url]);
  assert.deepEqual([unmet.code, unmet.stderr], [4, "murmur: unavailable: 2 of 3 needed\n"]);
  const { url } = node;
  await node.stop();
  const gone = await murmur(["bench", "--node", url]);
  assert.deepEqual([gone.code, gone.stderr.includes("no node answers")], [5, true]);
  node = await FakeNode.start();
});
