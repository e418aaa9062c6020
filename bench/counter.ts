/**
 * Counters that three datacenters count up at once, each through its own clients at LOCAL_QUORUM,
 * while a node is killed and started again; and whether the total is exact.
 *
 * All nodes are processes on one machine; what goes to another datacenter takes
 * longer by `DISTANCE_MS` each way. An increment whose outcome is unknown may or
 * may not have counted: the total at ALL lies between what was acknowledged, and that with what is unknown.
 */
import { setTimeout as rest } from "node:timers/promises";
import { MurmurClient } from "../src/client/client.js";
import { DEFAULT_LIMITS } from "../src/config.js";
import type { ClusterOptions, TestCluster } from "../src/testing/cluster.js";
import { startCluster } from "../src/testing/start-cluster.js";
import { closingAfter } from "./closing.js";
import { type CounterOrder, CounterProcess, type CounterReport, counterName } from "./counter-process.js";
import { cpuMicros } from "./processes.js";
import type { BenchOptions, Result, Row } from "./report.js";

const DISTANCE_MS = 20;
const DATACENTERS = ["dc1", "dc2", "dc3"];
const TARGET = 1_000_000;
const TIMEOUT_MS = 20_000;
const WINDOW = "5ms";
const KILLED = "dc1-1";
/** For a count at the end: a node that was away may have much to take in. */
const PATIENCE_MS = 20_000;

interface Plan {
  /** Of each datacenter: all of them hold every counter. */
  readonly nodes: number;
  readonly keys: number;
  readonly warmUpMs: number;
  readonly lastingMs: number;
  /** Callers in each datacenter, where the client adds up and where it does not. */
  readonly callers: { readonly many: number; readonly few: number };
}

interface Arm {
  readonly name: string;
  readonly coalesce: string | undefined;
  /** In the client, in milliseconds. */
  readonly coalesceMs: number;
}

const ARMS: readonly Arm[] = [
  { name: "off", coalesce: undefined, coalesceMs: 0 },
  { name: "coordinator", coalesce: WINDOW, coalesceMs: 0 },
  { name: "client and coordinator", coalesce: WINDOW, coalesceMs: 20 },
];

export async function run({ quick, tiny, onProgress: say = () => {} }: BenchOptions): Promise<Result> {
  const plan = planOf(quick, tiny === true);
  const rows: Row[] = [];
  for (const arm of ARMS) {
    say(`coalescing ${arm.name}: ${plan.nodes * DATACENTERS.length} nodes`);
    rows.push(await measure(plan, arm));
  }
  return {
    name: "counter",
    command: "npm run bench -- counter",
    title: `${plan.keys} counters counted up in three datacenters at LOCAL_QUORUM, ${plan.nodes} nodes each, ${DISTANCE_MS} ms apart`,
    columns: [
      { name: "coalescing", isLabel: true },
      ...["acknowledged/s", "of the target %", "mints/s", "increments per mint"].map(named),
      ...["nodes' CPU", "clients' CPU", "node us per mint", "client us per increment"].map(named),
      ...["acknowledged", "unknown", "refused"].map(named),
    ],
    rows,
    charted: "acknowledged/s",
    reference: "off",
    notes: [
      `Closed loop: ${plan.callers.many} callers in each datacenter where the client adds up, else ${plan.callers.few}; each adds 1 to the next counter when its last is acknowledged.`,
      `The target is ${TARGET} a second. ${KILLED} is killed (SIGKILL) after a third of the time and started again after two thirds; its CPU is not counted, its mints are.`,
      "CPU in cores. The total at ALL in the end is what was acknowledged, and some of what is unknown at most; else the bench fails.",
    ],
  };
}

function named(name: string): { readonly name: string } {
  return { name };
}

function planOf(quick: boolean, tiny: boolean): Plan {
  if (tiny) return { nodes: 1, keys: 20, warmUpMs: 100, lastingMs: 600, callers: { many: 200, few: 8 } };
  return {
    nodes: 3,
    keys: 200,
    warmUpMs: 3_000,
    lastingMs: quick ? 6_000 : 15_000,
    callers: { many: 60_000, few: 64 },
  };
}

