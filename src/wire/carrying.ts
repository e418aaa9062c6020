/**
 * The messages that carry states to those who keep them, and their answers, as bytes.
 */
import { unreachable } from "../base/assert.js";
import type { Reader, Writer } from "../base/bytes.js";
import { readStamp, writeStamp } from "../lattice/stamp.js";
import {
  oneOf,
  readBoolean,
  readEntry,
  readFurther,
  readList,
  readMergeResult,
  writeBoolean,
  writeEntry,
  writeFurther,
  writeList,
  writeMergeResult,
} from "./fields.js";
import {
  CAUSES,
  type Entry,
  type Forwarded,
  type KeepHint,
  type KeepHintReply,
  type Merge,
  type MergeReply,
  type Relay,
} from "./messages.js";

export type CarryingMessage = Merge | MergeReply | Relay | Forwarded | KeepHint | KeepHintReply;

export function writeCarrying(writer: Writer, message: CarryingMessage): void {
  switch (message.kind) {
    case "merge":
      writer.u8(CAUSES.indexOf(message.cause));
      if (message.cause === "write") writeWritten(writer, message.entries);
      else writeList(writer, message.entries, (entry) => writeEntry(writer, entry));
      return;
    case "merge-reply":
      writeList(writer, message.results, (result) => writeMergeResult(writer, result));
      return;
    case "relay":
      writeWritten(writer, message.entries);
      writeList(writer, message.further, (further) => writeFurther(writer, further));
      return;
    case "forwarded":
      writer.text(message.asker);
      writeWritten(writer, message.entries);
      return;
    case "keep-hint":
      writer.text(message.target);
      writeList(writer, message.entries, (entry) => writeEntry(writer, entry));
      return;
    case "keep-hint-reply":
      writeList(writer, message.kept, (isKept) => writeBoolean(writer, isKept));
      return;
    default:
      unreachable(message);
  }
}

export function readCarrying(kind: CarryingMessage["kind"], reader: Reader): CarryingMessage {
  switch (kind) {
    case "merge": {
      const cause = oneOf(CAUSES, reader.u8());
      return {
        kind,
        cause,
        entries: cause === "write" ? readWritten(reader) : readList(reader, () => readEntry(reader)),
      };
    }
    case "merge-reply":
      return { kind, results: readList(reader, () => readMergeResult(reader)) };
    case "relay": {
      const entries = readWritten(reader);
      return { kind, entries, further: readList(reader, () => readFurther(reader)) };
    }
    case "forwarded":
      return { kind, asker: reader.text(), entries: readWritten(reader) };
    case "keep-hint":
      return { kind, target: reader.text(), entries: readList(reader, () => readEntry(reader)) };
    case "keep-hint-reply":
      return { kind, kept: readList(reader, () => readBoolean(reader)) };
    default:
      return unreachable(kind);
  }
}

/** The entries of clients' writes: each says what its client had seen. */
function writeWritten(writer: Writer, entries: readonly Entry[]): void {
  writeList(writer, entries, (entry) => {
    writeEntry(writer, entry);
    writeBoolean(writer, entry.seen !== undefined);
    if (entry.seen !== undefined) writeStamp(writer, entry.seen);
  });
}

function readWritten(reader: Reader): Entry[] {
  return readList(reader, () => {
    const entry = readEntry(reader);
    return readBoolean(reader) ? { ...entry, seen: readStamp(reader) } : entry;
  });
}
