/** The report of a run: as JSON, as text for a terminal, and as Markdown for the docs. */
import { ninesText, type Row } from "./availability.js";
import type { Tally } from "./load.js";
import type { MintedTally } from "./minted-load.js";

export interface TortureReport {
  readonly seed: number;
  readonly minutes: number;
  readonly nodes: number;
  readonly replication: number;
  readonly durability: string;
  readonly ok: boolean;
  readonly violations: readonly string[];
  /** Only of a failing run. */
  readonly folder?: string;
  readonly deeds: Readonly<Record<string, number>>;
  readonly episodes: Readonly<Record<string, number>>;
  readonly pauseMsMax: number;
  /** On registers. */
  readonly operations: Tally;
  /** Changes of counters, sets and siblings. */
  readonly changes: Readonly<Record<string, MintedTally>>;
  /** Why requests were not acknowledged, how often. */
  readonly codes: Readonly<Record<string, number>>;
  /** By kind of fault, the longest time until all saw each other and voted. */
  readonly wholeMs: Readonly<Record<string, number>>;
  /** From the end of the load until all owners held the same bytes. */
  readonly equalMs: number | undefined;
  readonly availability: readonly Row[];
}

/** The 95 % bound on what was seen to happen never in n times (the rule of three). */
export function ruleOfThree(times: number): number {
  return times === 0 ? 1 : Math.min(1, 3 / times);
}

export function textOf(report: TortureReport): string {
  const { seed, minutes, nodes, replication, durability, operations, deeds, episodes, violations } = report;
  const { safe } = operations;
  const lines = [
    `seed ${seed}, ${minutes} minutes, ${nodes} nodes, N = ${replication}, durability ${durability}`,
    `done: ${listText(deeds)}; the longest pause ${report.pauseMsMax} ms`,
    `episodes: ${listText(episodes)}`,
    `operations on registers: ${operations.acknowledged} acknowledged, ${operations.unknown} unknown, ${operations.refused} refused`,
    ...Object.entries(report.changes).map(([kind, tally]) => `changes, ${kind}: ${listText({ ...tally })}`),
    `not acknowledged: ${listText(report.codes) || "none"}`,
    `longest time to be whole after a fault, in ms: ${listText(report.wholeMs)}`,
    `replicas byte-equal after the load ended: ${report.equalMs === undefined ? "NEVER" : `${report.equalMs} ms`}`,
    "",
    tableText(report.availability),
    "",
    violations.length === 0
      ? [
          `registers: 0 lost of ${safe} writes acknowledged by a quorum or more (${boundText(safe)})`,
          ...Object.entries(report.changes).map(proofText),
        ].join("\n")
      : `${violations.length} VIOLATIONS\n${violations.slice(0, 10).join("\n")}`,
  ];
  if (report.folder !== undefined) {
    lines.push(
      `the data and logs of all nodes: ${report.folder} (nX.log is what nX said, data/nX/store.db its rows)`,
      `the same faults again: npm run torture -- --seed ${seed} --minutes ${minutes}`,
    );
  }
  return `${lines.join("\n")}\n`;
}

export function markdownOf(report: TortureReport): string {
  const { operations, availability } = report;
  const head = [
    `Seed ${report.seed}, ${report.minutes} minutes, ${report.nodes} nodes, N = ${report.replication}, durability \`${report.durability}\`.`,
    "",
    "| what | times |",
    "|---|---:|",
    ...Object.entries(report.deeds).map(([deed, times]) => `| ${deed} | ${times} |`),
    `| operations acknowledged | ${operations.acknowledged} |`,
    `| unknown | ${operations.unknown} |`,
    `| refused | ${operations.refused} |`,
    lostRow("writes of registers", operations.safe, report.ok),
    ...Object.entries(report.changes).map(([kind, tally]) => lostRow(`changes of ${kind}`, tally.safe, report.ok)),
    "",
    `| ${COLUMNS.join(" | ")} |`,
    "|---|---|---|---:|---:|---:|---:|---:|---:|",
  ];
  return `${[...head, ...availability.map((row) => `| ${cells(row).join(" | ")} |`)].join("\n")}\n`;
}

function lostRow(what: string, safe: number, ok: boolean): string {
  const lost = ok ? "0" : "SOME";
  return `| ${what} acknowledged by a quorum or more, of which ${lost} lost | ${safe} (bound ${ruleOfThree(safe).toExponential(1)}) |`;
}

function boundText(times: number): string {
  return `at 95 %: fewer than ${ruleOfThree(times).toExponential(1)}`;
}

function proofText([kind, { safe, unknown }]: [string, MintedTally]): string {
  return `${kind}: 0 lost of ${safe} changes acknowledged by a quorum or more (${boundText(safe)}); ${unknown || "none"} unknown`;
}

const COLUMNS = ["asked", "level", "fault", "requests", "met", "nines", "predicted", "refused", "late"];

function cells(row: Row): string[] {
  const { door, level, fault, requests, met, predicted, refused, late } = row;
  const percent = (count: number) => `${((100 * count) / requests).toFixed(2)} %`;
  return [door, level, fault, requests, percent(met), ninesText(met, requests), percent(predicted), refused, late].map(
    String,
  );
}

function tableText(rows: readonly Row[]): string {
  const table = [COLUMNS, ...rows.map(cells)];
  const widths = COLUMNS.map((_, column) => Math.max(...table.map((row) => (row[column] as string).length)));
  return table
    .map((row) =>
      row
        .map((cell, column) =>
          column < 3 ? cell.padEnd(widths[column] as number) : cell.padStart(widths[column] as number),
        )
        .join("  "),
    )
    .join("\n");
}

function listText(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([name, count]) => `${name} ${Math.round(count)}`)
    .join(", ");
}
