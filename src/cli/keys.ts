/**
 * `murmur get`, `put` and `delete` of one key: one request. The value is the
 * only thing on stdout; everything about it is talk, or the one object of `--json`.
 */
import { isUtf8 } from "node:buffer";
import { readFileSync } from "node:fs";
import { parseDurationMs } from "../base/duration.js";
import { keyPath } from "../base/key-path.js";
import { checkBucket, checkKey } from "./addresses.js";
import { type Answer, type Cluster, type ClusterOptions, jsonOf, openCluster, problemFailure } from "./cluster.js";
import { EXIT, type ExitCode, usage } from "./exit.js";
import { commandLine, shellWord } from "./shell.js";
import { printSiblings, type Sibling } from "./siblings.js";
import { printJson, say, shown } from "./terminal.js";
import { drawTrace, serverTimingLines, type TraceLine } from "./trace.js";

export interface KeyOptions extends ClusterOptions {
  readonly consistency?: string;
  readonly timeout?: string;
  readonly trace?: boolean;
}

export interface CellOptions extends KeyOptions {
  readonly sort?: string;
}

export interface ReadOptions extends CellOptions {
  readonly hedge?: string;
  readonly merge?: string;
}

interface ChangeHeaders {
  readonly context?: string | undefined;
  readonly idempotencyKey?: string | undefined;
}

export interface WriteOptions extends CellOptions, ChangeHeaders {}

interface PutOptions extends WriteOptions {
  readonly file?: string;
  readonly contentType?: string;
  readonly ttl?: string;
  readonly stamp?: string;
}

/** The answer of the HTTP interface to a GET with this Accept. */
export interface Envelope {
  readonly found: boolean;
  readonly value?: string | null;
  readonly contentType?: string;
  readonly siblings?: readonly Sibling[];
  /** The bucket's own function made the value of siblings. */
  readonly merged?: boolean;
  readonly context?: string;
  readonly level?: string | number;
  readonly replicas?: readonly {
    readonly node: string;
    readonly askedMs?: number;
    readonly ms?: number | null;
    readonly role: string;
    readonly state: string;
  }[];
  readonly mended?: readonly string[];
}

export const ENVELOPE_TYPE = "application/vnd.murmur+json";

export async function get(bucket: string, key: string, options: ReadOptions): Promise<ExitCode> {
  const { cluster, name } = await target(bucket, key, options);
  const envelope = await readEnvelope(cluster, bucket, key, options);
  if (options.json) printJson(envelope);
  if (envelope.siblings.length > 0) {
    if (!options.json) printSiblings(envelope.siblings);
    sayDecide(bucket, key, envelope, options);
    return EXIT.siblings;
  }
  if (!envelope.found) {
    say(`${name}: not found`);
    return EXIT.notFound;
  }
  if (envelope.merged)
    say(`${name}: merged from siblings; a put with --context ${shellWord(envelope.context ?? "")} settles them`);
  if (!options.json) writeValue(Buffer.from(envelope.value ?? "", "base64"), envelope.contentType ?? "");
  return EXIT.ok;
}

/** All that a node tells of a key, and the trace of it where that is wished. */
export async function readEnvelope(
  cluster: Cluster,
  bucket: string,
  key: string,
  options: ReadOptions,
): Promise<Envelope & Required<Pick<Envelope, "siblings">>> {
  const answer = await cluster.ask({
    method: "GET",
    path: keyPath(bucket, key),
    query: {
      r: options.consistency,
      timeout: options.timeout,
      hedge: options.hedge,
      merge: options.merge,
      sort: options.sort,
    },
    headers: { Accept: ENVELOPE_TYPE },
  });
  const title = `get ${bucket}/${shown(key)}`;
  if (answer.status !== 200 && answer.status !== 300 && !isNotFound(answer)) {
    if (options.trace) traceHeader(title, answer);
    throw problemFailure(answer);
  }
  const envelope = jsonOf(answer) as Envelope;
  if (options.trace) {
    drawTrace(`${title} at ${envelope.level} through ${answer.url}`, answer.elapsedMs, linesOf(envelope));
  }
  const { siblings = [] } = envelope;
  return { ...envelope, siblings: siblings.length > 1 ? siblings : [] };
}

/** What to do about several values. */
export function sayDecide(bucket: string, key: string, { siblings = [], context }: Envelope, where: CellOptions): void {
  const { sort, node, config } = where;
  const rest = { context, sort, node, config };
  const name = nameOf(bucket, key, sort);
  say(`${name}: ${siblings.length} siblings need a decision; keep one of them, or put another value:`);
  say(`  ${commandLine("resolve", [bucket, key], { pick: "N", ...rest })}`);
  say(`  ${commandLine("put", [bucket, key, "VALUE"], rest)}`);
}

/** A 404 about the key is an answer; one about the path, from something that is not a node, is none. */
function isNotFound(answer: Answer): boolean {
  return answer.status === 404 && "found" in (jsonOf(answer) as object);
}

