/**
 * Anti-entropy: what comparing costs, how soon replicas are equal, and how soon
 * a full store can be used again.
 *
 * Bytes and messages are those of the very core on a simulated network: a function of
 * the seed, whatever the machine. Times are those of real processes on the disk of this machine.
 */
import { rmSync } from "node:fs";
import { setTimeout as rest } from "node:timers/promises";
import { ProcessCluster } from "../test/process-cluster.js";
import { closingAfter } from "./closing.js";
import type { BenchOptions, Result, Row } from "./report.js";
import { fillFolder, rowsOf, SyncMeter, simulated } from "./stocked.js";

/** As many as members of the measured cluster. */
const NODES = 3;
const PAIRS = (NODES * (NODES - 1)) / 2;
const QUIET_ROUNDS = 20;
const LOOK_EVERY_MS = 50;

export async function run({ quick, tiny, onProgress }: BenchOptions): Promise<Result> {
  const say = onProgress ?? (() => {});
  const counts = tiny ? [100] : quick ? [10_000] : [10_000, 1_000_000];
  const differences = tiny ? [0, 5] : [0, 1, 10, 100, 1000];
  const moved = tiny ? 300 : quick ? 10_000 : 100_000;
  const stored = tiny ? 300 : quick ? 50_000 : 1_000_000;
  const rows = counts.flatMap((keys) =>
    differences.map((differing) => {
      say(`${differing} of ${keys} rows differ`);
      return compared(keys, differing);
    }),
  );
  say(`${NODES} nodes, ${moved} keys, 1 % apart`);
  const apart = await equalized(moved, "1 % apart");
  say(`${NODES} nodes, ${moved} keys, one wiped`);
  const wiped = await equalized(moved, "one node wiped");
  say(`a node with ${stored} rows starts`);
  const starts = await started(stored);
  return {
    name: "anti-entropy",
    command: "npm run bench -- anti-entropy",
    title: "What it costs a pair of nodes to find out in what they differ",
    columns: [
      { name: "keys", isLabel: true },
      { name: "differing", isLabel: true },
      { name: "bytes to compare", digits: 0 },
      { name: "messages to compare", digits: 1 },
      { name: "bytes in all", digits: 0 },
      { name: "messages in all", digits: 1 },
    ],
    rows,
    more: [
      { title: "From all nodes up to equal replicas", columns: TIMED, rows: [apart, wiped] },
      { title: "From the start of a node to ready", columns: STARTS, rows: starts },
    ],
    notes: [
      `${NODES} nodes, 3 replicas, values of 100 bytes. Compared in virtual time: per pair; with no difference, per pair and round, over ${QUIET_ROUNDS} rounds.`,
      "Differing: rows that one node lacks; a pair of it and a sound one is counted, and in all means with the rows that move.",
      "Equal: the same number of rows everywhere, all votes earned, and murmur repair --check finds no difference.",
    ],
  };
}

const TIMED = [
  { name: "case", isLabel: true },
  { name: "keys", digits: 0 },
  { name: "seconds", digits: 2 },
  { name: "rows a second", digits: 0 },
];

const STARTS = [
  { name: "after", isLabel: true },
  { name: "rows", digits: 0 },
  { name: "seconds", digits: 2 },
];

function compared(keys: number, differing: number): Row {
  const meter = new SyncMeter();
  const cluster = simulated(NODES, keys, differing, meter);
  const isEqual = () => cluster.ids.every((id) => cluster.member(id).describe().rows === keys);
  const { syncIntervalMs } = cluster.config.limits;
  // Only one pair is measured when something differs: the node that lacks rows, and the first that gives them.
  if (differing > 0) cluster.network.partition([["n1", "n3"], ["n2"]]);
  cluster.startAll(0);
  const isPairEqual = () => ["n1", "n3"].every((id) => cluster.member(id).describe().rows === keys);
  cluster.runUntil(differing > 0 ? isPairEqual : isEqual, 600_000);
  if (differing === 0) {
    cluster.run(10_000);
    meter.reset();
    cluster.run(QUIET_ROUNDS * syncIntervalMs);
  }
  const per = differing === 0 ? PAIRS * QUIET_ROUNDS : 1;
  return {
    ...{ keys, differing },
    "bytes to compare": meter.comparing.bytes / per,
    "messages to compare": meter.comparing.messages / per,
    "bytes in all": (meter.comparing.bytes + meter.moving.bytes) / per,
    "messages in all": (meter.comparing.messages + meter.moving.messages) / per,
  };
}

/** Folders that a first start has made, so that they know their layout; killed, so that no sums are noted. */
async function folders(nodes: number): Promise<ProcessCluster> {
  const cluster = await ProcessCluster.create({ nodes });
  await cluster.startAll();
  await cluster.killAll();
  return cluster;
}

function equalized(keys: number, name: "1 % apart" | "one node wiped"): Promise<Row> {
  return closingAfter(async (keep) => {
    const cluster = keep(await folders(NODES));
    const wallMs = Date.now();
    const isWiped = name === "one node wiped";
    for (const [index, id] of cluster.ids.entries()) {
      const lacks = index < NODES - 1 ? 0 : Math.ceil(keys / 100);
      if (isWiped && lacks > 0) rmSync(cluster.dataOf(id), { recursive: true });
      else await fillFolder(cluster.dataOf(id), rowsOf(keys - lacks, wallMs));
    }
    await Promise.all(cluster.ids.map((id) => cluster.start(id)));
    const startedMs = performance.now();
    for (const id of cluster.ids) {
      // Asked without rest, the nodes would have less time for each other.
      while (!isFull(await statusOf(cluster, id), keys)) await rest(LOOK_EVERY_MS);
    }
    const seconds = (performance.now() - startedMs) / 1000;
    const { code, out } = await cluster.command(["repair", "--check"]);
    if (code !== 0) throw new Error(`the replicas are not equal:\n${out}`);
    const moved = isWiped ? keys : Math.ceil(keys / 100);
    return { case: name, keys, seconds, "rows a second": moved / seconds };
  });
}

interface Status {
  readonly rows: number;
  readonly nodes: readonly { readonly rebuilding?: number }[];
}

async function statusOf(cluster: ProcessCluster, id: string): Promise<Status> {
  return JSON.parse(String((await cluster.call("GET", id, "/v1/cluster")).body)) as Status;
}

function isFull({ rows, nodes }: Status, keys: number): boolean {
  return rows === keys && nodes.every(({ rebuilding }) => rebuilding === 0);
}

function started(rows: number): Promise<Row[]> {
  return closingAfter(async (keep) => {
    const cluster = keep(await folders(1));
    await fillFolder(cluster.dataOf("n1"), rowsOf(rows, Date.now()));
    const start = async (after: string): Promise<Row> => {
      const startedMs = performance.now();
      await cluster.start("n1");
      return { after, rows, seconds: (performance.now() - startedMs) / 1000 };
    };
    const unnoted = await start("a kill, no sums noted");
    await cluster.kill("n1", "SIGTERM");
    const clean = await start("an orderly stop");
    await cluster.kill("n1");
    return [clean, await start("a kill, sums noted before"), unnoted];
  });
}
