/**
 * Messages as bytes: one byte for the kind, then its fields.
 *
 * Decoding trusts nothing: a count is believed only as far as bytes follow it,
 * and what no `encode` can have written fails with MalformedBytes. Decoded byte
 * strings are views of the frame, which nobody writes to again.
 */
import { unreachable } from "../base/assert.js";
import { MalformedBytes, NO_BYTES, type Reader, type Writer } from "../base/bytes.js";
import { DIGEST_BYTES } from "../base/hash.js";
import { readStamp, writeStamp } from "../lattice/stamp.js";
import {
  CAUSES,
  type Entry,
  type ListedRow,
  MERGE_STATUSES,
  type MergeResult,
  type Message,
  type RangeAnswer,
  REFUSALS,
  type RowAnswer,
  type ScannedKey,
  type ScanPage,
  type SyncRange,
} from "./messages.js";

const KINDS = [
  "ping",
  "pong",
  "read",
  "read-reply",
  "merge",
  "merge-reply",
  "sync-shared",
  "sync-shared-reply",
  "sync-ranges",
  "sync-ranges-reply",
  "refused",
  "cancel",
  "scan",
  "scan-reply",
] as const satisfies readonly Message["kind"][];

/** The first byte of a message of this kind. */
export function kindByte(kind: Message["kind"]): number {
  return KINDS.indexOf(kind);
}

const ROW_STATUSES = ["found", "absent", "damaged"] as const satisfies readonly RowAnswer["status"][];
const RANGE_ANSWERS = ["same", "split", "rows"] as const satisfies readonly RangeAnswer["kind"][];

export function writeMessage(writer: Writer, message: Message): void {
  writer.u8(kindByte(message.kind));
  switch (message.kind) {
    case "ping":
      writer.u64(message.actor).u53(message.boundUs);
      return;
    case "pong":
      writer.u64(message.actor).u53(message.boundUs).f64(message.wallMs).u53(message.rememberedBoundUs);
      writeList(writer, message.votes, (bits) => writer.long(bits));
      return;
    case "read":
      writeList(writer, message.rows, (row) => writer.long(row));
      return;
    case "read-reply":
      writeList(writer, message.answers, (answer) => writeRowAnswer(writer, answer));
      return;
    case "merge":
      writer.u8(CAUSES.indexOf(message.cause));
      writeList(writer, message.entries, (entry) => writer.long(entry.row).long(entry.state));
      return;
    case "merge-reply":
      writeList(writer, message.results, (result) => writeMergeResult(writer, result));
      return;
    case "sync-shared":
      writer.u8(message.placement).raw(message.digest);
      return;
    case "sync-shared-reply":
      writeBoolean(writer, message.same);
      writer.long(message.roots).long(message.votes);
      return;
    case "sync-ranges":
      writer.u8(message.placement);
      writeList(writer, message.ranges, (range) => writeRange(writer, range));
      return;
    case "sync-ranges-reply":
      writeList(writer, message.answers, (answer) => writeRangeAnswer(writer, answer));
      return;
    case "refused":
      writer.u8(REFUSALS.indexOf(message.reason));
      return;
    case "cancel":
      return;
    case "scan":
      writer.text(message.bucket).u32(message.keysMax);
      writeList(writer, message.positions, (position) => writer.long(position));
      return;
    case "scan-reply":
      writeList(writer, message.pages, (page) => writeScanPage(writer, page));
      return;
    default:
      unreachable(message);
  }
}

export function readMessage(reader: Reader): Message {
  const kind = oneOf(KINDS, reader.u8());
  switch (kind) {
    case "ping":
      return { kind, actor: reader.u64(), boundUs: reader.u53() };
    case "pong":
      return {
        kind,
        actor: reader.u64(),
        boundUs: reader.u53(),
        wallMs: reader.finite(),
        rememberedBoundUs: reader.u53(),
        votes: readList(reader, () => reader.long()),
      };
    case "read":
      return { kind, rows: readList(reader, () => reader.long()) };
    case "read-reply":
      return { kind, answers: readList(reader, () => readRowAnswer(reader)) };
    case "merge":
      return { kind, cause: oneOf(CAUSES, reader.u8()), entries: readList(reader, () => readEntry(reader)) };
    case "merge-reply":
      return { kind, results: readList(reader, () => readMergeResult(reader)) };
    case "sync-shared":
      return { kind, placement: reader.u8(), digest: reader.raw(DIGEST_BYTES) };
    case "sync-shared-reply":
      return { kind, same: readBoolean(reader), roots: reader.long(), votes: reader.long() };
    case "sync-ranges":
      return { kind, placement: reader.u8(), ranges: readList(reader, () => readRange(reader)) };
    case "sync-ranges-reply":
      return { kind, answers: readList(reader, () => readRangeAnswer(reader)) };
    case "refused":
      return { kind, reason: oneOf(REFUSALS, reader.u8()) };
    case "cancel":
      return { kind };
    case "scan": {
      const [bucket, keysMax] = [reader.text(), reader.u32()];
      return { kind, bucket, keysMax, positions: readList(reader, () => reader.long()) };
    }
    case "scan-reply":
      return { kind, pages: readList(reader, () => readScanPage(reader)) };
    default:
      return unreachable(kind);
  }
}

