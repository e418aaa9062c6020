/**
 * How a hint is stored: under its owner and row, with the age of its oldest part,
 * and checked like a row.
 */
import { Reader, utf8, Writer } from "../base/bytes.js";
import { type NodeId, StorageDamage } from "../ports.js";
import { encodeRecord, SPACE, stateOfRecord } from "./rows.js";

/** Where all hints lie: the second is behind them. */
export const ALL_HINTS = { from: Uint8Array.of(SPACE.hints), to: Uint8Array.of(SPACE.hints + 1) };

const FORMAT = 1;

export interface KeptHint {
  /** When the oldest part of the state was minted, in microseconds since 1970. */
  readonly bornAtUs: number;
  /** An encoded state of the bucket's lattice. */
  readonly state: Uint8Array;
}

export function hintKey(target: NodeId, row: Uint8Array): Uint8Array {
  const name = utf8(target);
  return new Writer(2 + name.length + row.length).u8(SPACE.hints).short(name).raw(row).finish();
}

/** For whom, and which row. The key is one that a node has written. */
export function partsOfHintKey(key: Uint8Array): { target: NodeId; row: Uint8Array } {
  const reader = new Reader(key.subarray(1));
  return { target: Buffer.from(reader.short()).toString("utf8"), row: reader.rest() };
}

export function encodeHint(key: Uint8Array, { bornAtUs, state }: KeptHint): Uint8Array {
  const writer = new Writer(9 + state.length).u8(FORMAT).u53(bornAtUs).raw(state);
  return encodeRecord(key, writer.finish());
}

/** Throws StorageDamage when the record is not what was written under this key. */
export function hintOfRecord(key: Uint8Array, record: Uint8Array): KeptHint {
  const reader = new Reader(stateOfRecord(key, record));
  const format = reader.u8();
  if (format !== FORMAT) throw new StorageDamage(`a hint of format ${format}`);
  return { bornAtUs: reader.u53(), state: reader.rest() };
}
