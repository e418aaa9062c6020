/**
 * Records out of NDJSON and CSV: which key each is stored under and which JSON
 * is stored. A record that makes no sense is a value too, with what is wrong
 * with it: one bad line does not end an import.
 */
import { textOf } from "../base/bytes.js";
import { nearestName } from "../base/names.js";
import { keyTrouble } from "./addresses.js";
import { usage } from "./exit.js";
import { type Place, type RawRecord, RECORD_BYTES_MAX, splitRecords } from "./import-split.js";

export type ImportRecord = { readonly line: number; readonly next: Place } & (
  | { readonly key: string; readonly body: Buffer }
  | { readonly trouble: string }
);

export type Format = "ndjson" | "csv";

const START: Place = { offset: 0, line: 1 };

export function formatOf(file: string): Format {
  const name = file.toLowerCase();
  if (name.endsWith(".csv")) return "csv";
  if (name.endsWith(".ndjson") || name.endsWith(".jsonl")) return "ndjson";
  throw usage(`${file}: expected a file that ends in .ndjson, .jsonl or .csv`);
}

/** The records behind `from`, in the order of the file. Blank lines are none. */
export async function* importRecords(file: string, from: Place, keyField: string): AsyncGenerator<ImportRecord> {
  const isCsv = formatOf(file) === "csv";
  const header = isCsv ? await readHeader(file, keyField) : undefined;
  const begin = header !== undefined && from.offset === 0 ? header.next : from;
  for await (const raw of splitRecords(file, begin, isCsv)) {
    const text = textOf(raw.bytes);
    if (text?.trim() === "" && !raw.tooLong) continue;
    yield recordOf(raw, text, keyField, header?.columns);
  }
}

function recordOf(
  raw: RawRecord,
  text: string | undefined,
  keyField: string,
  columns?: readonly string[],
): ImportRecord {
  const { line, next } = raw;
  if (raw.tooLong) {
    return {
      line,
      next,
      trouble: `longer than ${RECORD_BYTES_MAX} bytes${columns === undefined ? "" : "; is a quote left open?"}`,
    };
  }
  if (text === undefined) return { line, next, trouble: "not UTF-8" };
  const value = columns === undefined ? parsedJson(text) : parsedRow(text, columns);
  if (typeof value === "string") return { line, next, trouble: value };
  const key = keyOf(value, keyField);
  if ("trouble" in key) return { line, next, ...key };
  const body = columns === undefined ? raw.bytes : Buffer.from(JSON.stringify(value), "utf8");
  return { line, next, key: key.key, body };
}

/** The object of one NDJSON line, or what is wrong with the line. */
function parsedJson(text: string): object | string {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
    return "expected a JSON object";
  } catch (error) {
    return `not JSON: ${(error as Error).message}`;
  }
}

function parsedRow(text: string, columns: readonly string[]): object | string {
  const fields = fieldsOf(text);
  if (typeof fields === "string") return fields;
  if (fields.length !== columns.length) return `expected ${columns.length} fields, found ${fields.length}`;
  return Object.fromEntries(columns.map((column, index) => [column, fields[index]]));
}

/** The field itself, else the one a dotted path leads to. Own properties only. */
function keyOf(value: object, keyField: string): { readonly key: string } | { readonly trouble: string } {
  const found = Object.hasOwn(value, keyField)
    ? childOf(value, keyField)
    : keyField.split(".").reduce<unknown>(childOf, value);
  if (typeof found === "number" && Number.isInteger(found) && !Number.isSafeInteger(found)) {
    return { trouble: `${keyField} is a number too large to be exact; write it as a text` };
  }
  if (typeof found !== "string" && typeof found !== "number") return { trouble: `no text or number at ${keyField}` };
  const key = String(found);
  const trouble = keyTrouble(key);
  return trouble === undefined ? { key } : { trouble };
}

function childOf(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as Record<string, unknown>)[name];
}

async function readHeader(file: string, keyField: string): Promise<{ columns: readonly string[]; next: Place }> {
  for await (const raw of splitRecords(file, START, true)) {
    const text = textOf(raw.bytes);
    const columns = text === undefined || raw.tooLong ? "not UTF-8, or too long" : fieldsOf(text);
    if (typeof columns === "string") throw usage(`${file}:1: the header is ${columns}`);
    const twice = columns.find((column, index) => columns.indexOf(column) !== index);
    if (twice !== undefined) throw usage(`${file}:1: the column ${JSON.stringify(twice)} stands there twice`);
    if (columns.includes(keyField)) return { columns, next: raw.next };
    const nearest = nearestName(keyField, columns) ?? columns.join(", ");
    throw usage(`--key: expected a column of ${file}, found ${JSON.stringify(keyField)}; did you mean ${nearest}?`);
  }
  throw usage(`${file}: expected a header row, found an empty file`);
}

const MISQUOTED = "not CSV: a quote is left open, or stands inside a field";

/** The fields of one CSV record (RFC 4180), or what is wrong with it. */
function fieldsOf(text: string): string[] | string {
  const fields: string[] = [];
  for (let at = 0; ; at++) {
    const isQuoted = text[at] === '"';
    const end = isQuoted ? closingQuote(text, at + 1) : endOfPlain(text, at);
    if (end < 0) return MISQUOTED;
    const field = text.slice(isQuoted ? at + 1 : at, end);
    if (!isQuoted && field.includes('"')) return MISQUOTED;
    fields.push(isQuoted ? field.replaceAll('""', '"') : field);
    at = isQuoted ? end + 1 : end;
    if (at === text.length) return fields;
    if (text[at] !== ",") return MISQUOTED;
  }
}

function endOfPlain(text: string, from: number): number {
  const comma = text.indexOf(",", from);
  return comma < 0 ? text.length : comma;
}

/** The quote that ends a field: two in a row stand for one inside it. */
function closingQuote(text: string, from: number): number {
  let at = text.indexOf('"', from);
  while (at >= 0 && text[at + 1] === '"') at = text.indexOf('"', at + 2);
  return at;
}
