/**
 * Keys by number: registers and minted keys each by itself, and cells of rows, which share a partition key.
 *
 * A cell is a register with a sort key, so the checker knows it as a key of its own.
 */
import { utf8 } from "../base/bytes.js";
import { ROW } from "../lattice/registry.js";

/** Above all other keys. */
const FIRST_CELL = 2_000_000;
/** Of one row. */
const CELLS_MAX = 100;

/** Like all buckets with another type than registers it has the name of its type. */
export const ROW_BUCKET = ROW;
const BUCKET = "b";

export interface Address {
  readonly bucket: string;
  readonly key: Uint8Array;
  readonly sort: Uint8Array | undefined;
}

export function cellOf(row: number, cell: number): number {
  return FIRST_CELL + row * CELLS_MAX + cell;
}

export function isCell(key: number): boolean {
  return key >= FIRST_CELL;
}

/** The first of its row, which stands for the row. */
export function rowOfCell(key: number): number {
  return key - ((key - FIRST_CELL) % CELLS_MAX);
}

export function keyOf({ key }: { readonly key: number }): Uint8Array {
  return utf8(isCell(key) ? `row ${(rowOfCell(key) - FIRST_CELL) / CELLS_MAX}` : `key ${key}`);
}

/** In another order than their numbers: the bytes decide. */
export function sortOfCell(key: number): Uint8Array {
  return utf8(`${key - rowOfCell(key)}`);
}

/** Of a register, or of a cell. */
export function addressOf(key: number): Address {
  const isInRow = isCell(key);
  return { bucket: isInRow ? ROW_BUCKET : BUCKET, key: keyOf({ key }), sort: isInRow ? sortOfCell(key) : undefined };
}
