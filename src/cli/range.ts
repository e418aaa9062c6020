/**
 * `murmur range`: the cells of a key of a row bucket, page after page, each page
 * printed before the next is asked for. What ends in the middle says how to go on.
 */

import { isUtf8 } from "node:buffer";
import { once } from "node:events";
import { partitionPath } from "../base/key-path.js";
import { checkBucket, checkKey } from "./addresses.js";
import { type Answer, jsonOf, problemFailure } from "./cluster.js";
import { CommandFailure, EXIT, type ExitCode, usage } from "./exit.js";
import { type KeyOptions, openForKeys } from "./keys.js";
import { Pages } from "./node-limits.js";
import type { Sibling } from "./siblings.js";
import { inOneLine, say, shown } from "./terminal.js";

interface RangeOptions extends KeyOptions {
  readonly from?: string;
  readonly after?: string;
  readonly to?: string;
  readonly limit?: string;
}

type Cell = Partial<Sibling> & { readonly sort: string; readonly siblings?: readonly Sibling[] };

interface Page {
  readonly cells: readonly Cell[];
  /** Where the next page begins; null after the last. */
  readonly next: string | null;
}

const ZERO = "\u0000";

export async function range(bucket: string, key: string, options: RangeOptions): Promise<ExitCode> {
  checkBucket(bucket);
  checkKey(key);
  let left = limitOf(options.limit);
  const cluster = await openForKeys(options);
  const pages = new Pages("rangeItemsMax");
  const path = partitionPath(bucket, key);
  const { to, consistency: r, timeout } = options;
  let from = options.after === undefined ? options.from : `${options.after}${ZERO}`;
  do {
    const query = { from, to, r, timeout };
    const answer = await pages.ask(cluster, left, (limit) => ({ method: "GET", path, query: { ...query, limit } }));
    if (answer.status !== 200) throw problemFailure(answer);
    const page = pageOf(answer);
    await printCells(page.cells, options.json === true);
    left -= page.cells.length;
    from = page.next ?? undefined;
  } while (from !== undefined && left > 0);
  if (from !== undefined) say(`there may be more: go on with ${wayOn(from)}`);
  return EXIT.ok;
}

function limitOf(given: string | undefined): number {
  if (given === undefined) return Number.POSITIVE_INFINITY;
  if (/^[1-9]\d{0,14}$/.test(given)) return Number(given);
  throw usage(`--limit: expected a number of cells from 1 on, found ${JSON.stringify(given)}`);
}

function pageOf(answer: Answer): Page {
  const page = jsonOf(answer) as Partial<Page>;
  if (Array.isArray(page.cells) && page.next !== undefined) return page as Page;
  throw new CommandFailure(EXIT.failure, `${answer.url} answered no page of cells: is it a murmur node?`);
}

/** A next mostly is the last sort key with a zero behind it, and no argument of a command holds a zero. */
function wayOn(next: string): string {
  return next.endsWith(ZERO) ? `--after ${shown(next.slice(0, -1))}` : `--from ${shown(next)}`;
}

/** Waits for a slow reader: a key may hold more cells than fit in memory. */
async function printCells(cells: readonly Cell[], json: boolean): Promise<void> {
  const lines = cells.map((cell) => (json ? JSON.stringify(cell) : lineOf(cell)));
  if (!process.stdout.write(lines.map((line) => `${line}\n`).join(""))) await once(process.stdout, "drain");
}

function lineOf({ sort, value, siblings }: Cell): string {
  if (siblings !== undefined) return `${inOneLine(sort)}\t(${siblings.length} siblings)`;
  const bytes = Buffer.from(value ?? "", "base64");
  return `${inOneLine(sort)}\t${isUtf8(bytes) ? inOneLine(bytes.toString()) : `(${bytes.length} bytes)`}`;
}
