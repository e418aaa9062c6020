/** One node in this process, as whoever embeds it starts it. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { ClusterConfig } from "../src/cluster-config.js";
import { parseClusterFile } from "../src/real/cluster-file.js";
import { type StartOutcome, startNode } from "../src/start-node.js";
import { freePorts } from "../src/testing/free-ports.js";

const folder = mkdtempSync(join(tmpdir(), "murmur-start-"));
after(() => rmSync(folder, { recursive: true }));

test("where a node of an IPv6 address is reached is a URL", async () => {
  const [http, peer] = await freePorts(2);
  // What it listens on is another matter: not every machine has IPv6.
  const node = `{ id: n1, host: "::1", bind: 127.0.0.1, http: ${http}, peer: ${peer} }`;
  const text = `cluster: test\npartitions: 1\ndurability: os\nnodes:\n  - ${node}\n`;
  const config = parseClusterFile(text, join(folder, "cluster.yaml")) as ClusterConfig;
  const log = { info: () => {}, warn: () => {} };
  const options = { config, id: "n1", dataDir: join(folder, "n1"), newCluster: false, log };
  const outcome = await new Promise<StartOutcome>((resolve) => startNode(options, resolve));
  assert.ok(outcome.ok, JSON.stringify(outcome));
  await new Promise<void>((resolve) => outcome.running.stop(resolve));
  assert.equal(outcome.running.httpUrl, `http://[::1]:${http}`);
});
