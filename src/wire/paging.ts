/**
 * The messages that ask for pages, of a bucket's keys or of one key's cells, and their answers, as bytes.
 */
import { unreachable } from "../base/assert.js";
import { MalformedBytes, NO_BYTES, type Reader, type Writer } from "../base/bytes.js";
import { readBoolean, readList, readScanPage, writeBoolean, writeList, writeScanPage } from "./fields.js";
import type { Scan, ScanReply } from "./messages.js";
import type { Range, RangePage, RangeReply } from "./range-messages.js";

export type PagingMessage = Scan | ScanReply | Range | RangeReply;

export function writePaging(writer: Writer, message: PagingMessage): void {
  switch (message.kind) {
    case "scan":
      writer.text(message.bucket).u32(message.keysMax);
      writeList(writer, message.positions, (position) => writer.long(position));
      return;
    case "scan-reply":
      writeList(writer, message.pages, (page) => writeScanPage(writer, page));
      return;
    case "range":
      writer.u32(message.cellsMax);
      writeList(writer, message.spans, ({ from, to }) => writer.long(from).long(to));
      return;
    case "range-reply":
      writeList(writer, message.pages, (page) => writeRangePage(writer, page));
      return;
    default:
      unreachable(message);
  }
}

export function readPaging(kind: PagingMessage["kind"], reader: Reader): PagingMessage {
  switch (kind) {
    case "scan": {
      const [bucket, keysMax] = [reader.text(), reader.u32()];
      return { kind, bucket, keysMax, positions: readList(reader, () => reader.long()) };
    }
    case "scan-reply":
      return { kind, pages: readList(reader, () => readScanPage(reader)) };
    case "range": {
      const cellsMax = reader.u32();
      return { kind, cellsMax, spans: readList(reader, () => ({ from: reader.long(), to: reader.long() })) };
    }
    case "range-reply":
      return { kind, pages: readList(reader, () => readRangePage(reader)) };
    default:
      return unreachable(kind);
  }
}

function writeRangePage(writer: Writer, { votes, state, next }: RangePage): void {
  writeBoolean(writer, votes);
  // No encoded row is empty, and no position.
  writer.long(state ?? NO_BYTES).long(next ?? NO_BYTES);
}

function readRangePage(reader: Reader): RangePage {
  const [votes, state, next] = [readBoolean(reader), reader.long(), reader.long()];
  if (votes && state.length === 0 && next.length > 0) throw new MalformedBytes("a page that counts, of nothing");
  return { votes, state: state.length === 0 ? undefined : state, next: next.length === 0 ? undefined : next };
}
