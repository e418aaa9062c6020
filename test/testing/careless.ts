/** A test that cleans nothing up: starts a cluster, says what to look for, and then ends, or waits to be killed. */
import { dirname } from "node:path";
import { startCluster } from "../../src/testing/start-cluster.js";

const cluster = await startCluster({ nodes: 2 });
await cluster.pause("n2");
const left = { pids: cluster.nodes.map(({ pid }) => pid), folder: dirname(cluster.file) };
process.stdout.write(`${JSON.stringify(left)}\n`);
if (process.argv.includes("--wait")) process.stdin.resume();
