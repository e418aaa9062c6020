/** The samples of README.md and docs/ run as they stand there, against this checkout: code by Node, commands by a shell. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { ClusterConfig } from "../src/cluster-config.js";
import { loadClusterFile } from "../src/real/cluster-file.js";
import { freePorts } from "../src/testing/free-ports.js";
import { startCluster, type TestCluster } from "../src/testing/start-cluster.js";
import { MAIN_FILE as MAIN } from "./process-cluster.js";
import { samples } from "./samples.js";

/** Within the package, so that `murmurdb/…` means this checkout. */
const folder = fileURLToPath(new URL("./samples/", import.meta.url));
/** Where a sample expects the cluster of `npm start`. */
const STARTED = "http://127.0.0.1:8101";
/** Of the node that a sample starts itself. */
const OWN_PORTS = ["8201", "9201"];

let cluster: TestCluster;

/** With the buckets of this repository's cluster.yaml. */
const { buckets } = loadClusterFile(fileURLToPath(new URL("../../cluster.yaml", import.meta.url))) as ClusterConfig;
const typed = [...buckets].map(([name, { type }]) => [name, { type }] as const);

before(async () => {
  cluster = await startCluster({ buckets: Object.fromEntries(typed) });
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "murmur"), `#!/bin/sh\nexec "${process.execPath}" "${MAIN}" "$@"\n`, { mode: 0o755 });
});
after(async () => {
  await cluster.stop();
  rmSync(folder, { recursive: true });
});

/** What a shell runs starts a process for each of its lines. */
const isShort = (name: string) => process.env.MURMUR_REQUIRE_ALL === "1" || !name.endsWith(".sh");

for (const [name, code] of [...samples()].filter(([name]) => isShort(name))) {
  test(`the sample ${name} runs`, async () => {
    const file = join(folder, name);
    const ports = await freePorts(OWN_PORTS.length);
    const free = OWN_PORTS.reduce((text, port, index) => text.replaceAll(port, String(ports[index])), code);
    writeFileSync(file, free.replaceAll(STARTED, cluster.urls[0] as string));
    const { NODE_TEST_CONTEXT: _context, ...inherited } = process.env;
    const env = { ...inherited, PATH: `${folder}:${inherited.PATH}`, MURMUR_CONFIG: cluster.file };
    const [command, ...words] = name.endsWith(".sh") ? ["sh", "-e", file] : [process.execPath, file];
    const child = spawn(command as string, words, { cwd: folder, env, stdio: ["ignore", "pipe", "pipe"] });
    let said = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        said += text;
      });
    }
    const [code_] = await once(child, "close");
    assert.equal(code_, 0, said);
  });
}

test("each way into the package has a sample", () => {
  const { exports } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  const all = [...samples().values()].join("\n");
  const lacking = Object.keys(exports).filter((way) => !all.includes(`from 'murmurdb${way.slice(1)}'`));
  assert.deepEqual(lacking, []);
});
