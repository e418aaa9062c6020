/** What the bench counter found, as tables: how many, at what cost, over which lines, and whether all of them count. */
import { availableParallelism } from "node:os";
import { Histogram } from "../src/load/histogram.js";
import { ARMS, type Arm } from "./counter-arms.js";
import type { CounterReport } from "./counter-process.js";
import type { Result, Row } from "./report.js";

export const DISTANCE_MS = 20;
export const DATACENTERS = ["dc1", "dc2", "dc3"];
export const KILLED = "dc1-1";
const TARGET = 1_000_000;
/** So large a part of the cores is all of them: the rest is the system's. */
const BUSY_SHARE = 0.85;

export interface Plan {
  /** Of each datacenter: all of them hold every counter. */
  readonly nodes: number;
  readonly keys: number;
  readonly warmUpMs: number;
  readonly lastingMs: number;
  /** In each datacenter, by how many increments each of them asks for at once. */
  readonly callers: Readonly<Record<Arm["callers"], { readonly count: number; readonly perCall: number }>>;
}

export interface Counts {
  readonly mints: number;
  /** Sent to other datacenters. */
  readonly farBytes: number;
}

export interface Costs extends Counts {
  /** Of the nodes that are not killed. */
  readonly cpuMicros: number;
}

export interface Measured {
  readonly arm: Arm;
  readonly reports: readonly CounterReport[];
  readonly used: Costs;
  readonly total: number;
}

type Figure = "acknowledged" | "unknown" | "failed" | "cpuMicros" | "bytesOut" | "bytesIn";

export function sumOf(reports: readonly CounterReport[], name: Figure): number {
  return reports.reduce((sum, report) => sum + report[name], 0);
}

export function resultOf(plan: Plan, measured: readonly Measured[]): Result {
  const { singles, batches } = plan.callers;
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
      `Closed loop: in each datacenter ${singles.count} callers ask for one increment at a time, or fewer for ${batches.perCall} and more. Each increment is by 1, of a counter that it names.`,
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
