/** Real processes, real sockets, kill -9. */
import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { freePorts } from "../src/testing/free-ports.js";
import { eachOf, MAIN_FILE, ProcessCluster, until } from "./process-cluster.js";

const MIB = 1024 * 1024;
let cluster: ProcessCluster;

before(async () => {
  // Newcomers in the wrong are told after less than half the usual time.
  const limits =
    "limits: { handshakeVerdictMs: 1000, peerSilenceMsMax: 900, pingIntervalMs: 250, dialRetryMsMax: 200 }";
  cluster = await ProcessCluster.create({ nodes: 3, lines: [limits] });
  await cluster.startAll();
});
after(() => cluster.close());

/** What a second n1 says when it must not start. */
async function refusalOf(file: string, data = join(cluster.folder, `newcomer-${Math.random()}`)): Promise<string> {
  const error = await cluster.startAs("newcomer", "n1", file, ["--data", data]).then(
    () => undefined,
    (reason: Error) => reason,
  );
  assert.ok(error !== undefined, "it started");
  return error.message;
}

/** A file of the same cluster, changed, in which n1 listens elsewhere. */
async function fileWithNewPorts(change: (text: string) => string): Promise<string> {
  const [http, peer] = await freePorts(2);
  const ports = `http: ${http}, peer: ${peer}`;
  const lines = readFileSync(cluster.file, "utf8").split("\n");
  const moved = lines.map((line) => (line.includes("id: n1,") ? line.replace(/http: \d+, peer: \d+/, ports) : line));
  const file = join(cluster.folder, `moved-${Math.random()}.yaml`);
  writeFileSync(file, change(moved.join("\n")));
  return file;
}

test("any key is stored byte for byte, and found through any node", async () => {
  const keys = ["__proto__", "constructor", "..", ".", "a/b", "\0", "%00", "é", "e\u0301", " ", "🐦", "k".repeat(1024)];
  await eachOf(keys, 4, async (key) => {
    const written = await cluster.put("n1", "odd", key, `value of ${key}`);
    assert.equal(written.status, 204, `${key}: ${written.body}`);
  });
  await eachOf(keys, 4, async (key) => {
    for (const reader of ["n2", "n3"]) {
      assert.equal(String((await cluster.get(reader, "odd", key)).body), `value of ${key}`);
      const path = `/v1/buckets/odd/keys/${encodeURIComponent(key)}`;
      assert.equal(String((await cluster.call("GET", reader, path)).body), `value of ${key}`);
    }
  });
});

test("a value of 1 MiB comes back byte for byte; one byte more is refused", async () => {
  const value = Buffer.alloc(MIB, "0123456789abcdef");
  assert.equal((await cluster.put("n1", "large", "key", value, "?w=ALL&timeout=20s")).status, 204);
  for (const reader of cluster.ids) assert.ok((await cluster.get(reader, "large", "key", "?r=ONE")).body.equals(value));
  assert.equal((await cluster.put("n1", "large", "more", Buffer.alloc(MIB + 1))).status, 413);
  assert.equal((await cluster.get("n1", "large", "more")).status, 404);
});

test("what is wrong with a request is said, and nothing is lost", async () => {
  await cluster.put("n1", "b", "kept", "here");
  const refusals: readonly (readonly [method: string, path: string, status: number, says: RegExp])[] = [
    ["GET", "/v1/buckets/b/keys/%zz", 400, /% without two hexadecimal digits/],
    ["GET", "/v1/buckets/b/keys/%ff", 400, /UTF-8/],
    ["GET", "/v1/buckets/b/keys/", 400, /empty/],
    ["PUT", `/v1/buckets/b/keys/${"k".repeat(1025)}`, 400, /1,?025|1,?024/],
    ["GET", "/v1/buckets/b/keys/k?r=MOST", 400, /^r takes ONE, TWO,.*not "MOST"/],
    ["GET", "/v1/buckets/b/keys/k?r=4", 400, /4/],
    ["GET", "/v1/buckets/b/keys/k?r=ANY", 400, /^ANY is a level of writes/],
    ["GET", "/v1/buckets/not%20one/keys/k", 400, /bucket/],
  ];
  for (const [method, path, status, says] of refusals) {
    const answer = await cluster.call(method, "n2", path, method === "PUT" ? Buffer.from("x") : undefined);
    assert.equal(answer.status, status, path);
    assert.equal(answer.headers["content-type"], "application/problem+json", path);
    assert.match(JSON.parse(String(answer.body)).detail, says, path);
  }
  assert.equal(String((await cluster.get("n3", "b", "kept")).body), "here");
});

