/**
 * Trees on disk: the leaves of a partition, for as long as they are true.
 *
 * One record per (placement, partition). The first row that is written to a
 * partition takes its record away in the same batch, so that a record that is
 * found was true when the process ended, however it ended: no row of its
 * partition became durable after it. Records are written at an orderly stop,
 * and between times slowly; a write of its own for each row would double what a
 * write costs.
 */
import { MalformedBytes, Reader, Writer } from "../base/bytes.js";
import { type Storage, StorageDamage, type Write } from "../ports.js";
import { ownRecord, SPACE, stateOfRecord } from "./rows.js";
import type { SliceSize } from "./slice.js";
import { SUM_WORDS } from "./sums.js";

export const ALL_TREES = { from: Uint8Array.of(SPACE.trees), to: Uint8Array.of(SPACE.trees + 1) };

const RECORD_FORMAT = 1;

export interface TreeRecord {
  readonly placement: number;
  readonly partition: number;
  /** Undefined: the record cannot be used. It is there all the same, and must go with the next row. */
  readonly leaves: Uint32Array | undefined;
}

/** What the leaves of a record must agree in with those in memory. */
export interface TreeShape {
  readonly partitions: number;
  readonly leaves: number;
}

function keyOf(placement: number, partition: number): Uint8Array {
  return new Writer(6).u8(SPACE.trees).u8(placement).u32(partition).finish();
}

/** The leaves of a partition; undefined when there are no rows in it. */
export function putTree(
  placement: number,
  partition: number,
  { partitions, leaves }: TreeShape,
  words: Uint32Array | undefined,
): Write {
  const writer = new Writer(16 + (words?.byteLength ?? 0)).u8(RECORD_FORMAT).u32(partitions).u32(leaves);
  if (words !== undefined) writer.words(words);
  return ownRecord(keyOf(placement, partition), writer.finish());
}

export function removeTree(placement: number, partition: number): Write {
  return { key: keyOf(placement, partition), value: undefined };
}

/** Some records from a position on, and where to go on. Throws StorageDamage. */
export function readTrees(
  storage: Storage,
  from: Uint8Array,
  shape: TreeShape,
  size: SliceSize,
): { readonly records: TreeRecord[]; readonly next: Uint8Array | undefined } {
  const rows = storage.scan(from, ALL_TREES.to, size.rowsMax, size.bytesMax);
  const records = rows.map(({ key, value }) => recordOf(key, value, shape));
  const last = rows.at(-1);
  return { records, next: last === undefined ? undefined : Buffer.concat([last.key, Uint8Array.of(0)]) };
}

function recordOf(key: Uint8Array, value: Uint8Array, shape: TreeShape): TreeRecord {
  const address = new Reader(key.subarray(1));
  const [placement, partition] = [address.u8(), address.u32()];
  try {
    return { placement, partition, leaves: leavesOf(new Reader(stateOfRecord(key, value)), shape) };
  } catch (error) {
    if (!(error instanceof MalformedBytes) && !(error instanceof StorageDamage)) throw error;
    return { placement, partition, leaves: undefined };
  }
}

/** Undefined when it is of another format or of other limits. */
function leavesOf(reader: Reader, { partitions, leaves }: TreeShape): Uint32Array | undefined {
  if (reader.u8() !== RECORD_FORMAT || reader.u32() !== partitions || reader.u32() !== leaves) return undefined;
  if (reader.remaining === 0) return new Uint32Array(leaves * SUM_WORDS);
  const words = reader.words(leaves * SUM_WORDS);
  reader.end();
  return words;
}
