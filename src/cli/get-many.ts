/**
 * `murmur get` of many keys: so many at a time in one request, a line for each
 * key in the order they were given. What is not found or not answered is talk;
 * the exit code says the worst that came of any of them.
 */
import { isUtf8 } from "node:buffer";
import { createInterface } from "node:readline";
import { parseDurationMs } from "../base/duration.js";
import { keyPath } from "../base/key-path.js";
import { checkBucket, keyTrouble } from "./addresses.js";
import { type Answer, type Cluster, exitCodeOf, jsonOf, problemFailure } from "./cluster.js";
import { CommandFailure, EXIT, type ExitCode, usage } from "./exit.js";
import { ENVELOPE_TYPE, isTextType, openForKeys, type ReadOptions } from "./keys.js";
import { limitTold } from "./node-limits.js";
import { inOneLine, keyLine, keyOfLine, print, printJson, say, shown } from "./terminal.js";

/** What a node says of one key of a batch. */
interface Result {
  readonly status: number;
  /** In base64. */
  readonly value?: string;
  readonly contentType?: string;
  readonly siblings?: readonly unknown[];
  readonly context?: string;
  readonly code?: string;
  readonly detail?: string;
}

/** As many as a node takes, unless it says that it takes fewer. */
const KEYS_MAX = 1000;
/** Of the keys of one request; a node takes 4 MiB at most, and JSON may need six bytes for one. */
const KEY_BYTES_MAX = 512 * 1024;
/** The answer of the batch had no room for this value. */
const TOO_LARGE = 413;

/** The node that was asked serves nobody at present: asked for alone, a key goes to the next one. */
const CLOCK_SKEW = "clock-skew";

/** The worst first: what came of one key may hide what came of another. */
const WORST_FIRST: readonly ExitCode[] = [EXIT.failure, EXIT.usage, EXIT.levelNotMet, EXIT.siblings, EXIT.notFound];

/** `words` are keys; `-` among them stands for the lines of stdin, as `murmur keys` prints them. */
export async function getMany(bucket: string, words: readonly string[], options: ReadOptions): Promise<ExitCode> {
  checkBucket(bucket);
  if (options.trace) throw usage("--trace draws one request: give one key");
  if (options.sort !== undefined) throw usage("--sort names a cell of one key: give one key");
  const cluster = await openForKeys(options);
  const came = new Set<ExitCode>();
  const bounds = { keysMax: KEYS_MAX };
  for await (const keys of batchesOf(keysOf(words), bounds)) {
    const results = await readAll(cluster, bucket, keys, bounds, options);
    for (const [index, key] of keys.entries()) {
      let result = results[index] as Result;
      if (result.status === TOO_LARGE || result.code === CLOCK_SKEW)
        result = await readAlone(cluster, bucket, key, options);
      tell(bucket, key, result, options.json === true);
      came.add(exitOf(result));
    }
  }
  return WORST_FIRST.find((exit) => came.has(exit)) ?? EXIT.ok;
}

async function* keysOf(words: readonly string[]): AsyncGenerator<string> {
  for (const word of words) {
    if (word !== "-") yield checked(word, "");
    else yield* linesOfStdin();
  }
}

async function* linesOfStdin(): AsyncGenerator<string> {
  if (process.stdin.isTTY) say("reading keys from the terminal, one a line; end them with Ctrl-D");
  let number = 0;
  for await (const line of createInterface({ input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY })) {
    number++;
    if (line !== "") yield checked(keyOfLine(line), `line ${number} of stdin: `);
  }
}

function checked(key: string, where: string): string {
  const trouble = keyTrouble(key);
  if (trouble === undefined) return key;
  throw usage(`${where}${trouble}`);
}

interface Bounds {
  keysMax: number;
}

async function* batchesOf(keys: AsyncIterable<string>, bounds: Bounds): AsyncGenerator<readonly string[]> {
  let batch: string[] = [];
  let bytes = 0;
  for await (const key of keys) {
    const keyBytes = Buffer.byteLength(key);
    if (batch.length >= bounds.keysMax || bytes + keyBytes > KEY_BYTES_MAX) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(key);
    bytes += keyBytes;
  }
  if (batch.length > 0) yield batch;
}

