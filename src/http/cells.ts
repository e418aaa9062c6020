/**
 * What it takes to say a cell of a row bucket: a sort key, there and nowhere else.
 */
import type { BucketConfig } from "../cluster-config.js";
import { badRequest, type Problem } from "./problem.js";

export function isOfRange(operation: string): boolean {
  return operation === "range" || operation === "range-delete";
}

/** A row is read and written cell by cell. */
export function cellRefusal(
  operation: string,
  sort: Uint8Array | undefined,
  bucket: BucketConfig,
  place = "",
): Problem | undefined {
  if (operation === "list") return undefined;
  if (isOfRange(operation) && bucket.cells === undefined) {
    return badRequest(`only a row bucket has cells, and this one is of type ${bucket.type}`);
  }
  if (isOfRange(operation) || (sort !== undefined) === (bucket.cells !== undefined)) return undefined;
  const { type } = bucket;
  if (sort !== undefined)
    return badRequest(`${place}sort addresses a cell of a row bucket, and this one is of type ${type}`);
  return badRequest(`${place}sort is missing: this bucket is a row, and sort names a cell of the key`);
}

/** What is wrong with a sort key. */
export function sortRefusal(sort: Uint8Array, bytesMax: number, name = "sort"): Problem | undefined {
  if (sort.length === 0) return badRequest(`${name} is empty; a sort key has 1 to ${bytesMax} bytes`);
  return sort.length > bytesMax ? badRequest(`${name} has ${sort.length} bytes; the limit is ${bytesMax}`) : undefined;
}
