/**
 * `murmur add`, `murmur set` and `murmur map`: one change of a counter, a set or
 * a map. It is sent once: an increment that may have counted is never repeated.
 *
 * A counter's new value is data; of a set and a map, which may be large, it is
 * told how much they hold, and `--json` prints all of it.
 */
import { keyPath } from "../base/key-path.js";
import { jsonOf, problemFailure } from "./cluster.js";
import { EXIT, type ExitCode, usage } from "./exit.js";
import { changeHeaders, target, traceHeader, type WriteOptions } from "./keys.js";
import { counted, print, printJson, say } from "./terminal.js";

/** What a POST answers. */
interface Changed {
  readonly value: unknown;
  readonly context: string;
}

export async function add(bucket: string, key: string, by: string, options: WriteOptions): Promise<ExitCode> {
  const { value } = await change(bucket, key, { add: integerOf("N", by) }, options);
  if (!options.json) print(String(value));
  return EXIT.ok;
}

export async function editSet(
  how: "add" | "remove",
  bucket: string,
  key: string,
  items: readonly string[],
  options: WriteOptions,
): Promise<ExitCode> {
  const { value, name } = await change(bucket, key, { [how]: items }, options);
  if (!options.json) say(`${name}: ${counted(Array.isArray(value) ? value.length : 0, "element")}`);
  return EXIT.ok;
}

/** FIELD=VALUE…: what is JSON is stored as such, anything else as a text. */
export async function setFields(
  bucket: string,
  key: string,
  pairs: readonly string[],
  options: WriteOptions,
): Promise<ExitCode> {
  return editMap(bucket, key, { set: fieldsOf(pairs, jsonOrText) }, options);
}

/** FIELD=N… */
export async function addToFields(
  bucket: string,
  key: string,
  pairs: readonly string[],
  options: WriteOptions,
): Promise<ExitCode> {
  return editMap(bucket, key, { counters: fieldsOf(pairs, (text, pair) => integerOf(pair, text)) }, options);
}

export async function removeFields(
  bucket: string,
  key: string,
  fields: readonly string[],
  options: WriteOptions,
): Promise<ExitCode> {
  return editMap(bucket, key, { remove: fields }, options);
}

/** Any change of a map, as the HTTP interface takes it. */
export async function editFields(bucket: string, key: string, json: string, options: WriteOptions): Promise<ExitCode> {
  return editMap(bucket, key, parsedObject(json), options);
}

async function editMap(bucket: string, key: string, edit: object, options: WriteOptions): Promise<ExitCode> {
  const { value, name } = await change(bucket, key, edit, options);
  if (!options.json) say(`${name}: ${counted(Object.keys(value as object).length, "field")}`);
  return EXIT.ok;
}

async function change(
  bucket: string,
  key: string,
  op: object,
  options: WriteOptions,
): Promise<Changed & { readonly name: string }> {
  const { cluster, name } = await target(bucket, key, options);
  const answer = await cluster.ask({
    method: "POST",
    path: keyPath(bucket, key),
    query: { w: options.consistency, timeout: options.timeout, sort: options.sort },
    headers: { "Content-Type": "application/json", ...changeHeaders(options) },
    body: Buffer.from(JSON.stringify(op)),
  });
  if (options.trace) traceHeader(`change ${name}`, answer);
  if (answer.status !== 200) throw problemFailure(answer);
  const { value, context } = jsonOf(answer) as Changed;
  if (options.json) printJson({ ok: true, value, context, node: answer.url });
  else say(`context: ${context}`);
  return { value, context, name };
}

function fieldsOf<Value>(
  pairs: readonly string[],
  parse: (text: string, pair: string) => Value,
): Record<string, Value> {
  const entries = pairs.map((pair): [string, Value] => {
    const equals = pair.indexOf("=");
    if (equals < 0) throw usage(`expected FIELD=VALUE, found ${JSON.stringify(pair)}`);
    return [pair.slice(0, equals), parse(pair.slice(equals + 1), pair)];
  });
  const names = new Set<string>();
  for (const [name] of entries) {
    if (names.has(name)) throw usage(`the field ${JSON.stringify(name)} is given twice`);
    names.add(name);
  }
  return Object.fromEntries(entries);
}

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function parsedObject(text: string): object {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return value;
  } catch {
    // Said below, as for any other text.
  }
  throw usage(`expected a JSON object such as {"sets": {"tags": {"add": ["new"]}}}, found ${JSON.stringify(text)}`);
}

function integerOf(what: string, text: string): number {
  if (/^[+-]?\d{1,16}$/.test(text) && Number.isSafeInteger(Number(text))) return Number(text);
  throw usage(`${what}: expected an integer up to ${Number.MAX_SAFE_INTEGER}, found ${JSON.stringify(text)}`);
}
