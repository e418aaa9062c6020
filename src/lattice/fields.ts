/**
 * The fields of a map: registers, counters, sets and maps again, each under its kind and name (the observed-remove
 * map of Almeida, Shoker and Baquero 2018, section 6).
 *
 * Registers, sets and maps are kept under dots beside the map's one context, so
 * a field that was removed leaves nothing behind. Only a counter does: its
 * shards stay, reset, because an owner may count on top of what it does not yet
 * know to be removed (see shards.ts).
 *
 * Two kinds may come under one name when they are created concurrently. Both
 * stay, and the one changed last is shown. Likewise a register shows the last
 * of the values that were set concurrently.
 */
import { compareBytes, MalformedBytes, Reader, textOf, Writer } from "../base/bytes.js";
import { type Context, EMPTY_CONTEXT, joinContexts } from "./context.js";
import { type Entry, joinEntries, joinKept, removedFrom, type Sight } from "./dots.js";
import {
  areNone,
  bytesOfElements,
  type Elements,
  joinElements,
  jsonOfElements,
  noteElements,
  readElements,
  writeElements,
} from "./elements.js";
import { textOfName } from "./name.js";
import { noteEntries, type Place, readEntries, readKept, writeEntries, writeKept } from "./packed-entries.js";
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
  readonly json: Uint8Array;
}

export type FieldStore = readonly Assigned[] | Shards | Elements | Fields;
export interface Field extends Entry<FieldStore> {}

/** The first letter of a field's name says its kind, and the rest is what clients call it. */
export type Fields = readonly Field[];

export const REGISTER = "r";
export const COUNTER = "c";
export const SET = "s";
export const MAP = "m";
/** All whose removal can be said of what nobody here has met. */
export const KINDS_OF_DOTS = [MAP, REGISTER, SET];

/** Maps within maps: clients' and nodes' parsers need not go deeper. */
export const MAP_DEPTH_MAX = 32;
/** What a field takes besides its name and what is in it, about. */
const FIELD_OVERHEAD_BYTES = 10;

/** What there is to do with one kind of store. */
interface Kind<Store> {
  join(a: Store, b: Store, sight: Sight): Store;
  /** Whether nothing is there to be shown. */
  isNone(store: Store): boolean;
  /** What a removal by whoever sees `store` brings, besides what it takes away of dots. */
  emptied(store: Store): Store;
  /** When what is shown was changed last. */
  lastStamp(store: Store): Stamp | undefined;
  json(store: Store): string;
  bytes(store: Store): number;
  note(stamps: StampPacker, store: Store): void;
  write(writer: Writer, stamps: StampPacker, store: Store): void;
  read(reader: Reader, stamps: StampUnpacker, place: Place, depth: number): Store;
}

const registers: Kind<readonly Assigned[]> = {
  join: (a, b, sight) =>
    joinKept(a, b, sight, (ours, theirs) => (compareBytes(ours.json, theirs.json) >= 0 ? ours : theirs)),
  isNone: (store) => store.length === 0,
  emptied: () => [],
  lastStamp: (store) => store.at(-1),
  json: (store) => textOf((store.at(-1) as Assigned).json) as string,
  bytes: (store) => store.reduce((bytes, { json }) => bytes + json.length + FIELD_OVERHEAD_BYTES, 0),
  note(stamps, store) {
    for (const assigned of store) stamps.note(assigned);
  },
  write(writer, stamps, store) {
    writeKept(writer, stamps, store, ({ json }) => writer.varint(json.length).raw(json));
  },
  read: (reader, stamps, place) =>
    readKept(reader, stamps, place, (dot) => {
      const json = reader.raw(reader.varint());
      if (textOf(json) === undefined) throw new MalformedBytes("a JSON text that is not UTF-8");
      return { ...dot, json };
    }),
};

