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
import { MalformedBytes, Reader, utf8, Writer } from "../base/bytes.js";
import type { Lattice, View } from "./lattice.js";
import type { Change } from "./op.js";
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
import { compareStamps, type Stamp } from "./stamp.js";

const TAG = 3;

function mutate(state: Shards, { op, stamp }: Change): Shards {
  const counted = addToShards(state, stamp, op.kind === "add" ? op.by : 0);
  return op.kind === "add" ? counted : resetShards(counted);
}

function view(state: Shards): View {
  // The digits are written from the big integer: what concurrent additions led beyond 2^53 is told exactly.
  const json = areReset(state) ? undefined : utf8(`{"value":${valueOfShards(state)}}`);
  const contents = json === undefined ? [] : [{ contentType: "application/json", value: json }];
  return { contents, context: contextOfShards(state) };
}

function lastStamp(state: Shards): Stamp | undefined {
  let last: Stamp | undefined;
  for (const { actor, total } of state) {
    const stamp = { timeUs: total.timeUs, actor };
    if (last === undefined || compareStamps(stamp, last) > 0) last = stamp;
  }
  return last;
}

function encode(state: Shards): Uint8Array {
  if (state.length === 0) throw new TypeError("bottom is not encoded");
  const writer = new Writer(1 + SHARD_BYTES * state.length).u8(TAG);
  writeShards(writer, state);
  return writer.finish();
}

function decode(bytes: Uint8Array): Shards {
  const reader = new Reader(bytes);
  if (reader.u8() !== TAG || reader.remaining === 0) throw new MalformedBytes("not a counter");
  return readShards(reader);
}

export const counter: Lattice<Shards> = {
  name: "counter",
  tag: TAG,
  blind: false,
  bottom: NO_SHARDS,
  merge: mergeShards,
  accepts: (kind) => kind === "add" || kind === "delete",
  readsFirst: ({ kind }) => kind === "delete",
  refusal: (state, { op, stamp }) => (op.kind === "add" ? refusalOfAdd(state, stamp, op.by) : undefined),
  mutate,
  seenBy: contextOfShards,
  view,
  isDead: (state) => state.length > 0 && areReset(state),
  lastStamp,
  encode,
  decode,
};
