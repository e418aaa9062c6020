/**
 * `murmur range`: the cells of a key of a row bucket, in the order of their sort keys.
 */
import { isUtf8 } from "node:buffer";
import { partitionPath } from "../base/key-path.js";
import { checkBucket, checkKey } from "./addresses.js";
import type { ExitCode } from "./exit.js";
import { type KeyOptions, openForKeys } from "./keys.js";
import { printPages } from "./pages.js";
import { shellWord } from "./shell.js";
import type { Sibling } from "./siblings.js";
import { inOneLine, keyLine } from "./terminal.js";

interface RangeOptions extends KeyOptions {
  readonly from?: string;
  readonly after?: string;
  readonly to?: string;
  readonly limit?: string;
}

type Cell = Partial<Sibling> & { readonly sort: string; readonly siblings?: readonly Sibling[] };

const ZERO = "\u0000";

export async function range(bucket: string, key: string, options: RangeOptions): Promise<ExitCode> {
  checkBucket(bucket);
  checkKey(key);
  const path = partitionPath(bucket, key);
  const { to, consistency: r, timeout, limit, json } = options;
  return printPages<Cell>(await openForKeys(options), {
    items: "cells",
    limitName: "rangeItemsMax",
    limit,
    from: options.after === undefined ? options.from : `${options.after}${ZERO}`,
    question: (from, limit) => ({ method: "GET", path, query: { from, to, r, timeout, limit } }),
    lineOf: (cell) => (json ? JSON.stringify(cell) : lineOf(cell)),
    wayOn,
  });
}

/** A next mostly is the last sort key with a zero behind it, and no argument of a command holds a zero. */
function wayOn(next: string): string {
  const last = next.endsWith(ZERO) ? next.slice(0, -1) : undefined;
  if (last !== undefined && !last.includes(ZERO)) return `--after ${shellWord(last)}`;
  const [from = "", ...rest] = next.split(ZERO);
  const repeats = rest.length === 0 ? "" : ", which repeats some: no argument holds the zero in the next sort key";
  return `--from ${shellWord(from)}${repeats}`;
}

function lineOf({ sort, value, siblings }: Cell): string {
  if (siblings !== undefined) return `${keyLine(sort)}\t(${siblings.length} siblings)`;
  const bytes = Buffer.from(value ?? "", "base64");
  return `${keyLine(sort)}\t${isUtf8(bytes) ? inOneLine(bytes.toString()) : `(${bytes.length} bytes)`}`;
}
