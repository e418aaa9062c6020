/**
 * What a bench found, and how it is shown: as an aligned table for people, as
 * JSON for programs, as a picture for the README. All three carry the machine
 * and the date, without which no figure means anything.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { availableParallelism, loadavg } from "node:os";
import { join } from "node:path";
import { barChart } from "./chart.js";
import { type CurvePanel, curveChart } from "./curves.js";
import type { Spread } from "./spread.js";

/** How much of a bench to run. */
export interface BenchOptions {
  /** Seconds instead of a minute: to see that it works, not to quote. */
  readonly quick: boolean;
  /** For the tests: as little as still goes through all of it. */
  readonly tiny?: boolean;
  /** Told what is being done now. */
  readonly onProgress?: (text: string) => void;
}

export interface Column {
  readonly name: string;
  /** Says what was measured, and is no measure. Labels come first, and together name a bar of the picture. */
  readonly isLabel?: boolean;
  /** Behind the point; by itself, as many as make three figures. */
  readonly digits?: number;
}

/** Undefined where there is nothing to say. */
export type Cell = string | number | Spread | undefined;
/** Cells by the name of their column. */
export type Row = Readonly<Record<string, Cell>>;

export interface Table {
  readonly title: string;
  readonly columns: readonly Column[];
  readonly rows: readonly Row[];
}

export interface Result extends Table {
  readonly name: string;
  /** Runs it again. */
  readonly command: string;
  /** Below the first. */
  readonly more?: readonly Table[];
  readonly notes: readonly string[];
  /** What the picture shows instead of bars. */
  readonly panels?: readonly CurvePanel[];
  /** The column that the picture shows; by itself, the first measure. */
  readonly charted?: string;
  /** Rows with this label are what the others are measured against: grey in the picture. */
  readonly reference?: string;
}

/** Where and when it was measured. */
export interface Circumstances {
  readonly date: string;
  readonly node: string;
  readonly cores: number;
  /** Of the last minute, before the bench began: what else the machine was doing. */
  readonly loadAverage: number;
  readonly quick: boolean;
}

export function circumstances({ quick }: BenchOptions): Circumstances {
  const loadAverage = Math.round((loadavg()[0] ?? 0) * 100) / 100;
  return { date: new Date().toISOString(), node: process.version, cores: availableParallelism(), loadAverage, quick };
}

/** The tables, each with its title above, and the notes below. */
export function tableText(result: Result, measured: Circumstances): string {
  const { title, command, notes, more = [] } = result;
  const head = [title, setting(measured), "", ...linesOf(result)];
  const others = more.flatMap((table) => ["", table.title, "", ...linesOf(table)]);
  const foot = notes.length === 0 ? [] : ["", ...notes];
  return `${[...head, ...others, ...foot, "", `again: ${command}`].join("\n")}\n`;
}

function linesOf(table: Table): string[] {
  const columns = table.columns.filter(({ name }) => table.rows.some((row) => row[name] !== undefined));
  const lines = [columns.map(({ name }) => name)];
  for (const row of table.rows) lines.push(columns.map((column) => cellText(row[column.name], column)));
  const widths = columns.map((_, index) => Math.max(...lines.map((line) => (line[index] ?? "").length)));
  const isText = columns.map(({ name }) => table.rows.some((row) => typeof row[name] === "string"));
  const aligned = lines.map((line) =>
    line
      .map((text, index) => (isText[index] ? text.padEnd(widths[index] ?? 0) : text.padStart(widths[index] ?? 0)))
      .join("  ")
      .trimEnd(),
  );
  return [aligned[0] ?? "", widths.map((width) => "-".repeat(width)).join("  "), ...aligned.slice(1)];
}

/** The picture: its curves, or one bar a row. */
export function chartText(result: Result, measured: Circumstances): string {
  const { title, panels } = result;
  if (panels !== undefined) return curveChart({ title, panels, footer: setting(measured) });
  const labels = result.columns.filter(({ isLabel }) => isLabel);
  const column = chartedColumn(result);
  const bars = result.rows.flatMap((row) => {
    const cell = row[column.name];
    if (cell === undefined || typeof cell === "string") return [];
    const spread = typeof cell === "number" ? { median: cell, least: cell, most: cell } : cell;
    const texts = labels.map(({ name, isLabel: _, ...label }) => cellText(row[name], label));
    const label = texts.filter((text) => text !== "-").join(" · ");
    const isReference = result.reference !== undefined && labels.some(({ name }) => row[name] === result.reference);
    return [{ label, spread, text: numberText(spread.median, column.digits), isReference }];
  });
  return barChart({ title: result.title, axis: column.name, footer: setting(measured), bars });
}

/** Writes `<name>.json` and `<name>.svg` into the folder, and returns their paths. */
export function save(result: Result, measured: Circumstances, folder: string): string[] {
  mkdirSync(folder, { recursive: true });
  const [json, svg] = [join(folder, `${result.name}.json`), join(folder, `${result.name}.svg`)];
  writeFileSync(json, `${JSON.stringify({ ...result, measured }, undefined, 2)}\n`);
  writeFileSync(svg, chartText(result, measured));
  return [json, svg];
}

function chartedColumn(result: Result): Column {
  const { columns, charted } = result;
  const column = columns.find(({ name, isLabel }) => (charted === undefined ? isLabel !== true : name === charted));
  if (column === undefined) throw new Error(`${result.name} has no column ${charted ?? "to chart"}`);
  return column;
}

function setting({ date, node, cores, loadAverage, quick }: Circumstances): string {
  const load = `load ${loadAverage} before`;
  return `${date.slice(0, 10)}, Node ${node}, ${cores} cores, ${load}${quick ? ", quick: do not quote" : ""}`;
}

function cellText(cell: Cell, { digits }: Omit<Column, "name">): string {
  if (cell === undefined) return "-";
  if (typeof cell === "string") return cell;
  if (typeof cell === "number") return numberText(cell, digits);
  if (cell.least === cell.most) return numberText(cell.median, digits);
  const [median, least, most] = [cell.median, cell.least, cell.most].map((value) => numberText(value, digits));
  return `${median} (${least} - ${most})`;
}

function numberText(value: number, digits?: number): string {
  if (!Number.isFinite(value)) return "-";
  const size = Math.abs(value);
  const fractionDigits = digits ?? (size >= 100 || Number.isInteger(value) ? 0 : size >= 10 ? 1 : 2);
  const options = { minimumFractionDigits: fractionDigits, maximumFractionDigits: fractionDigits };
  return value.toLocaleString("en-US", options);
}
