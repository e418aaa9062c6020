/**
 * A file cut into records as it is read, each with its line and the offset
 * behind it. Cutting happens on bytes: newlines and quotes are single bytes in
 * UTF-8, so no character is ever torn, and an offset is where a later run may
 * begin.
 */
import { createReadStream } from "node:fs";
import { LIMITS } from "../config.js";

export interface Place {
  /** Bytes from the start of the file. */
  readonly offset: number;
  /** The line at that offset, from 1. */
  readonly line: number;
}

export interface RawRecord {
  /** Without its line break. Empty when the record is too long to be kept. */
  readonly bytes: Buffer;
  /** Where it begins. */
  readonly line: number;
  /** Where the next one begins. */
  readonly next: Place;
  readonly tooLong: boolean;
}

/** No value may be longer, so no longer record is worth the memory. */
export const RECORD_BYTES_MAX = 2 * LIMITS.valueBytesMax.most;

const CHUNK_BYTES = 1024 * 1024;
const NEWLINE = 10;
const RETURN = 13;
const QUOTE = 34;
const COMMA = 44;
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);

/** With `quoted`, a line break belongs to the record while a quote is open that began a field (RFC 4180). */
export async function* splitRecords(file: string, from: Place, quoted: boolean): AsyncGenerator<RawRecord> {
  let rest: Buffer = Buffer.alloc(0);
  let { offset, line } = from;
  let newlines = 0;
  let inQuotes = false;
  let closedAt = -1;
  let tooLong = false;
  let scanned = 0;
  const finished = (bytes: Buffer, length: number): RawRecord => {
    offset += length;
    const record = {
      bytes: tooLong ? Buffer.alloc(0) : trimmed(bytes),
      line,
      next: { offset, line: line + newlines },
      tooLong,
    };
    [line, newlines, tooLong] = [line + newlines, 0, false];
    return record;
  };
  for await (const chunk of createReadStream(file, { start: from.offset, highWaterMark: CHUNK_BYTES })) {
    rest = rest.length === 0 ? (chunk as Buffer) : Buffer.concat([rest, chunk as Buffer]);
    let start = offset === 0 && rest.subarray(0, 3).equals(BYTE_ORDER_MARK) ? skipMark() : 0;
    for (let at = Math.max(scanned, start); ; at++) {
      at = quoted ? nextQuoteOrNewline(rest, at) : rest.indexOf(NEWLINE, at);
      if (at < 0) break;
      if (rest[at] === QUOTE) {
        // Two quotes in a row close and open again; a quote within a plain field is none.
        const opens = at === start || rest[at - 1] === COMMA || closedAt === at - 1;
        if (inQuotes) closedAt = at;
        inQuotes = !inQuotes && opens;
        continue;
      }
      newlines++;
      if (inQuotes) continue;
      yield finished(rest.subarray(start, at), at + 1 - start);
      start = at + 1;
    }
    rest = rest.subarray(start);
    closedAt -= start;
    if (rest.length > RECORD_BYTES_MAX) {
      offset += rest.length;
      rest = Buffer.alloc(0);
      tooLong = true;
    }
    scanned = rest.length;
  }
  if (rest.length > 0 || tooLong) yield finished(rest, rest.length);

  function skipMark(): number {
    offset = BYTE_ORDER_MARK.length;
    return BYTE_ORDER_MARK.length;
  }
}

function nextQuoteOrNewline(bytes: Buffer, from: number): number {
  for (let at = from; at < bytes.length; at++) {
    if (bytes[at] === NEWLINE || bytes[at] === QUOTE) return at;
  }
  return -1;
}

function trimmed(bytes: Buffer): Buffer {
  return bytes.at(-1) === RETURN ? bytes.subarray(0, -1) : bytes;
}