/** In one request, or in as many as the node wants. */
async function readAll(
  cluster: Cluster,
  bucket: string,
  keys: readonly string[],
  bounds: Bounds,
  options: ReadOptions,
): Promise<readonly Result[]> {
  const answer = await askBatch(cluster, bucket, keys, options);
  const told = limitTold(answer, "batchItemsMax");
  if (told === undefined || told >= keys.length) return resultsOf(answer, keys.length);
  bounds.keysMax = told;
  const results: Result[] = [];
  for (let first = 0; first < keys.length; first += told) {
    results.push(...(await readAll(cluster, bucket, keys.slice(first, first + told), bounds, options)));
  }
  return results;
}

function askBatch(cluster: Cluster, bucket: string, keys: readonly string[], options: ReadOptions): Promise<Answer> {
  const { consistency: r, hedge, merge, timeout } = options;
  const timeoutMs = timeout === undefined ? undefined : parseDurationMs(timeout);
  const reads = keys.map((key) => ({ bucket, key }));
  return cluster.ask({
    method: "POST",
    path: "/v1/batch",
    isRepeatable: true,
    headers: { "Content-Type": "application/json" },
    body: Buffer.from(JSON.stringify({ timeoutMs, partial: true, r, hedge, merge, reads })),
  });
}

function resultsOf(answer: Answer, count: number): readonly Result[] {
  if (answer.status !== 200) throw problemFailure(answer);
  const { results } = jsonOf(answer) as { results?: readonly Result[] };
  if (results?.length === count) return results;
  const sentence = `${answer.url} answered ${results?.length ?? "no"} results for ${count} keys`;
  throw new CommandFailure(EXIT.failure, sentence);
}

async function readAlone(cluster: Cluster, bucket: string, key: string, options: ReadOptions): Promise<Result> {
  const { consistency: r, timeout, hedge, merge } = options;
  const headers = { Accept: ENVELOPE_TYPE };
  const answer = await cluster.ask({
    method: "GET",
    path: keyPath(bucket, key),
    query: { r, timeout, hedge, merge },
    headers,
  });
  return { ...(jsonOf(answer) as Omit<Result, "status">), status: answer.status };
}

function exitOf({ status, code }: Result): ExitCode {
  if (status === 200) return EXIT.ok;
  if (status === 300) return EXIT.siblings;
  return status === 404 ? EXIT.notFound : exitCodeOf(code ?? "");
}

function tell(bucket: string, key: string, result: Result, json: boolean): void {
  const { status, value, contentType, siblings, context, code, detail } = result;
  const name = `${bucket}/${shown(key)}`;
  const found = status === 200 || status === 300;
  if (json) printJson({ bucket, key, status, found, value, contentType, siblings, context, code });
  if (status === 404) say(`${name}: not found`);
  else if (status === 300) say(`${name}: siblings need a decision; get this key by itself`);
  else if (status !== 200) say(`${name}: ${code ?? `status ${status}`}${detail === undefined ? "" : `: ${detail}`}`);
  else if (!json) tellValue(name, key, Buffer.from(value ?? "", "base64"), contentType ?? "");
}

/** A value that is more or less than one line of text is put into one, and that is said. */
function tellValue(name: string, key: string, value: Buffer, contentType: string): void {
  const text = value.toString("utf8");
  const isOneLine = inOneLine(text) === text;
  // A text without a type is a text still; of bytes, chance may make UTF-8 but hardly plain characters.
  const isText = isUtf8(value) && (isOneLine || isTextType(contentType));
  print(`${keyLine(key)}\t${isText ? inOneLine(text) : value.toString("base64")}`);
  if (!isText) say(`${name}: ${contentType}, shown in base64`);
  else if (!isOneLine) say(`${name}: more than one line, shown as a JSON string`);
}