function writeRowAnswer(writer: Writer, answer: RowAnswer): void {
  writer.u8(ROW_STATUSES.indexOf(answer.status));
  writeBoolean(writer, answer.votes);
  writer.long(answer.state ?? NO_BYTES);
}

function readRowAnswer(reader: Reader): RowAnswer {
  const status = oneOf(ROW_STATUSES, reader.u8());
  const votes = readBoolean(reader);
  const state = reader.long();
  if ((status === "found") !== state.length > 0) throw new MalformedBytes("a state where none belongs, or none");
  return { status, votes, state: status === "found" ? state : undefined };
}

function readEntry(reader: Reader): Entry {
  return { row: reader.long(), state: reader.long() };
}

function writeMergeResult(writer: Writer, result: MergeResult): void {
  writer.u8(MERGE_STATUSES.indexOf(result.status));
  writeBoolean(writer, result.votes);
  writeBoolean(writer, result.stamp !== undefined);
  if (result.stamp !== undefined) writeStamp(writer, result.stamp);
}

function readMergeResult(reader: Reader): MergeResult {
  const status = oneOf(MERGE_STATUSES, reader.u8());
  const votes = readBoolean(reader);
  return { status, votes, stamp: readBoolean(reader) ? readStamp(reader) : undefined };
}

function writeRange(writer: Writer, range: SyncRange): void {
  writer.u64(range.from).u64(range.to).raw(range.digest).u32(range.count);
}

function readRange(reader: Reader): SyncRange {
  return { from: reader.u64(), to: reader.u64(), digest: reader.raw(DIGEST_BYTES), count: reader.u32() };
}

function writeRangeAnswer(writer: Writer, answer: RangeAnswer): void {
  writer.u8(RANGE_ANSWERS.indexOf(answer.kind));
  if (answer.kind === "split") writeList(writer, answer.ranges, (range) => writeRange(writer, range));
  if (answer.kind === "rows") writeList(writer, answer.rows, (listed) => writeListedRow(writer, listed));
}

function readRangeAnswer(reader: Reader): RangeAnswer {
  const kind = oneOf(RANGE_ANSWERS, reader.u8());
  if (kind === "split") return { kind, ranges: readList(reader, () => readRange(reader)) };
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

function writeScanPage(writer: Writer, page: ScanPage): void {
  writeBoolean(writer, page.votes);
  writeList(writer, page.keys, (key) => writeScannedKey(writer, key));
  // No position is empty.
  writer.long(page.next ?? NO_BYTES).u32(page.rowsSeen);
}

function readScanPage(reader: Reader): ScanPage {
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

function writeBoolean(writer: Writer, value: boolean): void {
  writer.u8(value ? 1 : 0);
}

function readBoolean(reader: Reader): boolean {
  return oneOf([false, true], reader.u8());
}

function writeList<Item>(writer: Writer, items: readonly Item[], write: (item: Item) => void): void {
  writer.u32(items.length);
  for (const item of items) write(item);
}

/** Every item takes at least one byte, so a claimed count larger than what is left is a lie. */
function readList<Item>(reader: Reader, read: () => Item): Item[] {
  const count = reader.u32();
  if (count > reader.remaining) throw new MalformedBytes("a list longer than its message");
  const items: Item[] = [];
  for (let index = 0; index < count; index++) items.push(read());
  return items;
}

function oneOf<Value>(values: readonly Value[], index: number): Value {
  const value = values[index];
  if (value === undefined) throw new MalformedBytes(`no such choice: ${index}`);
  return value;
}
