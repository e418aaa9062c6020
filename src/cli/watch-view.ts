/**
 * What `murmur watch` makes of the nodes' figures: one sum for the cluster, a
 * line of columns, and a mark for each node.
 *
 * Percentiles of several nodes cannot be added up: p50 is the median of the
 * nodes' medians, each weighed by its requests, and p99 is that of the worst node.
 */
import type { Rates, StatsEvent } from "../http/stats.js";
import { figure, grouped, paint } from "./terminal.js";

/** How a node's stream stands, and its last figures while they are fresh. */
export interface Watched {
  readonly node: string;
  readonly state: "connecting" | "open" | "silent" | "lost";
  readonly stats: StatsEvent | undefined;
}

/** The cluster's sum over the nodes that speak. */
export interface Totals {
  readonly readsPerSecond: number;
  readonly writesPerSecond: number;
  /** Reads and writes that did not meet their level or were refused by the core. */
  readonly failedPerSecond: number;
  readonly hedgesPerSecond: number;
  readonly hedgesWonPerSecond: number;
  readonly mendsPerSecond: number;
  /** Undefined while nothing is answered. */
  readonly p50Ms: number | undefined;
  readonly worstP99Ms: number | undefined;
  readonly worstLoopLagMs: number;
  /** Over all replicas: a key counts once for each owner. */
  readonly rows: number;
  readonly hintsPending: number;
  readonly rebuilding: number;
  readonly rssBytes: number;
}

export function totalsOf(all: readonly StatsEvent[]): Totals {
  const sum = (figure: (stats: StatsEvent) => number) => all.reduce((total, stats) => total + figure(stats), 0);
  const p99s = all.flatMap(({ requests }) => requests.p99Ms ?? []);
  return {
    readsPerSecond: sum(({ perSecond }) => sumOf(perSecond.reads)),
    writesPerSecond: sum(({ perSecond }) => sumOf(perSecond.writes)),
    failedPerSecond: sum(({ perSecond }) => failuresOf(perSecond.reads) + failuresOf(perSecond.writes)),
    hedgesPerSecond: sum(({ perSecond }) => perSecond.hedges.sent ?? 0),
    hedgesWonPerSecond: sum(({ perSecond }) => perSecond.hedges.won ?? 0),
    mendsPerSecond: sum(({ perSecond }) => perSecond.mends),
    p50Ms: weighedMedian(all),
    worstP99Ms: p99s.length === 0 ? undefined : Math.max(...p99s),
    worstLoopLagMs: Math.max(0, ...all.map(({ loopLagMs }) => loopLagMs)),
    rows: sum(({ rows }) => rows),
    hintsPending: sum(({ hintsPending }) => hintsPending),
    rebuilding: sum(({ rebuilding }) => rebuilding),
    rssBytes: sum(({ rssBytes }) => rssBytes),
  };
}

const COLUMNS: readonly (readonly [head: string, cell: (totals: Totals) => string])[] = [
  ["reads/s", (totals) => grouped(totals.readsPerSecond)],
  ["writes/s", (totals) => grouped(totals.writesPerSecond)],
  ["failed/s", (totals) => few(totals.failedPerSecond)],
  ["hedges/s", (totals) => few(totals.hedgesPerSecond)],
  ["mends/s", (totals) => few(totals.mendsPerSecond)],
  ["p50 ms", (totals) => figure(totals.p50Ms)],
  ["p99 ms", (totals) => figure(totals.worstP99Ms)],
  ["lag ms", (totals) => figure(totals.worstLoopLagMs)],
  ["replica rows", (totals) => grouped(totals.rows)],
  ["rss MiB", (totals) => grouped(totals.rssBytes / 1024 / 1024)],
];
const TIME_WIDTH = 8;

export function headLine(): string {
  return ["time".padEnd(TIME_WIDTH), "up".padStart(5), ...COLUMNS.map(([head]) => head), "nodes by load"].join("  ");
}

export function totalsLine(at: string, totals: Totals, watched: readonly Watched[]): string {
  const open = watched.filter(({ state }) => state === "open").length;
  const up = `${open}/${watched.length}`.padStart(5);
  const cells = COLUMNS.map(([head, cell]) => cell(totals).padStart(head.length));
  return [at, open === watched.length ? up : paint("yellow", up), ...cells, marksOf(watched)].join("  ");
}

export const MARKS = "marks: ▁ to █ its share of the requests, ~ rebuilding, ! refuses, ? silent, x no connection";

const LEVELS = "▁▂▃▄▅▆▇█";

function marksOf(watched: readonly Watched[]): string {
  const loads = watched.map(({ stats }) =>
    stats === undefined ? 0 : sumOf(stats.perSecond.reads) + sumOf(stats.perSecond.writes),
  );
  const most = Math.max(1, ...loads);
  return watched.map((each, index) => `${each.node}${markOf(each, (loads[index] as number) / most)}`).join(" ");
}

function markOf({ state, stats }: Watched, share: number): string {
  if (state === "lost") return paint("red", "x");
  if (state === "silent") return paint("red", "?");
  if (stats === undefined) return paint("dim", "·");
  if (stats.refusing !== undefined) return paint("red", "!");
  if (stats.rebuilding > 0) return paint("yellow", "~");
  return paint("green", LEVELS[Math.min(LEVELS.length - 1, Math.floor(share * LEVELS.length))] as string);
}

function sumOf(rates: Rates): number {
  return Object.values(rates).reduce((sum, rate) => sum + rate, 0);
}

function failuresOf({ ok: _ok, "not-found": _notFound, ...failures }: Rates): number {
  return sumOf(failures);
}

function weighedMedian(all: readonly StatsEvent[]): number | undefined {
  const medians = all.flatMap(({ requests: { answered, p50Ms } }) => (p50Ms === undefined ? [] : { answered, p50Ms }));
  medians.sort((a, b) => a.p50Ms - b.p50Ms);
  let left = medians.reduce((sum, { answered }) => sum + answered, 0) / 2;
  return medians.find(({ answered }) => {
    left -= answered;
    return left <= 0;
  })?.p50Ms;
}

/** A rate that is mostly small: one event in ten seconds shows. */
function few(perSecond: number): string {
  return perSecond === 0 || perSecond >= 10 ? grouped(perSecond) : perSecond.toFixed(1);
}