const counters: Kind<Shards> = {
  join: mergeShards,
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

const sets: Kind<Elements> = {
  join: joinElements,
  isNone: areNone,
  emptied: () => [],
  lastStamp: (store) => lastOf(store.flatMap((element) => element.store)),
  json: jsonOfElements,
  bytes: bytesOfElements,
  note: noteElements,
  write: writeElements,
  read: readElements,
};

export const maps: Kind<Fields> = {
  join: (a, b, sight) =>
    joinEntries<FieldStore>(a, b, sight, (name, ours, theirs, within) => kindOf(name).join(ours, theirs, within)),
  isNone: (store) => store.every((field) => kindOf(field.name).isNone(field.store)),
  emptied: (store) =>
    store
      .map(({ name, store }) => ({ name, store: kindOf(name).emptied(store), removed: EMPTY_CONTEXT }))
      .filter((field) => field.store.length > 0),
  lastStamp: (store) => lastOf(shownFields(store).map(lastStampOf)),
  json(store) {
    const shown = shownFields(store).map((field) => {
      return `${JSON.stringify(textOfName(bareName(field)))}:${kindOf(field.name).json(field.store)}`;
    });
    return `{${shown.join(",")}}`;
  },
  bytes: (store) =>
    store.reduce((sum, { name, store }) => sum + name.length + FIELD_OVERHEAD_BYTES + kindOf(name).bytes(store), 0),
  note(stamps, store) {
    noteEntries<FieldStore>(stamps, store, (field) => kindOf(field.name).note(stamps, field.store));
  },
  write(writer, stamps, store) {
    writeEntries<FieldStore>(writer, stamps, store, (field) => kindOf(field.name).write(writer, stamps, field.store));
  },
  read(reader, stamps, place, depth) {
    if (depth > MAP_DEPTH_MAX) throw new MalformedBytes("maps within maps, too deep");
    return readEntries<FieldStore>(reader, stamps, place, (name, within) => {
      const kind = KINDS[name.charAt(0)];
      if (kind === undefined) throw new MalformedBytes("a field of no kind");
      return kind.read(reader, stamps, within, depth + 1);
    });
  },
};

const KINDS: Readonly<Record<string, Kind<FieldStore>>> = {
  [REGISTER]: registers,
  [COUNTER]: counters,
  [SET]: sets,
  [MAP]: maps,
};

/** The field of each name that is shown: of several kinds the one changed last. In the order of their names' bytes. */
export function shownFields(fields: Fields): readonly Field[] {
  const shown = new Map<string, Field>();
  for (const field of fields) {
    if (kindOf(field.name).isNone(field.store)) continue;
    const other = shown.get(bareName(field));
    if (other === undefined || isLater(field, other)) shown.set(bareName(field), field);
  }
  return [...shown.values()].sort((a, b) => (bareName(a) < bareName(b) ? -1 : 1));
}

/** All that the fields remember of removals, at any depth. */
export function removedFromFields(fields: Fields): Context {
  return fields.reduce((seen, { name, store }) => {
    if (name.charAt(0) === SET) return joinContexts(seen, removedFrom(store as Elements));
    return name.charAt(0) === MAP ? joinContexts(seen, removedFromFields(store as Fields)) : seen;
  }, removedFrom(fields));
}

function kindOf(name: string): Kind<FieldStore> {
  return KINDS[name.charAt(0)] as Kind<FieldStore>;
}

function bareName({ name }: Field): string {
  return name.slice(1);
}

function lastStampOf({ name, store }: Field): Stamp {
  return kindOf(name).lastStamp(store) as Stamp;
}

function isLater(a: Field, b: Field): boolean {
  return compareStamps(lastStampOf(a), lastStampOf(b)) > 0;
}

function lastOf(stamps: readonly Stamp[]): Stamp | undefined {
  return stamps.reduce<Stamp | undefined>(
    (last, stamp) => (last && compareStamps(last, stamp) > 0 ? last : stamp),
    undefined,
  );
}
