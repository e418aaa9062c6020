/**
 * What `murmur bench` measured, for people and for programs.
 */
import type { Histogram } from "../load/histogram.js";
import { allErrors, type LoadReport, merged, PERCENTILES } from "../load/report.js";
import { extraReadsPercent, type HedgeCounts, summed } from "../load/scrape.js";
import { counted, figure, grouped, print, printJson, table } from "./terminal.js";

/** Rounds with one hedging policy. */
export interface BenchSide {
  readonly hedge: string;
  readonly reports: LoadReport[];
  /** As the nodes count; undefined when a node does not tell. */
  readonly counts: Array<HedgeCounts | undefined>;
}

export function printBench(sides: readonly BenchSide[], settings: object, json: boolean): void {
  if (json) {
    printJson({ ...settings, sides: sides.map(jsonOf) });
    return;
  }
  const head = ["ms", ...PERCENTILES.map(([name]) => name), "longest", "requests"];
  const right = head.map((_, column) => column).slice(1);
  print(table([head, ...sides.flatMap((side) => latencyRows(side, sides.length > 1)), ...ratioRows(sides)], right));
  for (const side of sides) print(`\n${sentencesOf(side, sides.length > 1).join("\n")}`);
}

function latencyRows({ hedge, reports }: BenchSide, isNamed: boolean): string[][] {
  const kinds = [
    ["reads", merged(reports.map(({ reads }) => reads))],
    ["writes", merged(reports.map(({ writes }) => writes))],
  ] as const;
  return kinds
    .filter(([, histogram]) => histogram.count > 0)
    .map(([name, histogram]) => [
      isNamed ? `${name}, hedge ${hedge}` : name,
      ...PERCENTILES.map(([, share]) => figure(histogram.quantile(share))),
      figure(histogram.mostMs),
      grouped(histogram.count),
    ]);
}

/** How many times longer reads took on the first side than on the second. */
function ratioRows([first, second]: readonly BenchSide[]): string[][] {
  if (first === undefined || second === undefined) return [];
  const [one, other] = [first, second].map(({ reports }) => merged(reports.map(({ reads }) => reads)));
  const ratios = PERCENTILES.map(([, share]) =>
    figure((one?.quantile(share) ?? Number.NaN) / (other?.quantile(share) ?? Number.NaN)),
  );
  return [[`reads, ${first.hedge} / ${second.hedge}`, ...ratios]];
}

function sentencesOf({ hedge, reports, counts }: BenchSide, isNamed: boolean): string[] {
  const { requests, perSecond, cores, waitedMs, loopLagMs, errors } = figuresOf(reports);
  const sent = `${counted(requests, "request")}, ${grouped(perSecond)}/s`;
  const failed = [...errors].map(([code, count]) => `${grouped(count)} ${code}`).join(", ");
  const lines = [`${isNamed ? `hedge ${hedge}: ` : ""}${sent}; errors: ${failed === "" ? "none" : failed}`];
  const known = knownCounts(counts);
  if (known !== undefined && known.reads > 0) {
    const outcomes = [...known.hedges].map(([outcome, count]) => `${grouped(count)} ${outcome}`).join(", ");
    lines.push(`spare questions: ${extraReadsPercent(known).toFixed(2)} % of the reads (${outcomes})`);
  }
  const waited = waitedMs === undefined ? "" : `, requests left ${figure(waitedMs)} ms late at p99`;
  lines.push(`generator: ${cores.toFixed(2)} of a core, loop lag ${figure(loopLagMs)} ms at p99${waited}`);
  return lines;
}

function figuresOf(reports: readonly LoadReport[]) {
  const errors = allErrors(reports);
  const answered = sumOf(reports.map((report) => report.answered));
  const requests = answered + sumOf([...errors.values()]);
  const seconds = Math.max(0.001, sumOf(reports.map((report) => report.seconds)));
  const cores = sumOf(reports.map(({ cpuMicros }) => cpuMicros)) / 1e6 / seconds;
  const waitedMs = merged(reports.map(({ waits }) => waits)).quantile(0.99);
  const loopLagMs = Math.max(0, ...reports.map((report) => report.loopLagMs));
  return { answered, requests, seconds, perSecond: answered / seconds, cores, waitedMs, loopLagMs, errors };
}

function jsonOf({ hedge, reports, counts }: BenchSide): object {
  const { cores, waitedMs, loopLagMs, errors, ...figures } = figuresOf(reports);
  const known = knownCounts(counts);
  const hedges = known && { ...Object.fromEntries(known.hedges), extraReadsPercent: extraReadsPercent(known) };
  return {
    hedge,
    ...figures,
    readsMs: percentilesOf(merged(reports.map(({ reads }) => reads))),
    writesMs: percentilesOf(merged(reports.map(({ writes }) => writes))),
    errors: Object.fromEntries(errors),
    hedges,
    generator: { cores, waitedP99Ms: waitedMs, loopLagMs },
  };
}

function percentilesOf(histogram: Histogram): object {
  const quantiles = PERCENTILES.map(([name, share]) => [name, histogram.quantile(share)]);
  return { count: histogram.count, ...Object.fromEntries(quantiles), longest: histogram.mostMs };
}

function knownCounts(counts: BenchSide["counts"]): HedgeCounts | undefined {
  const known = counts.filter((each) => each !== undefined);
  return known.length === counts.length ? summed(known) : undefined;
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}
