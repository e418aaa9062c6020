/**
 * What many simulated runs came to: how much was done to the clusters, and
 * which rare paths were never taken.
 */
import { PROBES } from "../sim/probes.js";
import type { RunResult } from "../sim/simulation.js";
import { counted, grouped, table } from "./terminal.js";

const HOUR_MS = 3_600_000;

export class SimulationSummary {
  runs = 0;
  failures = 0;
  private simulatedMs = 0;
  private readonly operations = new Map<string, number>();
  private readonly faults = new Map<string, number>();
  private readonly probes = new Map<string, number>();

  add(result: RunResult): void {
    this.runs++;
    if (!result.ok) this.failures++;
    this.simulatedMs += result.simulatedMs;
    for (const [kind, count] of Object.entries(result.operations)) addTo(this.operations, kind, count);
    for (const [kind, count] of Object.entries(result.faults)) addTo(this.faults, kind, count);
    for (const probe of result.probes) addTo(this.probes, probe, 1);
  }

  get hours(): string {
    return (this.simulatedMs / HOUR_MS).toFixed(1);
  }

  /** Virtual time against real, that of both runs of each seed. */
  speed(elapsedMs: number, threads: number): string {
    const times = (2 * this.simulatedMs) / elapsedMs / threads;
    return `${grouped(times)} times real time per thread (${threads}), each seed run twice, in ${(elapsedMs / 1000).toFixed(0)} s`;
  }

  text(): string {
    // Hanley and Lippman-Hand 1983: nothing in n says at most 3/n, with 95 % confidence.
    const bound =
      this.failures === 0 && this.runs > 3
        ? `; with 95 % confidence fewer than ${(300 / this.runs).toPrecision(2)} % of all seeds fail`
        : "";
    const missed = PROBES.filter((probe) => !this.probes.has(probe));
    return [
      `${counted(this.runs, "seed")}, ${this.hours} simulated hours, ${counted(this.failures, "failure")}${bound}`,
      section("operations", this.operations),
      section("faults", this.faults),
      section("runs that came along", this.probes),
      ...(missed.length === 0 ? ["every probe was hit"] : [`never hit: ${missed.join("; ")}`]),
    ].join("\n\n");
  }
}

function section(title: string, counts: ReadonlyMap<string, number>): string {
  const rows = [...counts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, count]) => [`  ${name}`, grouped(count)]);
  return `${title}\n${table(rows, [1])}`;
}

function addTo(counts: Map<string, number>, name: string, count: number): void {
  counts.set(name, (counts.get(name) ?? 0) + count);
}
