/**
 * `murmur repair`: every node reads its store against the checksums and compares
 * itself with its peers, now; this follows until all have done so. The work is the
 * nodes': it goes on when nobody follows any more.
 */
import type { RepairReport } from "../http/store.js";
import type { ClusterOptions } from "./cluster.js";
import { askEach, reportOf, type Said, sayFailures } from "./each-node.js";
import { EXIT, type ExitCode } from "./exit.js";
import { ProgressLine } from "./progress.js";
import { Waits } from "./signals.js";
import { counted, grouped, paint, print, printJson, say, table } from "./terminal.js";

export interface RepairOptions extends ClusterOptions {
  readonly check?: boolean;
  readonly bucket?: string;
}

const EVERY_MS = 250;
/** A node that answers nothing so many times in a row is given up. */
const SILENT_TIMES_MAX = 8;

export async function repair(options: RepairOptions): Promise<ExitCode> {
  const query = { check: options.check ? "true" : undefined, bucket: options.bucket };
  const begun = await askEach<RepairReport>(options, { method: "POST", path: "/v1/repair", isRepeatable: true, query });
  for (const { target, status } of begun) {
    if (status?.begun === false) say(`${target.node}: a repair was under way; this follows that one`);
  }
  const said = await follow(options, begun);
  if (said === undefined) {
    say("the repair goes on; murmur repair follows it again, GET /v1/repair tells how far each node is");
    return EXIT.failure;
  }
  if (options.json) printJson(said.map(reportOf));
  else show(said);
  return said.every(({ status }) => status !== undefined && isWhole(status)) ? EXIT.ok : EXIT.failure;
}

/** What all nodes say in the end; undefined when Ctrl-C came first. */
async function follow(
  options: RepairOptions,
  begun: readonly Said<RepairReport>[],
): Promise<readonly Said<RepairReport>[] | undefined> {
  let said = begun;
  const waits = new Waits(() => process.exit(EXIT.failure));
  const progress = new ProgressLine(() => progressOf(said.flatMap(({ status }) => status ?? [])));
  const silentTimes = new Map<string, number>();
  try {
    while (said.some((each) => isAwaited(each, silentTimes))) {
      if (!(await waits.wait(EVERY_MS))) return undefined;
      said = merged(said, await askEach<RepairReport>(options, "/v1/repair"), silentTimes);
    }
  } finally {
    progress.end();
    waits.end();
  }
  return said;
}

/** Who did not take the order is not waited for. */
function isAwaited({ target, status, failure }: Said<RepairReport>, silentTimes: Map<string, number>): boolean {
  if (failure !== undefined) return (silentTimes.get(target.url) ?? SILENT_TIMES_MAX) < SILENT_TIMES_MAX;
  return status?.state === "running";
}

function merged(
  before: readonly Said<RepairReport>[],
  now: readonly Said<RepairReport>[],
  silentTimes: Map<string, number>,
): Said<RepairReport>[] {
  return before.map((each, index) => {
    const next = now[index];
    if (next === undefined || !isAwaited(each, silentTimes)) return each;
    const times = next.failure === undefined ? 0 : (silentTimes.get(each.target.url) ?? 0) + 1;
    silentTimes.set(each.target.url, times);
    return next;
  });
}

function progressOf(reports: readonly RepairReport[]): { share: number; text: string } {
  const shares = reports.map(({ scrubbed, peers }) => {
    const compared = peers.filter(({ state }) => state === "complete" || state === "broken").length;
    return (scrubbed + compared) / (1 + peers.length);
  });
  const share = shares.reduce((sum, each) => sum + each, 0) / Math.max(1, shares.length);
  const sum = (of: (report: RepairReport) => number) => reports.reduce((total, report) => total + of(report), 0);
  const moved = sum((report) => total(report, "pulled") + total(report, "pushed"));
  const rows = counted(
    sum(({ scrubbedRows }) => scrubbedRows),
    "row",
  );
  return { share, text: `${rows} checked, ${grouped(moved)} moved, ${grouped(sum(damagedOf))} damaged` };
}

function show(said: readonly Said<RepairReport>[]): void {
  const heads = ["node", "partitions", "differing", "pulled", "pushed", "rows checked", "damaged", "healed", ""];
  const rows = said.flatMap(({ target, status }) => (status === undefined ? [] : [rowOf(target.node, status)]));
  print(table([heads.map((head) => paint("bold", head)), ...rows], [1, 2, 3, 4, 5, 6, 7]));
  sayFailures(said);
  for (const { status } of said) {
    const broken = status?.peers.filter(({ state }) => state === "broken") ?? [];
    if (broken.length > 0)
      say(`${status?.node}: not compared to the end: ${broken.map(({ node }) => node).join(", ")}`);
  }
}

function rowOf(target: string, report: RepairReport): string[] {
  const counts = (["partitions", "differing", "pulled", "pushed"] as const).map((name) => total(report, name));
  const figures = [...counts, report.scrubbedRows, damagedOf(report), report.healedRows];
  const verdict = isWhole(report) ? paint("green", "whole") : paint("red", report.check ? "differs" : "not whole");
  return [report.node ?? target, ...figures.map(grouped), verdict];
}

/** Nothing is left that differs or is damaged, as far as this node could find out. */
function isWhole(report: RepairReport): boolean {
  const { state, peers, damagedRows, check, found } = report;
  if (state !== "done" || damagedRows > 0 || found.order > 0) return false;
  if (check && (damagedOf(report) > 0 || total(report, "differing") > 0)) return false;
  return peers.every((peer) => peer.state === "complete");
}

function total({ peers }: RepairReport, name: "partitions" | "differing" | "pulled" | "pushed"): number {
  return peers.reduce((sum, peer) => sum + peer[name], 0);
}

function damagedOf({ found }: RepairReport): number {
  return Object.values(found).reduce((sum, count) => sum + count, 0);
}