export async function put(
  bucket: string,
  key: string,
  value: string | undefined,
  options: PutOptions,
): Promise<ExitCode> {
  const { cluster, name } = await target(bucket, key, options);
  const body = await valueBytes(value, options.file);
  const contentType = options.contentType ?? contentTypeOf(body);
  const answer = await cluster.ask({
    method: "PUT",
    path: keyPath(bucket, key),
    query: {
      w: options.consistency,
      timeout: options.timeout,
      ttl: options.ttl,
      stamp: options.stamp,
      sort: options.sort,
    },
    headers: { "Content-Type": headerValue("--content-type", contentType), ...changeHeaders(options) },
    body,
  });
  return written(answer, `put ${name}`, `${name}: stored ${body.length} bytes of ${contentType}`, options);
}

export async function remove(bucket: string, key: string, options: WriteOptions): Promise<ExitCode> {
  const { cluster, name } = await target(bucket, key, options);
  const answer = await cluster.ask({
    method: "DELETE",
    path: keyPath(bucket, key),
    query: { w: options.consistency, timeout: options.timeout, sort: options.sort },
    headers: changeHeaders(options),
  });
  return written(answer, `delete ${name}`, `${name}: deleted`, options);
}

export async function target(bucket: string, key: string, options: CellOptions) {
  checkBucket(bucket);
  checkKey(key);
  return { cluster: await openForKeys(options), name: nameOf(bucket, key, options.sort) };
}

/** A key, or a cell of one, for eyes. */
function nameOf(bucket: string, key: string, sort: string | undefined): string {
  return `${bucket}/${shown(key)}${sort === undefined ? "" : ` ${shown(sort)}`}`;
}

/** The cluster, with patience for as long as the request may take there. */
export async function openForKeys(options: KeyOptions): Promise<Cluster> {
  const timeoutMs = options.timeout === undefined ? undefined : parseDurationMs(options.timeout);
  if (options.timeout !== undefined && timeoutMs === undefined) {
    throw usage(`--timeout: expected a duration such as 500ms or 2s, found ${JSON.stringify(options.timeout)}`);
  }
  return openCluster(options, timeoutMs);
}

export function written(answer: Answer, title: string, sentence: string, options: WriteOptions): ExitCode {
  if (options.trace) traceHeader(title, answer);
  if (answer.status >= 300) throw problemFailure(answer);
  const context = answer.header("murmur-context");
  if (options.json) printJson({ ok: true, context, node: answer.url });
  else say(`${sentence}\ncontext: ${context}`);
  return EXIT.ok;
}

export function traceHeader(title: string, answer: Answer): void {
  drawTrace(`${title} through ${answer.url}`, answer.elapsedMs, serverTimingLines(answer.header("server-timing")));
}

function linesOf(envelope: Envelope): TraceLine[] {
  const mended = new Set(envelope.mended);
  return (envelope.replicas ?? []).map(({ node, askedMs = 0, ms, role, state }) => ({
    node,
    startMs: askedMs,
    endMs: typeof ms === "number" ? askedMs + ms : undefined,
    isHedge: role === "hedge",
    told: `${role}, ${state}${mended.has(node) ? ", mended" : ""}`,
  }));
}

/** A text on a terminal ends with a newline, or the prompt would stand behind it; a pipe gets the very bytes. */
function writeValue(value: Buffer, contentType: string): void {
  process.stdout.write(value);
  if (process.stdout.isTTY && isTextType(contentType) && value.at(-1) !== 10) process.stdout.write("\n");
}

export function isTextType(contentType: string): boolean {
  return /^text\/|json\b|\bxml\b/.test(contentType);
}

async function valueBytes(value: string | undefined, file: string | undefined): Promise<Buffer> {
  if (file !== undefined && value !== undefined) throw usage("give VALUE or --file, not both");
  if (file !== undefined) return readValueFile(file);
  if (value !== undefined && value !== "-") return Buffer.from(value, "utf8");
  if (process.stdin.isTTY) say("reading the value from the terminal; end it with Ctrl-D");
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function readValueFile(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw usage(`--file: ${(error as Error).message}`);
  }
}

/** What the bytes look like, when nobody says: a JSON object or list, a text, or neither. */
export function contentTypeOf(body: Buffer): string {
  if (!isUtf8(body)) return "application/octet-stream";
  try {
    const value: unknown = JSON.parse(body.toString("utf8"));
    if (typeof value === "object" && value !== null) return "application/json";
  } catch {
    // Not JSON: a text like any other.
  }
  return "text/plain; charset=utf-8";
}

function contextHeader(context: string | undefined): Record<string, string> {
  return context === undefined ? {} : { "Murmur-Context": headerValue("--context", context) };
}

/** What is said of a change besides what it is. */
export function changeHeaders({ context, idempotencyKey }: ChangeHeaders): Record<string, string> {
  const headers = contextHeader(context);
  if (idempotencyKey !== undefined) headers["Idempotency-Key"] = headerValue("--idempotency-key", idempotencyKey);
  return headers;
}

export function headerValue(option: string, value: string): string {
  if (/^[\x20-\x7e]+$/.test(value)) return value;
  throw usage(`${option}: expected printable ASCII, found ${JSON.stringify(value)}`);
}
