/**
 * Messages as bytes: one byte for the kind, then its fields.
 *
 * Decoding trusts nothing: a count is believed only as far as bytes follow it,
 * and what no `encode` can have written fails with MalformedBytes. Decoded byte
 * strings are views of the frame, which nobody writes to again.
 */
import { unreachable } from "../base/assert.js";
import type { Reader, Writer } from "../base/bytes.js";
import { readCarrying, writeCarrying } from "./carrying.js";
import {
  oneOf,
  readBlock,
  readBlockAnswer,
  readBoolean,
  readList,
  readRowAnswer,
  readToForget,
  writeBlock,
  writeBlockAnswer,
  writeBoolean,
  writeList,
  writeRowAnswer,
  writeToForget,
} from "./fields.js";
import { readLiveness, writeLiveness } from "./liveness.js";
import { type Message, REFUSALS } from "./messages.js";
import { readMinting, writeMinting } from "./minting.js";
import { readPaging, writePaging } from "./paging.js";
import { SUM_DIGEST_BYTES } from "./sync-messages.js";

const KINDS = [
  "ping",
  "pong",
  "read",
  "read-reply",
  "merge",
  "merge-reply",
  "sync-shared",
  "sync-shared-reply",
  "sync-blocks",
  "sync-blocks-reply",
  "refused",
  "cancel",
  "scan",
  "scan-reply",
  "reap-vote",
  "reap",
  "reap-reply",
  "keep-hint",
  "keep-hint-reply",
  "ping-request",
  "ping-request-reply",
  "push-pull",
  "push-pull-reply",
  "relay",
  "forwarded",
  "mint",
  "mint-reply",
  "once",
  "range",
  "range-reply",
] as const satisfies readonly Message["kind"][];

/** The first byte of a message of this kind. */
export function kindByte(kind: Message["kind"]): number {
  return KINDS.indexOf(kind);
}

export function writeMessage(writer: Writer, message: Message): void {
  writer.u8(kindByte(message.kind));
  switch (message.kind) {
    case "ping":
    case "pong":
    case "ping-request":
    case "ping-request-reply":
    case "push-pull":
    case "push-pull-reply":
      writeLiveness(writer, message);
      return;
    case "read":
      writeList(writer, message.rows, (row) => writer.long(row));
      return;
    case "read-reply":
      writeList(writer, message.answers, (answer) => writeRowAnswer(writer, answer));
      return;
    case "merge":
    case "merge-reply":
    case "relay":
    case "forwarded":
    case "keep-hint":
    case "keep-hint-reply":
      writeCarrying(writer, message);
      return;
    case "mint":
    case "mint-reply":
    case "once":
      writeMinting(writer, message);
      return;
    case "sync-shared":
      writer.raw(message.digest);
      return;
    case "sync-shared-reply":
      writeBoolean(writer, message.same);
      writeList(writer, message.votes, (bits) => writer.long(bits));
      return;
    case "sync-blocks":
      writer.u8(message.placement);
      writeList(writer, message.blocks, (block) => writeBlock(writer, block));
      return;
    case "sync-blocks-reply":
      writeList(writer, message.answers, (answer) => writeBlockAnswer(writer, answer));
      return;
    case "refused":
      writer.u8(REFUSALS.indexOf(message.reason));
      return;
    case "cancel":
      return;
    case "scan":
    case "scan-reply":
    case "range":
    case "range-reply":
      writePaging(writer, message);
      return;
    case "reap":
      writer.u64(message.actor);
      writeList(writer, message.rows, (each) => writeToForget(writer, each));
      return;
    case "reap-vote":
      writeList(writer, message.rows, (each) => writeToForget(writer, each));
      return;
    case "reap-reply":
      writer.u64(message.actor);
      writeList(writer, message.agreed, (agreed) => writeBoolean(writer, agreed));
      return;
    default:
      unreachable(message);
  }
}

export function readMessage(reader: Reader): Message {
  const kind = oneOf(KINDS, reader.u8());
  switch (kind) {
    case "ping":
    case "pong":
    case "ping-request":
    case "ping-request-reply":
    case "push-pull":
    case "push-pull-reply":
      return readLiveness(kind, reader);
    case "read":
      return { kind, rows: readList(reader, () => reader.long()) };
    case "read-reply":
      return { kind, answers: readList(reader, () => readRowAnswer(reader)) };
    case "merge":
    case "merge-reply":
    case "relay":
    case "forwarded":
    case "keep-hint":
    case "keep-hint-reply":
      return readCarrying(kind, reader);
    case "mint":
    case "mint-reply":
    case "once":
      return readMinting(kind, reader);
    case "sync-shared":
      return { kind, digest: reader.raw(SUM_DIGEST_BYTES) };
    case "sync-shared-reply":
      return { kind, same: readBoolean(reader), votes: readList(reader, () => reader.long()) };
    case "sync-blocks":
      return { kind, placement: reader.u8(), blocks: readList(reader, () => readBlock(reader)) };
    case "sync-blocks-reply":
      return { kind, answers: readList(reader, () => readBlockAnswer(reader)) };
    case "refused":
      return { kind, reason: oneOf(REFUSALS, reader.u8()) };
    case "cancel":
      return { kind };
    case "scan":
    case "scan-reply":
    case "range":
    case "range-reply":
      return readPaging(kind, reader);
    case "reap":
      return { kind, actor: reader.u64(), rows: readList(reader, () => readToForget(reader)) };
    case "reap-vote":
      return { kind, rows: readList(reader, () => readToForget(reader)) };
    case "reap-reply":
      return { kind, actor: reader.u64(), agreed: readList(reader, () => readBoolean(reader)) };
    default:
      return unreachable(kind);
  }
}
