/**
 * Changes that clients wish, as bytes: operations, contexts, and what came of them at an owner.
 *
 * Readers trust nothing: what no writer can have written fails with MalformedBytes. That an operation makes
 * sense (no element both added and removed) is the business of whoever takes it from a client.
 */
import { unreachable } from "../base/assert.js";
import { MalformedBytes, NO_BYTES, Reader, textOf, utf8, type Writer } from "../base/bytes.js";
import { type Context, encodeContext, readContext } from "../lattice/context.js";
import { type Add, BODY_BYTES, type EditMap, type EditSet, ID_BYTES, type Op, type OpRefusal } from "../lattice/op.js";
import { oneOf, readBoolean, readList, writeBoolean, writeList } from "./fields.js";
import {
  type Mint,
  type MintReply,
  type MintResult,
  type Once,
  type Serial,
  UNMINTED_STATUSES,
  type Wish,
} from "./mint-messages.js";

export type MintingMessage = Mint | MintReply | Once;

const OP_KINDS = ["put", "delete", "add", "edit-set", "edit-map"] as const satisfies readonly Op["kind"][];
const REFUSALS = [
  "type-mismatch",
  "too-many-siblings",
  "too-large",
  "out-of-range",
  "id-reused",
  "too-many-ids",
] as const satisfies readonly OpRefusal["kind"][];
const STATUSES = ["minted", "refused", ...UNMINTED_STATUSES] as const satisfies readonly MintResult["status"][];

/** As deep as JSON may be that a client sends: maps within maps. */
const DEPTH_MAX = 32;

export function writeMinting(writer: Writer, message: MintingMessage): void {
  switch (message.kind) {
    case "mint":
      writeList(writer, message.wishes, (wish) => writeWish(writer, wish));
      return;
    case "mint-reply":
      writeList(writer, message.results, (result) => writeMintResult(writer, result));
      return;
    case "once":
      writeSerial(writer, message.serial);
      writeMinting(writer, message.question);
      return;
    default:
      unreachable(message);
  }
}

export function readMinting(kind: MintingMessage["kind"], reader: Reader): MintingMessage {
  switch (kind) {
    case "mint":
      return readMint(reader);
    case "mint-reply":
      return { kind, results: readList(reader, () => readMintResult(reader)) };
    case "once":
      return { kind, serial: readSerial(reader), question: readMint(reader) };
    default:
      return unreachable(kind);
  }
}

function readMint(reader: Reader): Mint {
  return { kind: "mint", wishes: readList(reader, () => readWish(reader)) };
}

function writeWish(writer: Writer, { row, op, context, id, known, hasRead }: Wish): void {
  writer.long(row);
  writeOp(writer, op);
  writer.long(encodeContext(context));
  writeBoolean(writer, id !== undefined);
  if (id !== undefined) writer.raw(id.id).raw(id.body);
  writeBoolean(writer, hasRead);
  // No state is empty.
  writer.long(known?.state ?? NO_BYTES);
  if (known !== undefined) writer.u53(known.bornAtUs);
}

function readWish(reader: Reader): Wish {
  const [row, op, context] = [reader.long(), readOp(reader), readSeen(reader)];
  const id = readBoolean(reader) ? { id: reader.raw(ID_BYTES), body: reader.raw(BODY_BYTES) } : undefined;
  const [hasRead, state] = [readBoolean(reader), reader.long()];
  const known = state.length === 0 ? undefined : { state, bornAtUs: reader.u53() };
  return { row, op, context, id, known, hasRead };
}

function writeMintResult(writer: Writer, result: MintResult): void {
  writer.u8(STATUSES.indexOf(result.status));
  if (result.status === "refused") writer.u8(REFUSALS.indexOf(result.kind)).text(result.detail);
  if (result.status !== "minted") return;
  writeBoolean(writer, result.votes);
  writer.long(result.state).u53(result.bornAtUs).long(encodeContext(result.seen));
}

function readMintResult(reader: Reader): MintResult {
  const status = oneOf(STATUSES, reader.u8());
  if (status === "refused") return { status, kind: oneOf(REFUSALS, reader.u8()), detail: reader.text() };
  if (status !== "minted") return { status };
  const [votes, state, bornAtUs] = [readBoolean(reader), reader.long(), reader.u53()];
  return { status, votes, state, bornAtUs, seen: readSeen(reader) };
}

function writeSerial(writer: Writer, { life, number }: Serial): void {
  writer.u64(life).u53(number);
}

function readSerial(reader: Reader): Serial {
  const [life, number] = [reader.u64(), reader.u53()];
  if (number === 0) throw new MalformedBytes("questions are counted from 1");
  return { life, number };
}

