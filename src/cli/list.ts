/**
 * `murmur keys`: the keys of a bucket, page after page, each page printed before
 * the next is asked for. What ends in the middle says how to go on.
 */
import { once } from "node:events";
import { checkBucket } from "./addresses.js";
import { type Answer, jsonOf, problemFailure } from "./cluster.js";
import { CommandFailure, EXIT, type ExitCode, usage } from "./exit.js";
import { type KeyOptions, openForKeys } from "./keys.js";
import { Pages } from "./node-limits.js";
import { inOneLine, say } from "./terminal.js";

interface ListOptions extends KeyOptions {
  readonly limit?: string;
  readonly after?: string;
}

interface Page {
  readonly keys: readonly string[];
  /** Where the next page begins; null after the last. */
  readonly next: string | null;
}

export async function list(bucket: string, options: ListOptions): Promise<ExitCode> {
  checkBucket(bucket);
  let left = limitOf(options.limit);
  const cluster = await openForKeys(options);
  const pages = new Pages("listKeysMax");
  const path = `/v1/buckets/${bucket}/keys`;
  const { consistency: r, timeout } = options;
  let { after } = options;
  do {
    const page = await pageAfter(after, () =>
      pages.ask(cluster, left, (limit) => ({ method: "GET", path, query: { limit, after, r, timeout } })),
    );
    await printKeys(bucket, page.keys, options.json === true);
    left -= page.keys.length;
    after = page.next ?? undefined;
  } while (after !== undefined && left > 0);
  if (after !== undefined) say(`there may be more: go on with --after ${after}`);
  return EXIT.ok;
}

function limitOf(given: string | undefined): number {
  if (given === undefined) return Number.POSITIVE_INFINITY;
  if (/^[1-9]\d{0,14}$/.test(given)) return Number(given);
  throw usage(`--limit: expected a number of keys from 1 on, found ${JSON.stringify(given)}`);
}

async function pageAfter(after: string | undefined, ask: () => Promise<Answer>): Promise<Page> {
  try {
    const answer = await ask();
    if (answer.status !== 200) throw problemFailure(answer);
    return pageOf(answer);
  } catch (error) {
    if (error instanceof CommandFailure && after !== undefined) say(`go on with --after ${after}`);
    throw error;
  }
}

function pageOf(answer: Answer): Page {
  const page = jsonOf(answer) as Partial<Page>;
  if (Array.isArray(page.keys) && page.next !== undefined) return page as Page;
  throw new CommandFailure(EXIT.failure, `${answer.url} answered no page of keys: is it a murmur node?`);
}

/** Waits for a slow reader: a bucket may hold more than fits in memory. */
async function printKeys(bucket: string, keys: readonly string[], json: boolean): Promise<void> {
  const lines = keys.map((key) => `${json ? JSON.stringify({ bucket, key }) : inOneLine(key)}\n`);
  if (!process.stdout.write(lines.join(""))) await once(process.stdout, "drain");
}
