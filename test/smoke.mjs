// Uses the installed package as a stranger would: its import, its command, and then the samples named.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { loadClusterFile, startNode } from "murmurdb";

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  await once(server.close(), "close");
  return port;
}

/** One node inside this process. */
async function embed() {
  const node = `{ id: n1, host: 127.0.0.1, http: ${await freePort()}, peer: ${await freePort()} }`;
  writeFileSync("cluster.yaml", `cluster: smoke\nreplication: 1\npartitions: 8\ndata: ./data\nnodes:\n  - ${node}\n`);
  const config = loadClusterFile("cluster.yaml");
  assert.ok(!Array.isArray(config), JSON.stringify(config));
  const log = { info() {}, warn() {} };
  const options = { config, id: "n1", dataDir: "./data/n1", newCluster: false, log };
  const outcome = await new Promise((resolve) => startNode(options, resolve));
  assert.ok(outcome.ok, outcome.message);
  const url = `${outcome.running.httpUrl}/v1/buckets/b/keys/k`;
  assert.equal((await fetch(url, { method: "PUT", body: "hello" })).status, 204);
  assert.equal(await (await fetch(url)).text(), "hello");
  await new Promise((resolve) => outcome.running.stop(resolve));
}

function command() {
  assert.match(execFileSync("npx", ["murmur", "--help"], { encoding: "utf8" }), /murmur put/);
  assert.match(execFileSync("npx", ["murmur", "config", "check"], { encoding: "utf8" }), /cluster\.yaml/);
}

/** What the packed README points to is packed too. */
function links() {
  const readme = readFileSync("node_modules/murmurdb/README.md", "utf8");
  const pages = [...readme.matchAll(/\]\((docs\/[^)#]+)/g)].map(([, page]) => page);
  assert.ok(pages.length > 0);
  for (const page of pages) assert.ok(existsSync(`node_modules/murmurdb/${page}`), page);
}

/** Beside the cluster that `npm start` would run. */
async function runSamples(samples) {
  const words = ["up", "--config", "node_modules/murmurdb/cluster.yaml", "--data", "./data/up"];
  const up = spawn(process.execPath, ["node_modules/.bin/murmur", ...words]);
  const ended = once(up, "exit");
  let said = "";
  for (const stream of [up.stdout, up.stderr]) stream.setEncoding("utf8").on("data", (text) => (said += text));
  while (!said.includes("Ctrl-C stops all")) {
    await Promise.race([once(up.stdout, "data"), ended.then(() => assert.fail(`murmur up has ended:\n${said}`))]);
  }
  try {
    for (const sample of samples) runSample(sample);
  } finally {
    up.kill("SIGINT");
    await ended;
  }
}

/** Code by Node, commands by a shell that finds the package's own. */
function runSample(sample) {
  const [command, ...words] = sample.endsWith(".sh") ? ["sh", "-e", sample] : [process.execPath, sample];
  const PATH = `${process.cwd()}/node_modules/.bin:${process.env.PATH}`;
  const env = { ...process.env, PATH, MURMUR_CONFIG: "node_modules/murmurdb/cluster.yaml" };
  execFileSync(command, words, { env, stdio: ["ignore", "pipe", "inherit"] });
}

const samples = process.argv.slice(2).filter((name) => name !== "smoke.mjs");
await embed();
command();
links();
await runSamples(samples);
console.log(`Node ${process.versions.node}: the packed package starts, stores and answers; it ran ${samples.join(", ")}`);