/** About how many bytes a wish comes to. */
export function bytesOfWish({ row, op, known }: Wish): number {
  return row.length + bytesOfOp(op) + (known?.state.length ?? 0);
}

function bytesOfOp(op: Op): number {
  switch (op.kind) {
    case "put":
      return op.value.length + op.contentType.length;
    case "delete":
    case "add":
      return SMALL_OP_BYTES;
    case "edit-set":
      return [...op.add, ...op.remove].reduce((sum, element) => sum + element.length, SMALL_OP_BYTES);
    case "edit-map": {
      const texts = op.set.reduce((sum, [name, json]) => sum + name.length + json.length, SMALL_OP_BYTES);
      const nested = [...op.counters, ...op.sets, ...op.maps];
      const inner = nested.reduce((sum, [name, each]) => sum + name.length + bytesOfOp(each), 0);
      return op.remove.reduce((sum, name) => sum + name.length, texts + inner);
    }
    default:
      return unreachable(op);
  }
}

const SMALL_OP_BYTES = 8;

function readSeen(reader: Reader): Context {
  return readContext(new Reader(reader.long()));
}

export function writeOp(writer: Writer, op: Op): void {
  writer.u8(OP_KINDS.indexOf(op.kind));
  switch (op.kind) {
    case "put":
      writer.long(utf8(op.contentType)).long(op.value);
      writeBoolean(writer, op.expiresAtMs !== undefined);
      if (op.expiresAtMs !== undefined) writer.u53(op.expiresAtMs);
      return;
    case "delete":
      return;
    case "add":
      writeAdd(writer, op);
      return;
    case "edit-set":
      writeEditSet(writer, op);
      return;
    case "edit-map":
      writeEditMap(writer, op);
      return;
    default:
      unreachable(op);
  }
}

function readOp(reader: Reader): Op {
  const kind = oneOf(OP_KINDS, reader.u8());
  switch (kind) {
    case "put": {
      const [contentType, value] = [readText(reader), reader.long()];
      return { kind, contentType, value, expiresAtMs: readBoolean(reader) ? reader.u53() : undefined };
    }
    case "delete":
      return { kind };
    case "add":
      return readAdd(reader);
    case "edit-set":
      return readEditSet(reader);
    case "edit-map":
      return readEditMap(reader, DEPTH_MAX);
    default:
      return unreachable(kind);
  }
}

function writeAdd(writer: Writer, { by }: Add): void {
  writeBoolean(writer, by < 0);
  writer.u53(Math.abs(by));
}

function readAdd(reader: Reader): Add {
  const [isDown, amount] = [readBoolean(reader), reader.u53()];
  if (isDown && amount === 0) throw new MalformedBytes("a zero below zero");
  return { kind: "add", by: isDown ? -amount : amount };
}

function writeEditSet(writer: Writer, { add, remove }: EditSet): void {
  writeTexts(writer, add);
  writeTexts(writer, remove);
}

function readEditSet(reader: Reader): EditSet {
  return { kind: "edit-set", add: readTexts(reader), remove: readTexts(reader) };
}

function writeEditMap(writer: Writer, { set, counters, sets, maps, remove }: EditMap): void {
  writeFields(writer, set, (json) => writer.long(json));
  writeFields(writer, counters, (add) => writeAdd(writer, add));
  writeFields(writer, sets, (edit) => writeEditSet(writer, edit));
  writeFields(writer, maps, (edit) => writeEditMap(writer, edit));
  writeTexts(writer, remove);
}

function readEditMap(reader: Reader, depthLeft: number): EditMap {
  if (depthLeft === 0) throw new MalformedBytes(`maps more than ${DEPTH_MAX} deep`);
  return {
    kind: "edit-map",
    set: readFields(reader, () => reader.long()),
    counters: readFields(reader, () => readAdd(reader)),
    sets: readFields(reader, () => readEditSet(reader)),
    maps: readFields(reader, () => readEditMap(reader, depthLeft - 1)),
    remove: readTexts(reader),
  };
}

type Field<Value> = readonly [string, Value];

function writeFields<Value>(writer: Writer, fields: readonly Field<Value>[], write: (value: Value) => void): void {
  writeList(writer, fields, ([name, value]) => {
    writer.long(utf8(name));
    write(value);
  });
}

function readFields<Value>(reader: Reader, read: () => Value): Field<Value>[] {
  return readList(reader, () => [readText(reader), read()] as const);
}

function writeTexts(writer: Writer, texts: readonly string[]): void {
  writeList(writer, texts, (text) => writer.long(utf8(text)));
}

function readTexts(reader: Reader): string[] {
  return readList(reader, () => readText(reader));
}

function readText(reader: Reader): string {
  const text = textOf(reader.long());
  if (text === undefined) throw new MalformedBytes("a text that is not UTF-8");
  return text;
}
