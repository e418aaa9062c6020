/**
 * Counters that three datacenters count up at once, each through its own clients at LOCAL_QUORUM,
 * while a node is killed and started again; and whether the total is exact.
 *
 * All nodes are processes on one machine; what goes to another datacenter takes
 * longer by `DISTANCE_MS` each way. An increment whose outcome is unknown may or
 * may not have counted: the total at ALL lies between what was acknowledged, and that with what is unknown. With an
 * Idempotency-Key nothing stays unknown, and the total is what was acknowledged.
 */
import { setTimeout as rest } from "node:timers/promises";
import { MurmurClient } from "../src/client/client.js";
import { DEFAULT_LIMITS } from "../src/config.js";
import type { TestCluster } from "../src/testing/cluster.js";
import type { ClusterOptions } from "../src/testing/options.js";
import { startCluster } from "../src/testing/start-cluster.js";
import { closingAfter } from "./closing.js";
import { ARMS, type Arm } from "./counter-arms.js";
import { type CounterOrder, CounterProcess, type CounterReport, counterName } from "./counter-process.js";
import {
  type Costs,
  type Counts,
  DATACENTERS,
  DISTANCE_MS,
  KILLED,
  type Measured,
  type Plan,
  resultOf,
  sumOf,
} from "./counter-table.js";
import { cpuMicros } from "./processes.js";
import type { BenchOptions, Result } from "./report.js";

const TIMEOUT_MS = 20_000;
/** For a count at the end: a node that was away may have much to take in. */
const PATIENCE_MS = 20_000;

export async function run({ quick, tiny, onProgress: say = () => {} }: BenchOptions): Promise<Result> {
  const plan = planOf(quick, tiny === true);
  const measured = await closingAfter(async (keep) => {
    say(`${plan.nodes * DATACENTERS.length} nodes`);
    const cluster = await startCluster(settingsOf(plan));
    keep({ close: () => cluster.stop() });
    const clients = DATACENTERS.map((datacenter) => [datacenter, keep(new CounterProcess())] as const);
    const all: Measured[] = [];
    for (const arm of ARMS) {
      say(arm.name);
      all.push(await measure(plan, cluster, clients, arm));
    }
    return all;
  });
  return resultOf(plan, measured);
}

function planOf(quick: boolean, tiny: boolean): Plan {
  // A counter carries the name of each sum for a day: few callers make few of them.
  const callers = {
    singles: { count: 1000, perCall: 1 },
    batches: { count: 64, perCall: 1000 },
    large: { count: 16, perCall: 10_000 },
    named: { count: 4, perCall: 1000 },
  };
  if (!tiny) return { nodes: 3, keys: 10, warmUpMs: quick ? 500 : 2_000, lastingMs: quick ? 2_100 : 10_500, callers };
  const few = { count: 2, perCall: 50 };
  const least = { singles: { count: 8, perCall: 1 }, batches: few, large: few, named: few };
  return { nodes: 1, keys: 4, warmUpMs: 100, lastingMs: 400, callers: least };
}

type Clients = readonly (readonly [datacenter: string, client: CounterProcess])[];

async function measure(plan: Plan, cluster: TestCluster, clients: Clients, arm: Arm): Promise<Measured> {
  const runAll = (lastingMs: number) =>
    Promise.all(
      clients.map(([datacenter, client]) => client.run(orderFor(cluster, { ...plan, lastingMs }, arm, datacenter))),
    );
  const warmed = await runAll(plan.warmUpMs);
  const before = await costsOf(cluster);
  const counting = runAll(plan.lastingMs);
  await rest(plan.lastingMs / 3);
  const killed = await countsOf([cluster.node(KILLED)]);
  await cluster.kill(KILLED);
  await rest(plan.lastingMs / 3);
  await cluster.start(KILLED);
  const reports = await counting;
  const after = await costsOf(cluster);
  const used = {
    mints: after.mints + killed.mints - before.mints,
    farBytes: after.farBytes + killed.farBytes - before.farBytes,
    cpuMicros: after.cpuMicros - before.cpuMicros,
  };
  const total = await totalOf(cluster, plan, arm);
  checkTotal([...warmed, ...reports], total, arm);
  return { arm, reports, used, total };
}

function settingsOf(plan: Plan): ClusterOptions {
  const nodes = DATACENTERS.flatMap((datacenter) =>
    Array.from({ length: plan.nodes }, (_, index) => ({ id: `${datacenter}-${index + 1}`, datacenter })),
  );
  const replication = Object.fromEntries(DATACENTERS.map((datacenter) => [datacenter, plan.nodes]));
  const buckets = Object.fromEntries(
    ARMS.map(({ bucket, coalesce }) => [bucket, { type: "counter", ...(coalesce === undefined ? {} : { coalesce }) }]),
  );
  const { count, perCall } = plan.callers.batches;
  // Each row counts as a request.
  const limits = { ...DEFAULT_LIMITS, requestsPendingMax: 2 * count * perCall };
  return { nodes, replication, buckets, distanceMs: DISTANCE_MS, limits };
}

function orderFor(cluster: TestCluster, plan: Plan, arm: Arm, datacenter: string): CounterOrder {
  const { keys, lastingMs } = plan;
  const { count, perCall } = plan.callers[arm.callers];
  const urls = cluster.nodes.filter((node) => node.datacenter === datacenter).map(({ url }) => url);
  return { urls, datacenter, arm, keys, callers: count, perCall, lastingMs, timeoutMs: TIMEOUT_MS };
}

async function costsOf(cluster: TestCluster): Promise<Costs> {
  const pids = cluster.nodes.filter(({ id }) => id !== KILLED).map(({ pid }) => pid);
  return { ...(await countsOf(cluster.nodes)), cpuMicros: cpuMicros(pids) ?? Number.NaN };
}

async function countsOf(nodes: TestCluster["nodes"]): Promise<Counts> {
  const sum = { mints: 0, farBytes: 0 };
  for (const { url, datacenter } of nodes) {
    const text = await (await fetch(`${url}/metrics`)).text();
    for (const [, status, count] of text.matchAll(/^murmur_mints_total\{status="(\w+)"\} (\d+)/gm)) {
      if (status === "minted") sum.mints += Number(count);
    }
    for (const [, to, bytes] of text.matchAll(/^murmur_sent_bytes_total\{datacenter="(\w+)"\} (\d+)/gm)) {
      if (to !== datacenter) sum.farBytes += Number(bytes);
    }
  }
  return sum;
}

/** What all counters hold in the end. */
async function totalOf({ urls }: TestCluster, { keys }: Plan, { bucket }: Arm): Promise<number> {
  const db = new MurmurClient({ nodes: urls });
  const hits = db.bucket(bucket);
  const options = { consistency: "ALL", timeoutMs: PATIENCE_MS } as const;
  let total = 0;
  for (let key = 0; key < keys; key++) total += (await hits.count(counterName(key), options)).value;
  await db.close();
  return total;
}

/** Throws when an acknowledged increment is missing, or one counts that nobody made. */
function checkTotal(reports: readonly CounterReport[], total: number, { name }: Arm): void {
  const acknowledged = sumOf(reports, "acknowledged");
  const unknown = sumOf(reports, "unknown");
  if (total >= acknowledged && total <= acknowledged + unknown) return;
  throw new Error(`${name}: counted ${total}: acknowledged were ${acknowledged}, unknown are ${unknown}`);
}