function measure(plan: Plan, arm: Arm): Promise<Row> {
  return closingAfter(async (keep) => {
    const cluster = await startCluster(settingsOf(plan, arm));
    keep({ close: () => cluster.stop() });
    const clients = DATACENTERS.map((datacenter) => [datacenter, keep(new CounterProcess())] as const);
    const runAll = (lastingMs: number) =>
      Promise.all(
        clients.map(([datacenter, client]) => client.run(orderFor(cluster, { ...plan, lastingMs }, arm, datacenter))),
      );
    const warmed = await runAll(plan.warmUpMs);
    const before = await costsOf(cluster);
    const counting = runAll(plan.lastingMs);
    await rest(plan.lastingMs / 3);
    const killed = await mintsOf([cluster.node(KILLED).url]);
    await cluster.kill(KILLED);
    await rest(plan.lastingMs / 3);
    await cluster.start(KILLED);
    const reports = await counting;
    const after = await costsOf(cluster);
    const used = { mints: after.mints + killed - before.mints, cpuMicros: after.cpuMicros - before.cpuMicros };
    checkTotal([...warmed, ...reports], await totalOf(cluster, plan));
    return rowOf(arm, reports, used);
  });
}

function settingsOf(plan: Plan, { coalesce }: Arm): ClusterOptions {
  const nodes = DATACENTERS.flatMap((datacenter) =>
    Array.from({ length: plan.nodes }, (_, index) => ({ id: `${datacenter}-${index + 1}`, datacenter })),
  );
  const replication = Object.fromEntries(DATACENTERS.map((datacenter) => [datacenter, plan.nodes]));
  const hits = { type: "counter", ...(coalesce === undefined ? {} : { coalesce }) };
  return { nodes, replication, buckets: { hits }, distanceMs: DISTANCE_MS, limits: DEFAULT_LIMITS };
}

function orderFor(cluster: TestCluster, plan: Plan, { coalesceMs }: Arm, datacenter: string): CounterOrder {
  const { keys, lastingMs, callers } = plan;
  const urls = cluster.nodes.filter((node) => node.datacenter === datacenter).map(({ url }) => url);
  const count = coalesceMs === 0 ? callers.few : callers.many;
  return { urls, datacenter, keys, callers: count, lastingMs, coalesceMs, timeoutMs: TIMEOUT_MS };
}

interface Costs {
  readonly mints: number;
  /** Of the nodes that are not killed. */
  readonly cpuMicros: number;
}

async function costsOf(cluster: TestCluster): Promise<Costs> {
  const pids = cluster.nodes.filter(({ id }) => id !== KILLED).map(({ pid }) => pid);
  return { mints: await mintsOf(cluster.urls), cpuMicros: cpuMicros(pids) ?? Number.NaN };
}

async function mintsOf(urls: readonly string[]): Promise<number> {
  const texts = await Promise.all(urls.map(async (url) => (await fetch(`${url}/metrics`)).text()));
  const counts = texts.flatMap((text) => [...text.matchAll(/^murmur_mints_total\{status="minted"\} (\d+)/gm)]);
  return counts.reduce((sum, [, count]) => sum + Number(count), 0);
}

/** What all counters hold in the end. */
async function totalOf({ urls }: TestCluster, { keys }: Plan): Promise<number> {
  const db = new MurmurClient({ nodes: urls });
  const hits = db.bucket("hits");
  const options = { consistency: "ALL", timeoutMs: PATIENCE_MS } as const;
  let total = 0;
  for (let key = 0; key < keys; key++) total += (await hits.count(counterName(key), options)).value;
  await db.close();
  return total;
}

function sumOf(reports: readonly CounterReport[], name: keyof CounterReport): number {
  return reports.reduce((sum, report) => sum + report[name], 0);
}

/** Throws when an acknowledged increment is missing, or one counts that nobody made. */
function checkTotal(reports: readonly CounterReport[], total: number): void {
  const acknowledged = sumOf(reports, "acknowledged");
  const unknown = sumOf(reports, "unknown");
  if (total >= acknowledged && total <= acknowledged + unknown) return;
  throw new Error(`counted ${total}: acknowledged were ${acknowledged}, unknown are ${unknown}`);
}

function rowOf({ name }: Arm, reports: readonly CounterReport[], used: Costs): Row {
  const acknowledged = sumOf(reports, "acknowledged");
  const clientMicros = sumOf(reports, "cpuMicros");
  const seconds = Math.max(...reports.map((report) => report.seconds));
  const perSecond = acknowledged / seconds;
  return {
    coalescing: name,
    "acknowledged/s": perSecond,
    "of the target %": (100 * perSecond) / TARGET,
    "mints/s": used.mints / seconds,
    "increments per mint": acknowledged / used.mints,
    "nodes' CPU": used.cpuMicros / 1e6 / seconds,
    "clients' CPU": clientMicros / 1e6 / seconds,
    "node us per mint": used.cpuMicros / used.mints,
    "client us per increment": clientMicros / acknowledged,
    acknowledged,
    unknown: sumOf(reports, "unknown"),
    refused: sumOf(reports, "failed"),
  };
}
