/**
 * `murmur keys`: the keys of a bucket.
 */
import { checkBucket } from "./addresses.js";
import type { ExitCode } from "./exit.js";
import { type KeyOptions, openForKeys } from "./keys.js";
import { printPages } from "./pages.js";
import { shellWord } from "./shell.js";
import { keyLine } from "./terminal.js";

interface ListOptions extends KeyOptions {
  readonly limit?: string;
  readonly after?: string;
}

export async function list(bucket: string, options: ListOptions): Promise<ExitCode> {
  checkBucket(bucket);
  const path = `/v1/buckets/${bucket}/keys`;
  const { consistency: r, timeout, limit, json } = options;
  return printPages<string>(await openForKeys(options), {
    items: "keys",
    limitName: "listKeysMax",
    limit,
    from: options.after,
    question: (after, limit) => ({ method: "GET", path, query: { limit, after, r, timeout } }),
    lineOf: (key) => (json ? JSON.stringify({ bucket, key }) : keyLine(key)),
    wayOn: (next) => `--after ${shellWord(next)}`,
  });
}
