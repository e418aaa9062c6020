/**
 * Rows: how a cell is addressed, stored and digested.
 *
 * Row order is placement, token, bucket, key, sort key; a placement being a
 * distinct replication setting. So the rows of one partition lie together, and
 * those of a token range within it. Every part is length-prefixed, hence
 * injective, whatever bytes a key has.
 *
 * One digest serves all: a 128-bit hash over the length-prefixed address and
 * the encoded state is the row's checksum, the term of its hash tree and the
 * unit of comparison between replicas. (Hashing key and state apart is wrong:
 * two counters moving alike would cancel out.) It is stored before the state.
 */
import { assert } from "../base/assert.js";
import { asBuffer, compareBytes, equalBytes, NO_BYTES, Writer } from "../base/bytes.js";
import { DIGEST_BYTES, hash128 } from "../base/hash.js";
import { wordAt } from "../base/short-bytes.js";
import { type Storage, StorageDamage, type Write } from "../ports.js";

/** The first byte of every storage key: what a node keeps of itself, its rows, hints for others, the sums of its rows. */
export const SPACE = { self: 0, rows: 1, hints: 2, trees: 3 } as const;

/** Where the rows of all placements lie: the second is behind them. */
export const ALL_ROWS = { from: Uint8Array.of(SPACE.rows), to: Uint8Array.of(SPACE.rows + 1) };

const DIGEST_SEED = 0x6d75726d;
/** Of one row after the other. */
const digested = new Writer(512);
export const TOKEN_OFFSET = 2;
export const TOKEN_BITS = 64;
const BUCKET_OFFSET = TOKEN_OFFSET + 8;
const SIGN = 1n << 63n;
export const TOKEN_MAX = (1n << 64n) - 1n;

/** A cell's address. The sort key is empty for plain keys. */
export interface RowAddress {
  readonly placement: number;
  /** The token in row order: the signed token plus 2^63. */
  readonly token: bigint;
  readonly bucket: string;
  readonly key: Uint8Array;
  readonly sort: Uint8Array;
}

/** A signed token in row order, where all are non-negative. */
export function orderedToken(token: bigint): bigint {
  return token + SIGN;
}

export function encodeRow(address: RowAddress): Uint8Array {
  const { bucket } = address;
  const writer = new Writer(BUCKET_OFFSET + 3 + bucket.length + address.key.length + address.sort.length);
  writer.u8(SPACE.rows).u8(address.placement).u64(address.token).shortText(bucket);
  return writer.u16(address.key.length).raw(address.key).raw(address.sort).finish();
}

/** The bucket of a row. */
export function bucketOfRow(row: Uint8Array): string {
  const length = row[BUCKET_OFFSET] ?? 0;
  return asBuffer(row).latin1Slice(BUCKET_OFFSET + 1, BUCKET_OFFSET + 1 + length);
}

/** The key of a row, or of a position behind it; empty for a position where a token begins. */
export function keyOfRow(row: Uint8Array): Uint8Array {
  const bucketEnd = BUCKET_OFFSET + 1 + (row[BUCKET_OFFSET] ?? 0);
  if (row.length < bucketEnd + 2) return NO_BYTES;
  const start = bucketEnd + 2;
  return row.subarray(start, start + asBuffer(row).readUInt16BE(bucketEnd));
}

/** The sort key of a row, or of a position behind it. */
export function sortOfRow(row: Uint8Array): Uint8Array {
  return row.subarray(keyEndOf(row));
}

/** The row of another cell of the same key. */
export function rowWithSort(row: Uint8Array, sort: Uint8Array): Uint8Array {
  return Buffer.concat([row.subarray(0, keyEndOf(row)), sort]);
}

/** The position behind all rows of the same key: sort keys are UTF-8, where no byte is so high. */
export function positionBehindKey(row: Uint8Array): Uint8Array {
  return rowWithSort(row, Uint8Array.of(0xff));
}

/** Whether bytes from outside are positions among the rows of one key, in this order. */
export function isSpan(from: Uint8Array, to: Uint8Array): boolean {
  if (!isRow(from) || !isRow(to) || compareBytes(from, to) > 0) return false;
  const keyEnd = keyEndOf(from);
  return keyEnd === keyEndOf(to) && equalBytes(from.subarray(0, keyEnd), to.subarray(0, keyEnd));
}

function keyEndOf(row: Uint8Array): number {
  const bucketEnd = BUCKET_OFFSET + 1 + (row[BUCKET_OFFSET] ?? 0);
  return bucketEnd + 2 + asBuffer(row).readUInt16BE(bucketEnd);
}

