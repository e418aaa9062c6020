/**
 * The register: last writer wins, by stamp (Johnson and Thomas, RFC 677, 1975).
 *
 * The one lattice that is blind: a write needs no read. Its price is written on
 * it: of two concurrent writes one is lost, and under clock skew it may be the
 * later one. So an owner that holds a higher stamp says so (*beaten*, see
 * coordinator/write.ts), and overwrites of unseen values are counted.
 *
 * A delete is a value too, the tombstone. Expiry is a function of state and
 * time and never a change of state, so replicas do not drift apart over it.
 */
import { compareBytes, MalformedBytes, NO_BYTES, Reader, textOf, utf8, Writer } from "../base/bytes.js";
import { contextUpTo, EMPTY_CONTEXT } from "./context.js";
import type { Lattice, View } from "./lattice.js";
import type { Change } from "./op.js";
import { compareStamps, readStamp, type Stamp, writeStamp } from "./stamp.js";

/** A written register; bottom is undefined. */
export interface Written {
  readonly stamp: Stamp;
  readonly tombstone: boolean;
  readonly contentType: string;
  readonly value: Uint8Array;
  /** Milliseconds since 1970; undefined: never. */
  readonly expiresAtMs: number | undefined;
}

export type Register = Written | undefined;

const TAG = 1;
const IS_TOMBSTONE = 1;
const HAS_EXPIRY = 2;

/** Stamps never repeat, so the second half decides only between damaged or hand-made states; the join must be total. */
function compare(a: Written, b: Written): number {
  const byStamp = compareStamps(a.stamp, b.stamp);
  return byStamp !== 0 ? byStamp : compareBytes(encode(a), encode(b));
}

function merge(a: Register, b: Register): Register {
  // A tally asks about states that it already merged: mostly they are one and the same.
  if (b === undefined || a === b) return a;
  if (a === undefined) return b;
  return compare(a, b) >= 0 ? a : b;
}

function mutate(state: Register, { op, stamp }: Change): Register {
  const next: Written =
    op.kind === "put"
      ? { stamp, tombstone: false, contentType: op.contentType, value: op.value, expiresAtMs: op.expiresAtMs }
      : { stamp, tombstone: true, contentType: "", value: NO_BYTES, expiresAtMs: undefined };
  return merge(state, next);
}

function isGone(state: Register, nowMs: number): boolean {
  return state === undefined || state.tombstone || (state.expiresAtMs !== undefined && state.expiresAtMs <= nowMs);
}

function view(state: Register, nowMs: number): View {
  if (state === undefined) return { contents: [], context: EMPTY_CONTEXT };
  const contents = isGone(state, nowMs) ? [] : [{ contentType: state.contentType, value: state.value }];
  return { contents, context: contextUpTo(state.stamp) };
}

function encode(state: Register): Uint8Array {
  if (state === undefined) throw new TypeError("bottom is not encoded");
  const contentType = utf8(state.contentType);
  const writer = new Writer(32 + contentType.length + state.value.length);
  writer.u8(TAG).u8((state.tombstone ? IS_TOMBSTONE : 0) | (state.expiresAtMs === undefined ? 0 : HAS_EXPIRY));
  writeStamp(writer, state.stamp);
  if (state.expiresAtMs !== undefined) writer.u53(state.expiresAtMs);
  return writer.short(contentType).raw(state.value).finish();
}

function decode(bytes: Uint8Array): Register {
  const reader = new Reader(bytes);
  const tag = reader.u8();
  const flags = reader.u8();
  if (tag !== TAG || flags > (IS_TOMBSTONE | HAS_EXPIRY)) throw new MalformedBytes("not a register");
  const stamp = readStamp(reader);
  const expiresAtMs = flags & HAS_EXPIRY ? reader.u53() : undefined;
  const contentType = textOf(reader.short());
  if (contentType === undefined) throw new MalformedBytes("a content type that is not UTF-8");
  return { stamp, tombstone: (flags & IS_TOMBSTONE) !== 0, contentType, value: reader.rest(), expiresAtMs };
}

export const register: Lattice<Register> = {
  name: "register",
  tag: TAG,
  blind: true,
  bottom: undefined,
  merge,
  accepts: (kind) => kind === "put" || kind === "delete",
  readsFirst: () => false,
  isRepeatable: () => false,
  refusal: () => undefined,
  mutate,
  seenBy: (_after, { stamp }) => contextUpTo(stamp),
  view,
  isDead: (state, nowMs) => state !== undefined && isGone(state, nowMs),
  lastStamp: (state) => state?.stamp,
  encode,
  decode,
};