test("garbage on the peer port closes that connection alone", async () => {
  for (const garbage of [Buffer.from("GET / HTTP/1.1\r\n\r\n"), Buffer.alloc(100_000, 255), Buffer.from("MU")]) {
    const socket = connect(cluster.peerPortOf("n1"), "127.0.0.1");
    socket.on("error", () => {});
    const closed = new Promise((resolve) => socket.once("close", resolve));
    socket.resume().end(garbage);
    await closed;
  }
  assert.equal((await cluster.put("n2", "b", "after garbage", "x", "?w=ALL")).status, 204);
});

test("a newcomer that disagrees is refused, and told in which field", async () => {
  const renamed = await fileWithNewPorts((text) => text.replace("cluster: test", "cluster: other"));
  assert.match(await refusalOf(renamed), /cluster is other here and test there/);
  const copies = await fileWithNewPorts((text) => text.replace("replication: 3", "replication: 2"));
  assert.match(await refusalOf(copies), /replication is 2 here and 3 there/);
  const secretFile = join(cluster.folder, "secret");
  writeFileSync(secretFile, "a secret that nobody else has", { mode: 0o600 });
  const secured = await fileWithNewPorts((text) => `${text}security: { secretFile: ${JSON.stringify(secretFile)} }\n`);
  assert.match(await refusalOf(secured), /secret is a secret here and no secret there/);
  const twin = await fileWithNewPorts((text) => text);
  assert.match(await refusalOf(twin), /node id/);
  assert.equal((await cluster.put("n1", "b", "unmoved", "x", "?w=ALL")).status, 204);
});

test("a port in use, a folder in use and an unusable folder are named, with the remedy", async () => {
  assert.match(await refusalOf(cluster.file), /127\.0\.0\.1:\d+/);
  const moved = await fileWithNewPorts((text) => text);
  assert.ok((await refusalOf(moved, dirname(cluster.dataOf("n1")))).includes(cluster.dataOf("n1")));
  const notFolder = join(cluster.folder, "file");
  writeFileSync(notFolder, "");
  assert.ok((await refusalOf(moved, notFolder)).includes(join(notFolder, "n1")));
});

test("a stored layout holds against an edited file, which is told what differs", async () => {
  const other = await ProcessCluster.create({ nodes: 3 });
  try {
    await other.startAll();
    await other.killAll();
    other.writeFile(other.file, { replication: 2 });
    const message = await other.start("n1").then(String, (reason: Error) => reason.message);
    assert.match(message, /disagrees with the stored layout.*replication/s);
  } finally {
    await other.close();
  }
});

test("murmur up starts all nodes, says what to try, and stops them all on Ctrl-C", async () => {
  const other = await ProcessCluster.create({ nodes: 3 });
  const up = fork(MAIN_FILE, ["up", "--config", other.file], { stdio: ["ignore", "pipe", "pipe", "ipc"] });
  try {
    let out = "";
    await new Promise<void>((resolve, reject) => {
      up.once("exit", (code) => reject(new Error(`it ended with ${code}: ${out}`)));
      up.stdout?.on("data", (chunk) => {
        out += chunk;
        if (out.includes("murmur status")) resolve();
      });
    });
    // On a machine with too much to do a node says that it is ready before it votes (startSettleMs).
    await until(
      () => other.put("n1", "b", "k", "v"),
      ({ status }) => status === 204,
    );
    const { out: found } = await other.command(["get", "b", "k", "--consistency", "ALL"]);
    assert.equal(found.trim(), "v");
    up.kill("SIGINT");
    const [code] = await once(up, "exit");
    assert.equal(code, 0);
    for (const id of other.ids) {
      assert.match(out, new RegExp(`${id} +${other.url(id)}`));
      await assert.rejects(other.get(id, "b", "k"), /ECONNREFUSED/);
    }
  } finally {
    // One that is left running keeps this file's process from ending.
    up.kill("SIGKILL");
    await other.close();
  }
});

test("the folder of a stopped node opens again at once", async () => {
  assert.equal(await cluster.kill("n3", "SIGTERM"), 0);
  mkdirSync(cluster.dataOf("n3"), { recursive: true });
  await cluster.start("n3");
  await until(
    () => cluster.put("n3", "b", "back", "x", "?w=ALL"),
    ({ status }) => status === 204,
  );
});
