/**
 * Counters that three datacenters count up at once, each through its own clients at LOCAL_QUORUM,
 * while a node is killed and started again; and whether the total is exact.
 *
 * All nodes are processes on one machine; what goes to another datacenter takes
 * longer by `DISTANCE_MS` each way. An increment whose outcome is unknown may or
 * may not have counted: the total at ALL lies between what was acknowledged, and that with what is unknown. With an
 * Idempotency-Key nothing stays unknown, and the total is what was acknowledged.
 */
import { availableParallelism } from "node:os";
import { setTimeout as rest } from "node:timers/promises";
import { MurmurClient } from "../src/client/client.js";
import { DEFAULT_LIMITS } from "../src/config.js";
import { Histogram } from "../src/load/histogram.js";
import type { ClusterOptions, TestCluster } from "../src/testing/cluster.js";
import { startCluster } from "../src/testing/start-cluster.js";
import { closingAfter } from "./closing.js";
import { ARMS, type Arm } from "./counter-arms.js";
import { type CounterOrder, CounterProcess, type CounterReport, counterName } from "./counter-process.js";
import { cpuMicros } from "./processes.js";
import type { BenchOptions, Result, Row } from "./report.js";

const DISTANCE_MS = 20;
const DATACENTERS = ["dc1", "dc2", "dc3"];
const TARGET = 1_000_000;
const TIMEOUT_MS = 20_000;
const KILLED = "dc1-1";
/** For a count at the end: a node that was away may have much to take in. */
const PATIENCE_MS = 20_000;
/** So large a part of the cores is all of them: the rest is the system's. */
const BUSY_SHARE = 0.85;

interface Plan {
  /** Of each datacenter: all of them hold every counter. */
  readonly nodes: number;
  readonly keys: number;
  readonly warmUpMs: number;
  readonly lastingMs: number;
  /** In each datacenter, by how many increments each of them asks for at once. */
  readonly callers: Readonly<Record<Arm["callers"], { readonly count: number; readonly perCall: number }>>;
}

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
    singles: { count: 2000, perCall: 1 },
    batches: { count: 64, perCall: 1000 },
    named: { count: 4, perCall: 1000 },
  };
  if (!tiny) return { nodes: 3, keys: 10, warmUpMs: quick ? 500 : 2_000, lastingMs: quick ? 2_400 : 12_000, callers };
  const few = { count: 2, perCall: 50 };
  const least = { singles: { count: 8, perCall: 1 }, batches: few, named: few };
  return { nodes: 1, keys: 4, warmUpMs: 100, lastingMs: 400, callers: least };
}

type Clients = readonly (readonly [datacenter: string, client: CounterProcess])[];

interface Measured {
  readonly arm: Arm;
  readonly reports: readonly CounterReport[];
  readonly used: Costs;
  readonly total: number;
}

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

interface Counts {
  readonly mints: number;
  /** Sent to other datacenters. */
  readonly farBytes: number;
}

