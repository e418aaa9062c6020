/**
 * The cells of a key in a row bucket, a page at a time.
 */
import { decodeValue } from "../base/decoded-value.js";
import { partitionPath } from "../base/key-path.js";
import { checkKey, checkText } from "./arguments.js";
import { badRequest, MurmurError } from "./errors.js";
import type { Cell, CellPage, DeletedCells, RangeOptions } from "./options.js";
import { askAny } from "./rest-call.js";
import type { Shared } from "./shared.js";

interface Value {
  readonly value: string;
  readonly contentType: string;
}

/** As a node answers it: a value, or several. */
type CellAnswer = Value & { readonly sort: string; readonly context: string; readonly siblings?: readonly Value[] };

export async function rangeOf(shared: Shared, bucket: string, key: string, options: RangeOptions): Promise<CellPage> {
  const path = pathFor("r", bucket, key, options);
  const { json, node } = await askAny(shared, { method: "GET", path, isWrite: false, ...options });
  const { cells, next } = json as { cells?: readonly CellAnswer[]; next?: string | null };
  if (!Array.isArray(cells)) throw new MurmurError({ code: "bad-answer", detail: "not a page of cells", node });
  return { cells: cells.map(cellOf), next: next ?? undefined };
}

export async function deleteCells(
  shared: Shared,
  bucket: string,
  key: string,
  options: RangeOptions,
): Promise<DeletedCells> {
  const path = pathFor("w", bucket, key, options);
  const { json, node } = await askAny(shared, { method: "DELETE", path, isWrite: true, ...options });
  const { deleted, next } = json as { deleted?: number; next?: string | null };
  if (typeof deleted === "number") return { deleted, next: next ?? undefined };
  throw new MurmurError({ code: "bad-answer", detail: "not a count of cells", mayHaveApplied: true, node });
}

function pathFor(levelName: "r" | "w", bucket: string, key: string, options: RangeOptions) {
  checkKey(key);
  const { from, to, limit, consistency } = options;
  if (limit !== undefined && !(Number.isSafeInteger(limit) && limit > 0)) {
    throw badRequest(`limit is a number of cells from 1 on, not ${limit}`);
  }
  if (from !== undefined) checkText(from, "from");
  if (to !== undefined) checkText(to, "to");
  const query = new URLSearchParams();
  if (from !== undefined) query.set("from", from);
  if (to !== undefined) query.set("to", to);
  if (limit !== undefined) query.set("limit", String(limit));
  if (consistency !== undefined) query.set(levelName, String(consistency));
  // A query has %20 for a space: what a form makes of one is not read as such.
  const text = String(query).replaceAll("+", "%20");
  return (timeoutMs: number) => `${partitionPath(bucket, key)}?${text}&timeout=${timeoutMs}ms`;
}

/** Each page is asked for when the one before was read to its end. */
export async function* eachCell(
  shared: Shared,
  bucket: string,
  key: string,
  options: RangeOptions,
): AsyncGenerator<Cell, void, undefined> {
  let from = options.from;
  do {
    const page = await rangeOf(shared, bucket, key, from === undefined ? options : { ...options, from });
    yield* page.cells;
    from = page.next;
  } while (from !== undefined);
}

function cellOf({ sort, context, siblings, ...value }: CellAnswer): Cell {
  if (siblings === undefined) return { sort, ...decoded(value), siblings: [], context };
  return { sort, value: undefined, contentType: undefined, siblings: siblings.map(decoded), context };
}

function decoded({ value, contentType }: Value): { readonly value: unknown; readonly contentType: string } {
  return { value: decodeValue(Buffer.from(value, "base64"), contentType), contentType };
}
