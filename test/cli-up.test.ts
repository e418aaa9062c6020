/**
 * `murmur up` when things go wrong: a node that cannot start, one that dies,
 * and the death of `up` itself. No node may outlive the command.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { runtimeTrouble } from "../src/cli/runtime-guard.js";
import { type Running, start } from "./cli-harness.js";
import { ProcessCluster, until } from "./process-cluster.js";

let cluster: ProcessCluster;
before(async () => {
  cluster = await ProcessCluster.create({ nodes: 3 });
});
after(() => cluster.close());

const begun: Running[] = [];
afterEach(() => {
  for (const { process } of begun.splice(0)) process.kill("SIGKILL");
});

interface Ready {
  readonly type: string;
  readonly node: string;
  readonly http: string;
  readonly pid: number;
}

/** Starts `up` and waits until it has told of every node. */
async function up(...words: string[]): Promise<{ running: Running; ready: Ready[] }> {
  const running = start(["up", "--config", cluster.file, "--json", ...words]);
  let told = "";
  running.process.stdout?.on("data", (text: string) => {
    told += text;
  });
  const lines = () => told.split("\n").slice(0, -1);
  // A test that failed must not leave its nodes to the next one: those would find their ports taken.
  begun.push(running);
  await until(async () => lines().length >= 3 || running.process.exitCode !== null, Boolean);
  if (running.process.exitCode !== null) assert.fail((await running.ended).stderr);
  return { running, ready: lines().map((line) => JSON.parse(line)) };
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

test("a node that dies is told of, and the others go on until they are stopped", async () => {
  const data = join(cluster.folder, "elsewhere");
  const { running, ready } = await up("--data", data);
  assert.deepEqual(
    ready.map(({ type, node, http }) => [type, node, http]),
    cluster.ids.map((id) => ["ready", id, cluster.url(id)]),
  );
  assert.ok(existsSync(join(data, "n3")));
  // The votes of a first start are earned from all owners: one that dies before leaves the others waiting for it.
  await cluster.seesAll("n1", cluster.ids);
  process.kill((ready[1] as Ready).pid, "SIGKILL");
  let talk = "";
  running.process.stderr?.on("data", (text: string) => {
    talk += text;
  });
  const restart = `n2 has stopped by itself (SIGKILL); the others go on. To start it again: murmur node n2 --config ${cluster.file} --data ${data}`;
  await until(
    async () => talk,
    (text) => text.includes(restart),
  );
  assert.equal((await cluster.get("n1", "users", "ada", "?r=ONE")).status, 404);
  running.process.kill("SIGTERM");
  const { code, stderr } = await running.ended;
  assert.equal(code, 0);
  assert.match(stderr, /stopping all nodes; Ctrl-C again stops them at once/);
  assert.deepEqual(
    ready.map(({ pid }) => isAlive(pid)),
    [false, false, false],
  );
});

test("when one cannot start, it is said which and why, and none is left running", async () => {
  const taken = createServer().listen(cluster.peerPortOf("n2"), "127.0.0.1");
  await once(taken, "listening");
  const { code, stdout, stderr } = await start(["up", "--config", cluster.file]).ended;
  taken.close();
  assert.deepEqual([code, stdout], [1, ""]);
  assert.match(stderr, new RegExp(`^murmur: n2 cannot start: .*${cluster.peerPortOf("n2")}.*in use`, "m"));
});

test("the nodes stop by themselves when `up` is killed", async () => {
  const { running, ready } = await up();
  running.process.kill("SIGKILL");
  await until(
    async () => ready.filter(({ pid }) => isAlive(pid)),
    (alive) => alive.length === 0,
  );
});

test("a Node.js that is not tested is refused with the versions that are", async () => {
  for (const version of ["18.20.0", "20.18.9", "21.7.0", "22.13.1", "23.5.0"]) {
    assert.match(
      (await runtimeTrouble(version)) ?? "",
      new RegExp(`^Node.js ${version} is not supported; install 20\\.19 or later`),
    );
  }
  assert.equal(await runtimeTrouble(), undefined);
});
