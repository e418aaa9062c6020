/** How clusters of `murmurdb/testing` begin, and that nothing of them stays, however their test ends. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { type ClusterOptions, startCluster, type TestCluster } from "../../src/testing/start-cluster.js";
import { until } from "../process-cluster.js";

const CARELESS_FILE = fileURLToPath(new URL("./careless.js", import.meta.url));

/** Of this file alone, so that what is left in it was left by these tests. */
const temporary = mkdtempSync(join(tmpdir(), "murmur-lifecycle-"));
process.env.TMPDIR = temporary;
after(() => rmdirSync(temporary));

function isAlive(pid: number | undefined): boolean {
  try {
    return process.kill(pid as number, 0);
  } catch {
    return false;
  }
}

/** What is to be gone after a cluster. */
interface Left {
  readonly pids: readonly (number | undefined)[];
  readonly folder: string;
}

function leftBy({ nodes, file }: TestCluster): Left {
  return { pids: nodes.map(({ pid }) => pid), folder: dirname(file) };
}

async function gone({ pids, folder }: Left): Promise<void> {
  await until(
    async () => pids.some(isAlive) || existsSync(folder),
    (isThere) => !isThere,
  );
}

/** Runs the careless test; `flags` are of Node.js. */
async function careless(flags: readonly string[], words: readonly string[]) {
  const child = spawn(process.execPath, [...flags, CARELESS_FILE, ...words], { stdio: ["pipe", "pipe", "inherit"] });
  const ended = once(child, "exit");
  const [line] = await once(child.stdout, "data");
  return { child, ended, left: JSON.parse(String(line)) as Left };
}

test("after stop no process and no folder is left, and whoever goes on is told", async () => {
  const cluster = await startCluster({ nodes: 1 });
  const left = leftBy(cluster);
  assert.ok(left.pids.every(isAlive) && existsSync(left.folder));
  await cluster.stop();
  assert.ok(!left.pids.some(isAlive) && !existsSync(left.folder));
  await cluster.stop();
  await assert.rejects(cluster.kill("n1"), /the cluster was stopped/);
  await assert.rejects(cluster.heal(), /the cluster was stopped/);
});

test("a test that forgets to stop its cluster still ends, and leaves nothing, not even what it paused", async () => {
  const { ended, left } = await careless([], []);
  assert.deepEqual(await ended, [0, null]);
  await gone(left);
});

test("a test that is killed leaves nothing, and its nodes have none of its flags", async () => {
  const { child, ended, left } = await careless(["--no-warnings", "--inspect=0"], ["--wait"]);
  assert.ok(left.pids.every(isAlive));
  if (existsSync("/proc/self/cmdline")) {
    for (const pid of left.pids) assert.doesNotMatch(readFileSync(`/proc/${pid}/cmdline`, "utf8"), /--/);
  }
  child.kill("SIGKILL");
  await ended;
  await gone(left);
});

test("clusters of one process do not disturb each other, and end with their scope", async () => {
  const left: Left[] = [];
  {
    const starting = [startCluster({ nodes: 1 }), startCluster({ nodes: 1 })] as const;
    await using one = await starting[0];
    await using two = await starting[1];
    left.push(leftBy(one), leftBy(two));
    const [here, there] = [one, two].map(({ urls }) => `${urls[0]}/v1/buckets/b/keys/k`) as [string, string];
    assert.equal((await fetch(here, { method: "PUT", body: "x" })).status, 204);
    assert.equal((await fetch(there)).status, 404);
  }
  for (const { pids, folder } of left) assert.ok(!pids.some(isAlive) && !existsSync(folder));
});

test("nodes may be given racks and datacenters, and all that a cluster file says", async () => {
  const nodes = [
    { id: "east-1", datacenter: "east" },
    { id: "west-1", datacenter: "west", rack: "basement" },
  ];
  const lines: string[] = [];
  await using cluster = await startCluster({
    ...{ nodes, replication: { east: 1, west: 1 }, log: (line) => void lines.push(line) },
    ...{
      consistency: { write: "ALL" },
      limits: { valueBytesMax: 10 },
      buckets: { short: { ttl: "60s" }, scores: { type: "row", cells: "counter" } },
    },
  });
  const told = (await (await fetch(`${cluster.urls[1]}/v1/cluster`)).json()) as { nodes: Record<string, string>[] };
  assert.deepEqual(
    told.nodes.map(({ node, datacenter, rack }) => [node, datacenter, rack]),
    cluster.nodes.map(({ id, datacenter, rack }) => [id, datacenter, rack]),
  );
  assert.deepEqual(cluster.node("west-1").rack, "basement");
  const put = (body: string) => fetch(`${cluster.node("east-1").url}/v1/buckets/short/keys/k`, { method: "PUT", body });
  assert.equal((await put("more than ten")).status, 413);
  assert.equal((await put("short")).status, 204);
  assert.ok(lines.some((line) => line.includes("connected to a peer")));
});

test("options that make no sense are refused as in a cluster file, before anything starts", async () => {
  const refusals: readonly (readonly [object, RegExp])[] = [
    [{ nodes: 0 }, /^nodes: expected 1 or more, .*, found 0$/],
    [{ nodes: 2, replication: 3 }, /replication: expected at most 2/],
    [{ partition: 8 }, /^partition: expected a known option, found "partition"; did you mean partitions\?$/],
    [{ deadline: 5 }, /^deadline: .*; did you mean deadlineMs\?$/],
    [{ security: {} }, /^security: expected one of nodes, log, .*, found "security"; remove it$/],
    [{ nodes: "3" }, /^nodes: expected 1 or more, or a list such as .*, found '3'$/],
    [{ nodes: ["a"] }, /^nodes\[0\]: expected a node such as .*, found 'a'$/],
    [{ nodes: null }, /^nodes: expected 1 or more/],
    [{ log: 5 }, /^log: expected a function that takes a line, found 5$/],
    [{ deadlineMs: "5s" }, /^deadlineMs: expected milliseconds, more than 0 .*, found '5s'$/],
    [{ deadlineMs: 0 }, /^deadlineMs: /],
    [{ deadlineMs: Number.POSITIVE_INFINITY }, /^deadlineMs: .* at most 2147483647, found Infinity$/],
    [{ distanceMs: "5" }, /^distanceMs: expected milliseconds from 0 .*, found '5'$/],
    [{ limits: 5 }, /^limits: expected limits by name, .*, found 5$/],
    [{ partitions: () => 8 }, /^the options .*\npartitions: expected a power of two/],
    [[3], /^options: expected options such as/],
    [{ limits: { valueBytesMax: -1 } }, /valueBytesMax: expected a whole number/],
    [{ nodes: [{ id: "a" }, { id: "a" }] }, /expected an id of its own, found "a"/],
  ];
  for (const [options, says] of refusals) {
    await assert.rejects(startCluster(options as ClusterOptions), { name: "TypeError", message: says });
  }
  assert.deepEqual(readdirSync(temporary), []);
});

test("what does not start in time is told, with the node and the time", async () => {
  await assert.rejects(startCluster({ nodes: 1, deadlineMs: 1 }), /n1 does not get ready: given up after 1 ms/);
});
