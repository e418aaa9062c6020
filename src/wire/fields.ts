/**
 * Fields: the parts of messages as bytes, each a pair of a writer and a reader.
 *
 * Readers trust nothing: what no writer can have written fails with MalformedBytes.
 */
import { MalformedBytes, NO_BYTES, type Reader, type Writer } from "../base/bytes.js";
import { DIGEST_BYTES } from "../base/hash.js";
import { readStamp, writeStamp } from "../lattice/stamp.js";
import {
  type Entry,
  type Further,
  MERGE_STATUSES,
  type MergeResult,
  type RowAnswer,
  type ScannedKey,
  type ScanPage,
  type ToForget,
} from "./messages.js";
import {
  type BlockAnswer,
  type BlockSum,
  type ListedRow,
  SUM_DIGEST_BYTES,
  type SummedBlock,
} from "./sync-messages.js";

const ROW_STATUSES = ["found", "absent", "damaged"] as const satisfies readonly RowAnswer["status"][];
const BLOCK_ANSWERS = ["same", "split", "rows", "damaged"] as const satisfies readonly BlockAnswer["kind"][];

export function writeRowAnswer(writer: Writer, answer: RowAnswer): void {
  writer.u8(ROW_STATUSES.indexOf(answer.status));
  writeBoolean(writer, answer.votes);
  writer.long(answer.state ?? NO_BYTES);
}

export function readRowAnswer(reader: Reader): RowAnswer {
  const status = oneOf(ROW_STATUSES, reader.u8());
  const votes = readBoolean(reader);
  const state = reader.long();
  if ((status === "found") !== state.length > 0) throw new MalformedBytes("a state where none belongs, or none");
  return { status, votes, state: status === "found" ? state : undefined };
}

export function writeEntry(writer: Writer, { row, state, bornAtUs }: Entry): void {
  writer.long(row).long(state).u53(bornAtUs);
}

export function readEntry(reader: Reader): Entry {
  return { row: reader.long(), state: reader.long(), bornAtUs: reader.u53() };
}

export function writeFurther(writer: Writer, { node, id }: Further): void {
  writer.text(node).u32(id);
}

export function readFurther(reader: Reader): Further {
  return { node: reader.text(), id: reader.u32() };
}

export function writeToForget(writer: Writer, { row, upToUs, digest }: ToForget): void {
  writer.long(row).u53(upToUs).raw(digest);
}

export function readToForget(reader: Reader): ToForget {
  return { row: reader.long(), upToUs: reader.u53(), digest: reader.raw(DIGEST_BYTES) };
}

export function writeMergeResult(writer: Writer, result: MergeResult): void {
  writer.u8(MERGE_STATUSES.indexOf(result.status));
  writeBoolean(writer, result.votes);
  writeBoolean(writer, result.stamp !== undefined);
  if (result.stamp !== undefined) writeStamp(writer, result.stamp);
}

export function readMergeResult(reader: Reader): MergeResult {
  const status = oneOf(MERGE_STATUSES, reader.u8());
  const votes = readBoolean(reader);
  return { status, votes, stamp: readBoolean(reader) ? readStamp(reader) : undefined };
}

export function writeBlock(writer: Writer, block: SummedBlock): void {
  writer.u64(block.from).u8(block.bits);
  writeBlockSum(writer, block);
}

export function readBlock(reader: Reader): SummedBlock {
  return { from: reader.u64(), bits: reader.u8(), ...readBlockSum(reader) };
}

function writeBlockSum(writer: Writer, { digest, count }: BlockSum): void {
  writer.raw(digest).u32(count);
}

function readBlockSum(reader: Reader): BlockSum {
  return { digest: reader.raw(SUM_DIGEST_BYTES), count: reader.u32() };
}

export function writeBlockAnswer(writer: Writer, answer: BlockAnswer): void {
  writer.u8(BLOCK_ANSWERS.indexOf(answer.kind));
  if (answer.kind === "split") writeList(writer, answer.parts, (part) => writeBlockSum(writer, part));
  if (answer.kind === "rows") writeList(writer, answer.rows, (listed) => writeListedRow(writer, listed));
}

export function readBlockAnswer(reader: Reader): BlockAnswer {
  const kind = oneOf(BLOCK_ANSWERS, reader.u8());
  if (kind === "split") return { kind, parts: readList(reader, () => readBlockSum(reader)) };
  if (kind === "rows") return { kind, rows: readList(reader, () => readListedRow(reader)) };
  return { kind };
}

function writeListedRow(writer: Writer, listed: ListedRow): void {
  writer.long(listed.row).raw(listed.digest);
  writeBoolean(writer, listed.young);
}

function readListedRow(reader: Reader): ListedRow {
  return { row: reader.long(), digest: reader.raw(DIGEST_BYTES), young: readBoolean(reader) };
}

export function writeScanPage(writer: Writer, page: ScanPage): void {
  writeBoolean(writer, page.votes);
  writeList(writer, page.keys, (key) => writeScannedKey(writer, key));
  // No position is empty.
  writer.long(page.next ?? NO_BYTES).u32(page.rowsSeen);
}

export function readScanPage(reader: Reader): ScanPage {
  const votes = readBoolean(reader);
  const keys = readList(reader, () => readScannedKey(reader));
  const next = reader.long();
  return { votes, keys, next: next.length === 0 ? undefined : next, rowsSeen: reader.u32() };
}

function writeScannedKey(writer: Writer, { row, digest }: ScannedKey): void {
  writer.long(row);
  writeBoolean(writer, digest !== undefined);
  if (digest !== undefined) writer.raw(digest);
}

function readScannedKey(reader: Reader): ScannedKey {
  const row = reader.long();
  return { row, digest: readBoolean(reader) ? reader.raw(DIGEST_BYTES) : undefined };
}

export function writeBoolean(writer: Writer, value: boolean): void {
  writer.u8(value ? 1 : 0);
}

export function readBoolean(reader: Reader): boolean {
  return oneOf([false, true], reader.u8());
}

export function writeList<Item>(writer: Writer, items: readonly Item[], write: (item: Item) => void): void {
  writer.u32(items.length);
  for (const item of items) write(item);
}

/** Every item takes at least one byte, so a claimed count larger than what is left is a lie. */
export function readList<Item>(reader: Reader, read: () => Item): Item[] {
  const count = reader.u32();
  if (count > reader.remaining) throw new MalformedBytes("a list longer than its message");
  const items: Item[] = [];
  for (let index = 0; index < count; index++) items.push(read());
  return items;
}

export function oneOf<Value>(values: readonly Value[], index: number): Value {
  const value = values[index];
  if (value === undefined) throw new MalformedBytes(`no such choice: ${index}`);
  return value;
}
