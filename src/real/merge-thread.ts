/**
 * The thread in which a user's merge function runs: one call at a time, ended from outside when it takes too long.
 *
 * Values are parsed and written here too, so that a large one does not hold up the node.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parentPort, workerData } from "node:worker_threads";
import { assert } from "../base/assert.js";
import type { Content } from "../lattice/lattice.js";
import { contentOf, type MergedKey, type MergeFunction, siblingsOf } from "./merge-function.js";

/** What a thread is asked. */
export interface MergeOrder extends MergedKey {
  readonly contents: readonly Content[];
}

/** What a thread says: once at its start, and then once for each order. A failure is a sentence with its place. */
export type MergeSaid =
  | { readonly kind: "ready" }
  | { readonly kind: "merged"; readonly content: Content }
  | { readonly kind: "failed"; readonly sentence: string };

const url = workerData as string;
const file = fileURLToPath(url);
const SYNTAX_MS_MAX = 5000;
const port = parentPort;
assert(port !== null, "the merging thread is started by its merger");

function say(said: MergeSaid): void {
  port?.postMessage(said);
}

function fail(sentence: string): void {
  say({ kind: "failed", sentence });
}

async function load(): Promise<MergeFunction | undefined> {
  try {
    const { default: merge } = (await import(url)) as { default?: unknown };
    if (typeof merge === "function") return merge as MergeFunction;
    const found = merge === undefined ? "none" : `a ${typeof merge}`;
    fail(
      `${file}:1: expected a default export that is a function, such as export default (siblings) => …, found ${found}`,
    );
  } catch (error) {
    fail(`${(error instanceof SyntaxError ? syntaxPlace() : undefined) ?? placeOf(error)}: ${textOf(error)}`);
  }
  return undefined;
}

/** A syntax error does not tell a program where it is; it tells a terminal. */
function syntaxPlace(): string | undefined {
  const words = ["--input-type=module", "--eval", `import ${JSON.stringify(url)}`];
  const { stderr } = spawnSync(process.execPath, words, { encoding: "utf8", timeout: SYNTAX_MS_MAX });
  const [, at, line] = /^(file:\/\/.*):(\d+)$/m.exec(stderr ?? "") ?? [];
  return at === undefined ? undefined : `${fileURLToPath(at)}:${line}`;
}

/** The innermost line of the user's own that the error passed through. */
function placeOf(error: unknown): string {
  const stack = error instanceof Error ? (error.stack ?? "") : "";
  const [, at, line] = /(file:\/\/\S+?):(\d+):\d+/.exec(stack) ?? [];
  return at === undefined || at === import.meta.url ? file : `${fileURLToPath(at)}:${line}`;
}

function textOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : `it threw ${String(error)}`;
}

async function run(merge: MergeFunction, { contents, bucket, key }: MergeOrder): Promise<void> {
  try {
    const content = contentOf(await merge(siblingsOf(contents), { bucket, key }), contents);
    if (typeof content === "string") fail(`${file}: ${content}`);
    else say({ kind: "merged", content });
  } catch (error) {
    fail(`${placeOf(error)}: ${textOf(error)}`);
  }
}

const merge = await load();
if (merge !== undefined) {
  port.on("message", (order: MergeOrder) => {
    run(merge, order).catch((error: unknown) => fail(`${file}: ${textOf(error)}`));
  });
  say({ kind: "ready" });
}
