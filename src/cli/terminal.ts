/**
 * What a person sees. Data goes to stdout and talk to stderr, so that a pipe
 * gets nothing but data; colours only where the stream is a terminal that
 * wants them (NO_COLOR and FORCE_COLOR are respected).
 */
import { styleText } from "node:util";

type Format = Parameters<typeof styleText>[0];

/** One line, or several, of data. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

export function printJson(value: unknown): void {
  print(JSON.stringify(value));
}

/** Talk: progress, hints, complaints. */
export function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Why a command ends without success. */
export function sayFailure(sentence: string): void {
  say(`${paint("red", "murmur:", process.stderr)} ${sentence}`);
}

export function paint(format: Format, text: string, stream: NodeJS.WriteStream = process.stdout): string {
  return stream.hasColors?.() ? styleText(format, text) : text;
}

/** A name from outside, quoted when it holds what a terminal would not show as it is. */
export function shown(name: string): string {
  return /^[\p{L}\p{N}\p{P}\p{S}]+$/u.test(name) ? name : JSON.stringify(name).replace(/\p{Cc}/gu, "\ufffd");
}

/** Data as it is, or as a JSON string when it would break its line or column. */
export function inOneLine(text: string): string {
  return LINE_BREAKING.test(text) ? quoted(text) : text;
}

/** A key in a line or column of its own, as `keyOfLine` reads it back: one that begins with a quote is quoted too. */
export function keyLine(key: string): string {
  return key.startsWith('"') ? quoted(key) : inOneLine(key);
}

/** What is no JSON string is a key as it stands: the line may come from anywhere. */
export function keyOfLine(line: string): string {
  if (!line.startsWith('"')) return line;
  try {
    return JSON.parse(line) as string;
  } catch {
    return line;
  }
}

const LINE_BREAKING = /[\p{Cc}\u2028\u2029]/u;

/** JSON by itself leaves some of these as they are, and a terminal, or who splits lines, takes them at their word. */
function quoted(text: string): string {
  const byNumber = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return JSON.stringify(text).replace(new RegExp(LINE_BREAKING, "gu"), byNumber);
}

/** Rows of cells in columns as wide as their widest cell; `right` names the columns of numbers. */
export function table(rows: readonly (readonly string[])[], right: readonly number[] = []): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, width(cell));
  }
  const line = (row: readonly string[]) =>
    row.map((cell, column) => {
      const gap = " ".repeat((widths[column] ?? 0) - width(cell));
      return right.includes(column) ? gap + cell : cell + gap;
    });
  return rows.map((row) => line(row).join("  ").trimEnd()).join("\n");
}

const EIGHTHS = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/** A bar of `share` (0 to 1) of `cells` characters, exact to an eighth of one. */
export function bar(share: number, cells: number): string {
  const eighths = Math.round(Math.min(1, Math.max(0, share)) * cells * 8);
  return "█".repeat(Math.floor(eighths / 8)) + (EIGHTHS[eighths % 8] ?? "");
}

/** `1,234,567`: grouped the same in every locale. */
export function grouped(count: number): string {
  return String(Math.round(count)).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** Milliseconds, or another measure, to three digits: `0.42`, `12.3`, `1,234`; a dash where nothing was measured. */
export function figure(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return "-";
  return value < 100 ? value.toFixed(value < 10 ? 2 : 1) : grouped(value);
}

/** `1 row`, `1,234 rows`. */
export function counted(count: number, thing: string): string {
  return `${grouped(count)} ${thing}${count === 1 ? "" : "s"}`;
}

/** `4 s`, `3 m 20 s`, `5 h 2 m`, `8 d 3 h`: the two largest units. */
export function span(durationMs: number): string {
  let rest = Math.max(0, Math.round(durationMs / 1000));
  const parts: string[] = [];
  for (const [unit, seconds] of [
    ["d", 86_400],
    ["h", 3600],
    ["m", 60],
    ["s", 1],
  ] as const) {
    const count = Math.floor(rest / seconds);
    rest -= count * seconds;
    if (count > 0) parts.push(`${count} ${unit}`);
  }
  return parts.slice(0, 2).join(" ") || "0 s";
}

/** Columns on screen of a cell that may be painted. */
function width(cell: string): number {
  return [...cell.replace(PAINT, "")].length;
}

const PAINT = new RegExp(`${String.fromCharCode(27)}\\[\\d+m`, "g");
