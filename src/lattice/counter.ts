/**
 * The counter: counts up and down at any owner, and no addition is lost (a PN counter; see shards.ts).
 *
 * It is changed by an owner, which counts on top of its own shard. A delete
 * takes away what it saw, and no more: it cannot go back to what a client's
 * context saw, because only sums are kept. So the coordinator reads at QUORUM
 * before one, and it covers all that was acknowledged.
 *
 * A deleted counter is absent, and one whose additions cancel out is 0.
 */
import { MalformedBytes, NO_BYTES, Reader, utf8, Writer } from "../base/bytes.js";
import {
  type Apart,
  apartUpTo,
  foldApart,
  joinApart,
  NONE_APART,
  readApart,
  sumApart,
  withAddition,
  writeApart,
} from "./apart.js";
import {
  type Context,
  contextUpTo,
  covers,
  EMPTY_CONTEXT,
  isEmptyContext,
  joinContexts,
  lastStampOf,
} from "./context.js";
import { renameKept, renameSeen, sightOf } from "./dots.js";
import type { Renaming } from "./ids.js";
import type { Lattice, View } from "./lattice.js";
import type { Change, OpRefusal } from "./op.js";
import { StampPacker, StampUnpacker } from "./packed-stamps.js";
import {
  addToShards,
  areReset,
  contextOfShards,
  mergeShards,
  NO_SHARDS,
  readShards,
  refusalOfAdd,
  resetShards,
  SHARD_BYTES,
  type Shards,
  valueOfShards,
  writeShards,
} from "./shards.js";

export interface Counter {
  readonly shards: Shards;
  /** Additions that a client may ask for again under their id. */
  readonly apart: Apart;
  /** What changes with an id were seen, whether anything is left of them or not. */
  readonly seenApart: Context;
}

const TAG = 3;
/** Of a counter that has seen additions apart. */
const TAG_WITH_APART = 8;
const BOTTOM: Counter = { shards: NO_SHARDS, apart: NONE_APART, seenApart: EMPTY_CONTEXT };

function merge(a: Counter, b: Counter): Counter {
  if (a === b) return a;
  const shards = mergeShards(a.shards, b.shards);
  const sight = sightOf(a.seenApart, b.seenApart);
  const [apart, seenApart] = [joinApart(a.apart, b.apart, sight), sight.both];
  const isOurs = shards === a.shards && apart === a.apart && seenApart === a.seenApart;
  return isOurs ? a : { shards, apart, seenApart };
}

function mutate(state: Counter, { op, stamp, id }: Change): Counter {
  const { shards, apart, seenApart } = state;
  const seen = id === undefined ? seenApart : joinContexts(seenApart, contextUpTo(stamp));
  if (op.kind !== "add")
    return { shards: resetShards(addToShards(shards, stamp, 0)), apart: NONE_APART, seenApart: seen };
  if (id === undefined) return { ...state, shards: addToShards(shards, stamp, op.by) };
  return { shards, apart: withAddition(apart, stamp, op.by), seenApart: seen };
}

function refusal({ shards, apart }: Counter, { op, stamp }: Change): OpRefusal | undefined {
  return op.kind === "add" ? refusalOfAdd(shards, stamp, op.by, sumApart(apart)) : undefined;
}

function isBottom({ shards, seenApart }: Counter): boolean {
  return shards.length === 0 && isEmptyContext(seenApart);
}

function isReset({ shards, apart }: Counter): boolean {
  return apart.length === 0 && areReset(shards);
}

function contextOf({ shards, seenApart }: Counter): Context {
  return joinContexts(contextOfShards(shards), seenApart);
}

function view(state: Counter): View {
  // The digits are written from the big integer: what concurrent additions led beyond 2^53 is told exactly.
  const value = valueOfShards(state.shards) + sumApart(state.apart);
  const contents = isReset(state) ? [] : [{ contentType: "application/json", value: utf8(`{"value":${value}}`) }];
  return { contents, context: contextOf(state) };
}

function rename(state: Counter, renaming: Renaming): Counter {
  const seenApart = renameSeen(state.seenApart, renaming);
  const apart = renameKept(state.apart, state.seenApart, renaming);
  return apart === state.apart && seenApart === state.seenApart ? state : { ...state, apart, seenApart };
}

function fold(state: Counter, upToUs: number): Counter {
  const apart = foldApart(state.apart, upToUs);
  return apart === state.apart ? state : { ...state, apart };
}

function encode(state: Counter): Uint8Array {
  if (isBottom(state)) throw new TypeError("bottom is not encoded");
  const { shards, apart, seenApart } = state;
  const writer = new Writer(1 + SHARD_BYTES * shards.length);
  if (isEmptyContext(seenApart)) writer.u8(TAG);
  else writeWithApart(writer.u8(TAG_WITH_APART), apart, seenApart);
  writeShards(writer, shards);
  return writer.finish();
}

function writeWithApart(writer: Writer, apart: Apart, seenApart: Context): void {
  const stamps = new StampPacker();
  stamps.noteContext(seenApart);
  for (const addition of apart) stamps.note(addition);
  stamps.writeTable(writer);
  stamps.writeContext(writer, seenApart);
  writeApart(writer, stamps, apart);
}

function decode(bytes: Uint8Array): Counter {
  const reader = new Reader(bytes);
  const tag = reader.u8();
  if (tag !== TAG && tag !== TAG_WITH_APART) throw new MalformedBytes("not a counter");
  const { apart, seenApart } = tag === TAG ? BOTTOM : readWithApart(reader);
  if (tag === TAG && reader.remaining === 0) throw new MalformedBytes("a counter that nobody counted");
  return { shards: readShards(reader), apart, seenApart };
}

function readWithApart(reader: Reader): Pick<Counter, "apart" | "seenApart"> {
  const stamps = new StampUnpacker(reader);
  const seenApart = stamps.readContext();
  if (isEmptyContext(seenApart)) throw new MalformedBytes("a counter that has seen nothing apart");
  const apart = readApart(reader, stamps);
  stamps.endOfStamps();
  if (!apart.every((addition) => covers(seenApart, addition)))
    throw new MalformedBytes("an addition that was not seen");
  return { apart, seenApart };
}

function apartBytes({ apart }: Counter, upToUs: number): Uint8Array {
  const early = apartUpTo(apart, upToUs);
  if (early.length === 0) return NO_BYTES;
  const [stamps, writer] = [new StampPacker(), new Writer()];
  for (const addition of early) stamps.note(addition);
  stamps.writeTable(writer);
  writeApart(writer, stamps, early);
  return writer.finish();
}

export const counter: Lattice<Counter> = {
  name: "counter",
  tag: TAG,
  blind: false,
  bottom: BOTTOM,
  merge,
  accepts: (kind) => kind === "add" || kind === "delete",
  readsFirst: ({ kind }) => kind === "delete",
  isRepeatable: ({ kind }) => kind === "add",
  refusal,
  mutate,
  seenBy: contextOf,
  view,
  isDead: (state) => !isBottom(state) && isReset(state),
  lastStamp: (state) => lastStampOf(contextOf(state)),
  encode,
  decode,
  rename,
  apartUpTo: apartBytes,
  fold,
};
