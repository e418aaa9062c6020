/**
 * The messages that carry states to those who keep them, and their answers, as bytes.
 */
import { unreachable } from "../base/assert.js";
import type { Reader, Writer } from "../base/bytes.js";
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
      writeList(writer, message.entries, (entry) => writeEntry(writer, entry));
      return;
    case "merge-reply":
      writeList(writer, message.results, (result) => writeMergeResult(writer, result));
      return;
    case "relay":
      writeList(writer, message.entries, (entry) => writeEntry(writer, entry));
      writeList(writer, message.further, (further) => writeFurther(writer, further));
      return;
    case "forwarded":
      writer.text(message.asker);
      writeList(writer, message.entries, (entry) => writeEntry(writer, entry));
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
    case "merge":
      return { kind, cause: oneOf(CAUSES, reader.u8()), entries: readList(reader, () => readEntry(reader)) };
    case "merge-reply":
      return { kind, results: readList(reader, () => readMergeResult(reader)) };
    case "relay": {
      const entries = readList(reader, () => readEntry(reader));
      return { kind, entries, further: readList(reader, () => readFurther(reader)) };
    }
    case "forwarded":
      return { kind, asker: reader.text(), entries: readList(reader, () => readEntry(reader)) };
    case "keep-hint":
      return { kind, target: reader.text(), entries: readList(reader, () => readEntry(reader)) };
    case "keep-hint-reply":
      return { kind, kept: readList(reader, () => readBoolean(reader)) };
    default:
      return unreachable(kind);
  }
}
