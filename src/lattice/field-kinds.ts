/**
 * What the fields of a map hold: registers, counters, and additions to counters that are kept apart. Sets and maps are
 * in fields.ts.
 */
import { MalformedBytes, Reader, utf8, Writer } from "../base/bytes.js";
import { type Apart, joinApart, sumApart } from "./apart.js";
import type { Context } from "./context.js";
import { joinKept, renameKept, type Sight } from "./dots.js";
import type { Renaming } from "./ids.js";
import { type Place, readKept, writeKept } from "./packed-entries.js";
import type { StampPacker, StampUnpacker } from "./packed-stamps.js";
import {
  areReset,
  contextOfShards,
  isReset,
  mergeShards,
  readShards,
  resetShards,
  SHARD_BYTES,
  type Shards,
  valueOfShards,
  writeShards,
} from "./shards.js";
import { compareStamps, type Stamp } from "./stamp.js";

/** What somebody set a register to: a JSON text under the dot of the change. */
export interface Assigned extends Stamp {
  readonly json: string;
}

/** What a field takes besides its name and what is in it, about. */
export const FIELD_OVERHEAD_BYTES = 10;

/** What there is to do with one kind of store. */
export interface Kind<Store> {
  join(a: Store, b: Store, sight: Sight): Store;
  /** See `rename` of a lattice; `store` ITSELF when that changes nothing. */
  rename(store: Store, seen: Context, renaming: Renaming): Store;
  /** Whether nothing is there to be shown. */
  isNone(store: Store): boolean;
  /** What a removal by whoever sees `store`, and has seen `held`, brings, besides what it takes away of dots. */
  emptied(store: Store, held: Context): Store;
  /** When what is shown was changed last. */
  lastStamp(store: Store): Stamp | undefined;
  json(store: Store): string;
  bytes(store: Store): number;
  note(stamps: StampPacker, store: Store): void;
  write(writer: Writer, stamps: StampPacker, store: Store): void;
  /** `count` is given if it is not to be read. */
  read(reader: Reader, stamps: StampUnpacker, place: Place, depth: number, count?: number): Store;
}

export const registers: Kind<readonly Assigned[]> = {
  join: (a, b, sight) => joinKept(a, b, sight, (ours, theirs) => (ours.json >= theirs.json ? ours : theirs)),
  rename: renameKept,
  isNone: (store) => store.length === 0,
  emptied: () => [],
  lastStamp: (store) => store.at(-1),
  json: (store) => (store.at(-1) as Assigned).json,
  bytes: (store) => store.reduce((bytes, { json }) => bytes + Buffer.byteLength(json) + FIELD_OVERHEAD_BYTES, 0),
  note(stamps, store) {
    for (const assigned of store) stamps.note(assigned);
  },
  write(writer, stamps, store) {
    writeKept(writer, stamps, store, ({ json }) => {
      const bytes = utf8(json);
      writer.varint(bytes.length).raw(bytes);
    });
  },
  read: (reader, stamps, place) =>
    readKept(reader, stamps, place, (dot) => {
      const json = reader.utf8(reader.varint());
      if (json === undefined) throw new MalformedBytes("a JSON text that is not UTF-8");
      return { timeUs: dot.timeUs, actor: dot.actor, json };
    }),
};

export const counters: Kind<Shards> = {
  join: mergeShards,
  // What counts in a sum was asked for without an id.
  rename: (store) => store,
  isNone: areReset,
  emptied: resetShards,
  lastStamp: (store) => lastOf(contextOfShards(store.filter((shard) => !isReset(shard))).vector),
  json: (store) => String(valueOfShards(store)),
  bytes: (store) => SHARD_BYTES * store.length,
  note: () => {},
  write(writer, _stamps, store) {
    const shards = new Writer(SHARD_BYTES * store.length);
    writeShards(shards, store);
    const bytes = shards.finish();
    writer.varint(bytes.length).raw(bytes);
  },
  read: (reader) => readShards(new Reader(reader.raw(reader.varint()))),
};

export const additions: Kind<Apart> = {
  join: joinApart,
  rename: renameKept,
  isNone: (store) => store.length === 0,
  emptied: () => [],
  lastStamp: (store) => store.at(-1),
  json: (store) => String(sumApart(store)),
  bytes: (store) => FIELD_OVERHEAD_BYTES * store.length,
  note(stamps, store) {
    for (const addition of store) stamps.note(addition);
  },
  write(writer, stamps, store) {
    writeKept(writer, stamps, store, ({ by }) => writer.u64(BigInt.asUintN(64, by)));
  },
  read: (reader, stamps, place) =>
    readKept(reader, stamps, place, (dot) => ({
      timeUs: dot.timeUs,
      actor: dot.actor,
      by: BigInt.asIntN(64, reader.u64()),
    })),
};

export function lastOf(stamps: readonly Stamp[]): Stamp | undefined {
  return stamps.reduce<Stamp | undefined>(
    (last, stamp) => (last && compareStamps(last, stamp) > 0 ? last : stamp),
    undefined,
  );
}