interface Costs extends Counts {
  /** Of the nodes that are not killed. */
  readonly cpuMicros: number;
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

type Figure = "acknowledged" | "unknown" | "failed" | "cpuMicros" | "bytesOut" | "bytesIn";

function sumOf(reports: readonly CounterReport[], name: Figure): number {
  return reports.reduce((sum, report) => sum + report[name], 0);
}

/** Throws when an acknowledged increment is missing, or one counts that nobody made. */
function checkTotal(reports: readonly CounterReport[], total: number, { name }: Arm): void {
  const acknowledged = sumOf(reports, "acknowledged");
  const unknown = sumOf(reports, "unknown");
  if (total >= acknowledged && total <= acknowledged + unknown) return;
  throw new Error(`${name}: counted ${total}: acknowledged were ${acknowledged}, unknown are ${unknown}`);
}

function resultOf(plan: Plan, measured: readonly Measured[]): Result {
  const { singles, batches, named: few } = plan.callers;
  const costs = ["clients' CPU", "nodes' CPU", "client us", "node us", "cores for the target", "node us per mint"];
  const traffic = [
    "mints/s",
    "increments per mint",
    "bytes to coordinators",
    "bytes back",
    "bytes between datacenters",
  ];
  return {
    name: "counter",
    command: "npm run bench -- counter",
    title: `${plan.keys} counters counted up in three datacenters at LOCAL_QUORUM, ${plan.nodes} nodes each, ${DISTANCE_MS} ms apart`,
    columns: [
      label("increments"),
      ...["callers", "increments a call", "acknowledged/s", "of the target %", "p50 ms", "p99 ms"].map(named),
      named("limited by"),
    ],
    rows: measured.map((each) => rateRow(plan, each)),
    more: [
      table("what an increment costs: CPU in cores, then CPU for each increment", costs, measured, costRow),
      table("what travels, for each increment", traffic, measured, trafficRow),
      table("what became of them", ["acknowledged", "unknown", "refused", "total"], measured, endRow),
    ],
    charted: "acknowledged/s",
    reference: ARMS[0]?.name ?? "",
    notes: [
      `Closed loop. In each datacenter ${singles.count} callers ask for one increment at a time, or ${batches.count} (with an Idempotency-Key ${few.count}) for ${batches.perCall}; each increment is by 1, of a counter that it names.`,
      `The target is ${TARGET} a second. ${KILLED} is killed (SIGKILL) after a third of the time and started again after two thirds; its CPU is not counted, its mints are.`,
      "The total at ALL is what was acknowledged since the bench began its arm, warming up included, and some of what is unknown at most; else the bench fails. With an Idempotency-Key nothing is unknown.",
    ],
  };
}

function table(title: string, names: readonly string[], measured: readonly Measured[], rowOf: (each: Measured) => Row) {
  return { title, columns: [label("increments"), ...names.map(named)], rows: measured.map(rowOf) };
}

function named(name: string): { readonly name: string } {
  return { name };
}

function label(name: string): { readonly name: string; readonly isLabel: true } {
  return { name, isLabel: true };
}

function secondsOf({ reports }: Measured): number {
  return Math.max(...reports.map((report) => report.seconds));
}

function rateRow(plan: Plan, measured: Measured): Row {
  const { arm, reports } = measured;
  const { count, perCall } = plan.callers[arm.callers];
  const perSecond = sumOf(reports, "acknowledged") / secondsOf(measured);
  const took = new Histogram();
  for (const { tookMs } of reports) took.add(tookMs);
  return {
    increments: arm.name,
    callers: count * DATACENTERS.length,
    "increments a call": perCall,
    "acknowledged/s": perSecond,
    "of the target %": (100 * perSecond) / TARGET,
    "p50 ms": took.quantile(0.5),
    "p99 ms": took.quantile(0.99),
    "limited by": limitOf(measured),
  };
}

function coresOf(measured: Measured): { readonly clients: number; readonly nodes: number } {
  const seconds = secondsOf(measured);
  return {
    clients: sumOf(measured.reports, "cpuMicros") / 1e6 / seconds,
    nodes: measured.used.cpuMicros / 1e6 / seconds,
  };
}

/** Where there are cores left, callers wait for answers: more of them would get more. */
function limitOf(measured: Measured): string {
  const { clients, nodes } = coresOf(measured);
  if (clients + nodes < BUSY_SHARE * availableParallelism()) return "callers that wait";
  return clients > nodes ? "CPU, most of it callers'" : "CPU, most of it nodes'";
}

function costRow(measured: Measured): Row {
  const { arm, reports, used } = measured;
  const acknowledged = sumOf(reports, "acknowledged");
  const { clients, nodes } = coresOf(measured);
  const micros = sumOf(reports, "cpuMicros") + used.cpuMicros;
  return {
    increments: arm.name,
    "clients' CPU": clients,
    "nodes' CPU": nodes,
    "client us": sumOf(reports, "cpuMicros") / acknowledged,
    "node us": used.cpuMicros / acknowledged,
    "cores for the target": (micros / acknowledged / 1e6) * TARGET,
    "node us per mint": used.cpuMicros / used.mints,
  };
}

function trafficRow(measured: Measured): Row {
  const { arm, reports, used } = measured;
  const acknowledged = sumOf(reports, "acknowledged");
  return {
    increments: arm.name,
    "mints/s": used.mints / secondsOf(measured),
    "increments per mint": acknowledged / used.mints,
    "bytes to coordinators": sumOf(reports, "bytesOut") / acknowledged,
    "bytes back": sumOf(reports, "bytesIn") / acknowledged,
    "bytes between datacenters": used.farBytes / acknowledged,
  };
}

function endRow({ arm, reports, total }: Measured): Row {
  return {
    increments: arm.name,
    acknowledged: sumOf(reports, "acknowledged"),
    unknown: sumOf(reports, "unknown"),
    refused: sumOf(reports, "failed"),
    total,
  };
}