/** The token of a row, in row order. */
export function tokenOfRow(row: Uint8Array): bigint {
  return asBuffer(row).readBigUInt64BE(TOKEN_OFFSET);
}

/** The position where the rows of `bucket` with this token begin. Positions compare with rows as rows do. */
export function positionAt(placement: number, token: bigint, bucket: string): Uint8Array {
  const writer = new Writer(BUCKET_OFFSET + 1 + bucket.length).u8(SPACE.rows).u8(placement).u64(token);
  return writer.shortText(bucket).finish();
}

/** The position just behind a row. */
export function positionAfter(row: Uint8Array): Uint8Array {
  return Buffer.concat([row, Uint8Array.of(0)]);
}

/** Whether bytes from outside are a position. */
export function isPosition(bytes: Uint8Array): boolean {
  return bytes[0] === SPACE.rows && bytes.length > BUCKET_OFFSET + (bytes[BUCKET_OFFSET] ?? 0);
}

export function placementOfRow(row: Uint8Array): number {
  return row[1] as number;
}

/** The partition of a row among `partitions`, a power of two: the top bits of its token. */
export function partitionOfRow(row: Uint8Array, partitions: number): number {
  const bits = 31 - Math.clz32(partitions);
  return bits === 0 ? 0 : wordAt(row, TOKEN_OFFSET) >>> (32 - bits);
}

/** Storage bounds of the rows of one placement with tokens `from` to `to`, both included. */
export function rowBounds(placement: number, from: bigint, to: bigint): { from: Uint8Array; to: Uint8Array } {
  assert(from >= 0n && from <= to && to <= TOKEN_MAX, "a range of ordered tokens");
  const end =
    to === TOKEN_MAX
      ? new Writer(2).u8(SPACE.rows).u8(placement + 1)
      : new Writer(BUCKET_OFFSET)
          .u8(SPACE.rows)
          .u8(placement)
          .u64(to + 1n);
  return { from: new Writer(BUCKET_OFFSET).u8(SPACE.rows).u8(placement).u64(from).finish(), to: end.finish() };
}

/** What is stored under a row's address: its digest, then its state. */
export function encodeRecord(row: Uint8Array, state: Uint8Array): Uint8Array {
  const record = Buffer.allocUnsafe(DIGEST_BYTES + state.length);
  record.set(rowDigest(row, state), 0);
  record.set(state, DIGEST_BYTES);
  return record;
}

/** The digest as stored, unchecked: for trees and listings. */
export function digestOfRecord(record: Uint8Array): Uint8Array {
  return record.subarray(0, DIGEST_BYTES);
}

/** The state in a record. Throws StorageDamage when the record is not what was written under this address. */
export function stateOfRecord(row: Uint8Array, record: Uint8Array): Uint8Array {
  const state = record.subarray(DIGEST_BYTES);
  if (record.length <= DIGEST_BYTES || !beginsWith(record, rowDigest(row, state))) {
    throw new StorageDamage("a stored row does not match its checksum");
  }
  return state;
}

/** Whether a record is what was written under this address. */
export function isSoundRecord(row: Uint8Array, record: Uint8Array): boolean {
  try {
    stateOfRecord(row, record);
    return true;
  } catch (error) {
    if (!(error instanceof StorageDamage)) throw error;
    return false;
  }
}

/** What a node keeps about itself is checked like a row. */
export function ownRecord(key: Uint8Array, bytes: Uint8Array): Write {
  return { key, value: encodeRecord(key, bytes) };
}

/** Undefined when there is none, or when it is damaged: a node that knows nothing of itself vouches for nothing. */
export function readOwnRecord(storage: Storage, key: Uint8Array): Uint8Array | undefined {
  try {
    const record = storage.durable(key);
    return record === undefined ? undefined : stateOfRecord(key, record);
  } catch (error) {
    if (error instanceof StorageDamage) return undefined;
    throw error;
  }
}

/** Whether bytes from outside are the address of a row, so that its parts may be read. */
export function isRow(row: Uint8Array): boolean {
  const bucketEnd = BUCKET_OFFSET + 1 + (row[BUCKET_OFFSET] ?? 0);
  if (row[0] !== SPACE.rows || row.length < bucketEnd + 2) return false;
  return row.length >= bucketEnd + 2 + asBuffer(row).readUInt16BE(bucketEnd);
}

function beginsWith(record: Uint8Array, digest: Uint8Array): boolean {
  for (let index = 0; index < DIGEST_BYTES; index++) if (record[index] !== digest[index]) return false;
  return true;
}

function rowDigest(row: Uint8Array, state: Uint8Array): Uint8Array {
  const digest = hash128(DIGEST_SEED, digested.long(row).raw(state).finish());
  digested.clear();
  return digest;
}
