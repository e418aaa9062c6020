/** What the tail bench measured, as tables and curves, beside what others measured. */
import { DEFAULT_LIMITS } from "../src/config.js";
import { HISTOGRAM_ERROR, type Histogram } from "../src/load/histogram.js";
import { allErrors, type LoadReport, merged, PERCENTILES } from "../src/load/report.js";
import { extraReadsPercent, type HedgeCounts, OUTCOMES, summed } from "../src/load/scrape.js";
import type { CurvePanel } from "./curves.js";
import type { Cell, Result, Row, Table } from "./report.js";
import { ratioSpread } from "./spread.js";
import type { OpenLoop } from "./tail-bench.js";
import type { Fault } from "./tail-faults.js";

export interface TailPlan extends OpenLoop {
  readonly rounds: number;
  /** In a closed loop, before. */
  readonly mostPerSecond: number;
}

/** One run of the generator, and what it cost the nodes. */
export interface Side {
  readonly report: LoadReport;
  readonly counts: HedgeCounts;
  readonly nodesCpuMicros: number | undefined;
}

export interface Pair {
  readonly off: Side;
  readonly on: Side;
}

export interface Arm {
  readonly fault: Fault;
  readonly rounds: Pair[];
}

export const SIDES = ["off", "on"] as const;
export type SideName = (typeof SIDES)[number];

const REFERENCES = [
  "Not measured here. Cassandra, one replica stopped for 150 ms each second, 1,000 QUORUM reads/s: p99.9 136 - 158 ms with its",
  "default (99p), no better than off; 14 - 17 ms when tuned to 10 ms, for 11 % more reads; p99.9 86 ms without a fault.",
  "Not measured here. The Tail at Scale: p99.9 of 1,800 ms becomes 74 ms (24 times) for 2 % more requests.",
  "Our targets: stopped replica p99.9 <= 10 ms for <= 10 % more reads; one gray replica p99.9 24 times better for <= 2 % more,",
  "the median within 3 %; no fault p99.9 <= 10 ms.",
];

export function tailResult(arms: readonly Arm[], plan: TailPlan, keys: number): Result {
  return {
    name: "tail",
    command: "npm run bench -- tail",
    title: "QUORUM reads with hedging off and on, 5 nodes, 3 replicas, open loop",
    columns: [
      { name: "fault", isLabel: true },
      { name: "percentile", isLabel: true },
      ...["off ms", "on ms", "off / on", "reads"].map((name) => ({ name })),
    ],
    rows: arms.flatMap(latencyRows),
    more: [costTable(arms)],
    panels: arms.map(({ fault, rounds }) => panelOf(fault.name, rounds)),
    notes: [
      `${plan.rounds} alternating rounds of ${(plan.lastingMs / 1000).toFixed(1)} s at ${plan.perSecond} reads/s, ${keys} keys, uniform, 100 B, durability os.`,
      `In a closed loop the machine takes ${plan.mostPerSecond.toFixed(0)} reads/s. Percentiles are of all rounds together, at most ${((HISTOGRAM_ERROR - 1) * 100).toFixed(1)} % off, and`,
      "only those with ten samples above. The ratio: median (least - most) of the rounds, or, where one has too few samples, of all but one.",
      "Timed from when a request was due. The nodes at fault are replicas only: clients ask the others. With hedging off, a replica",
      `that is overdue is still asked last. Each coordinator may have saved up ${DEFAULT_LIMITS.hedgeTokensMax} spare questions when a round begins.`,
      "A process of the lowest priority per core kept the cores awake (bench/awake.ts).",
      ...REFERENCES,
    ],
  };
}

function latencyRows({ fault, rounds }: Arm): Row[] {
  const all = { off: allReads(rounds, "off"), on: allReads(rounds, "on") };
  return PERCENTILES.flatMap(([name, share]) => {
    const [off, on] = [all.off.quantile(share), all.on.quantile(share)];
    if (off === undefined || on === undefined) return [];
    const pooled = { "off ms": off, "on ms": on, reads: Math.min(all.off.count, all.on.count) };
    return [{ fault: fault.name, percentile: name, ...pooled, "off / on": ratioOf(rounds, share) ?? off / on }];
  });
}

export function allReads(rounds: readonly Pair[], side: SideName): Histogram {
  return merged(rounds.map((round) => round[side].report.reads));
}

/** Round by round, or, where a round alone has too few samples, of all rounds but one. */
function ratioOf(rounds: readonly Pair[], share: number): Cell {
  const others = rounds.map((_, left) => rounds.filter((_, index) => index !== left));
  for (const groups of [rounds.map((round) => [round]), others]) {
    const quantiles = (side: SideName) => groups.map((group) => allReads(group, side).quantile(share) ?? Number.NaN);
    const [off, on] = [quantiles("off"), quantiles("on")];
    if ([...off, ...on].every(Number.isFinite)) return ratioSpread(off, on);
  }
  return undefined;
}

function costTable(arms: readonly Arm[]): Table {
  const measures = ["extra reads %", ...OUTCOMES, "nodes us", "generator us", "waited p99 ms", "loop lag ms"];
  const names = ["fault", "hedging", "errors", ...measures];
  return {
    title: "What it cost: spare questions as the nodes count them, and CPU per read",
    columns: names.map((name) => (name === "fault" || name === "hedging" ? { name, isLabel: true } : { name })),
    rows: arms.flatMap((arm) => SIDES.map((side) => costRow(arm, side))),
  };
}

function costRow({ fault, rounds }: Arm, name: SideName): Row {
  const sides = rounds.map((round) => round[name]);
  const counts = summed(sides.map((side) => side.counts));
  const reads = Math.max(1, allReads(rounds, name).count);
  const nodes = sides.reduce((sum: number | undefined, { nodesCpuMicros }) => plus(sum, nodesCpuMicros), 0);
  const generator = sides.reduce((sum, { report }) => sum + report.cpuMicros, 0);
  const errors = [...allErrors(sides.map(({ report }) => report))].map(([code, count]) => `${count} ${code}`);
  return {
    fault: fault.name,
    hedging: name,
    errors: errors.length === 0 ? "none" : errors.join(", "),
    "extra reads %": extraReadsPercent(counts),
    ...Object.fromEntries(OUTCOMES.map((outcome) => [outcome, counts.hedges.get(outcome) ?? 0])),
    "nodes us": nodes === undefined ? undefined : nodes / reads,
    "generator us": generator / reads,
    "waited p99 ms": merged(sides.map(({ report }) => report.waits)).quantile(0.99),
    "loop lag ms": Math.max(...sides.map(({ report }) => report.loopLagMs)),
  };
}

function plus(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined || other === undefined ? undefined : one + other;
}

export function panelOf(title: string, rounds: readonly Pair[]): CurvePanel {
  const curve = (side: SideName) => ({
    name: `hedging ${side}`,
    isReference: side === "off",
    points: allReads(rounds, side)
      .steps()
      .map(({ ms, shareAbove }) => [Number(ms.toPrecision(4)), Number(shareAbove.toPrecision(4))] as const),
  });
  return { title, curves: SIDES.map(curve) };
}
