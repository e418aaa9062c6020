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
import { type Apart, apartUpTo, foldApart, joinApart, sumApart } from "./apart.js";
import { type Context, EMPTY_CONTEXT, isEmptyContext, joinContexts } from "./context.js";
import { type Entry, joinEntries, joinKept, removedFrom, renameEntries, renameKept, type Sight } from "./dots.js";
import {
  areNone,
  bytesOfElements,
  type Elements,
  joinElements,
  jsonOfElements,
  noteElements,
  readElements,
  renameElements,
  writeElements,
} from "./elements.js";
import type { Renaming } from "./ids.js";
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

export type FieldStore = readonly Assigned[] | Shards | Apart | Elements | Fields;
export interface Field extends Entry<FieldStore> {}

/** The first letter of a field's name says its kind, and the rest is what clients call it. */
export type Fields = readonly Field[];

export const REGISTER = "r";
export const COUNTER = "c";
export const SET = "s";
export const MAP = "m";
/** Additions to a counter that are kept apart (apart.ts): a part of the counter of the same name. */
export const APART = "d";
/** All whose removal can be said of what nobody here has met. */
export const KINDS_OF_DOTS = [APART, MAP, REGISTER, SET];

/** Maps within maps: clients' and nodes' parsers need not go deeper. */
export const MAP_DEPTH_MAX = 32;
/** What a field takes besides its name and what is in it, about. */
const FIELD_OVERHEAD_BYTES = 10;

/** What there is to do with one kind of store. */
interface Kind<Store> {
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
  read(reader: Reader, stamps: StampUnpacker, place: Place, depth: number): Store;
}

const registers: Kind<readonly Assigned[]> = {
  join: (a, b, sight) =>
    joinKept(a, b, sight, (ours, theirs) => (compareBytes(ours.json, theirs.json) >= 0 ? ours : theirs)),
  rename: renameKept,
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

const additions: Kind<Apart> = {
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
    readKept(reader, stamps, place, (dot) => ({ ...dot, by: BigInt.asIntN(64, reader.u64()) })),
};

const sets: Kind<Elements> = {
  join: joinElements,
  rename: renameElements,
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
  rename: (store, seen, renaming) =>
    renameEntries<FieldStore>(
      store,
      seen,
      (name, inner, within) => kindOf(name).rename(inner, within, renaming),
      renaming,
    ),
  isNone: (store) => store.every((field) => kindOf(field.name).isNone(field.store)),
  emptied: (store, held) =>
    store
      .map(({ name, store }) => ({ name, store: kindOf(name).emptied(store, held), removed: takenOf(name, held) }))
      .filter((field) => field.store.length > 0 || !isEmptyContext(field.removed)),
  lastStamp: (store) => lastOf(shownFields(store).map(({ last }) => last)),
  json(store) {
    const shown = shownFields(store).map((field) => `${JSON.stringify(textOfName(field.name))}:${jsonOf(field)}`);
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
  [APART]: additions,
  [SET]: sets,
  [MAP]: maps,
};

/** What a removal takes of a field beyond what its client saw: of what lies apart all that is held, as owners may just put it together. */
export function takenOf(name: string, held: Context): Context {
  return name.charAt(0) === APART ? held : EMPTY_CONTEXT;
}

/** What clients see under a name. */
export interface ShownField {
  readonly name: string;
  readonly kind: string;
  /** When it was changed last. */
  readonly last: Stamp;
  /** More than one of a counter with additions apart. */
  readonly parts: readonly Field[];
}

/** The field of each name that is shown: of several kinds the one changed last. In the order of their names' bytes. */
export function shownFields(fields: Fields): readonly ShownField[] {
  const shown = new Map<string, ShownField>();
  for (const field of presentFields(fields)) {
    const other = shown.get(field.name);
    if (other === undefined || compareStamps(field.last, other.last) > 0) shown.set(field.name, field);
  }
  return [...shown.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Of every kind. */
function presentFields(fields: Fields): Iterable<ShownField> {
  const present = new Map<string, ShownField>();
  for (const field of fields) {
    if (kindOf(field.name).isNone(field.store)) continue;
    const letter = field.name.charAt(0);
    const [kind, name] = [letter === APART ? COUNTER : letter, field.name.slice(1)];
    const other = present.get(kind + name);
    const last = lastOf([...(other === undefined ? [] : [other.last]), lastStampOf(field)]) as Stamp;
    present.set(kind + name, { name, kind, last, parts: [...(other?.parts ?? []), field] });
  }
  return present.values();
}

function jsonOf({ kind, parts }: ShownField): string {
  const [only] = parts as [Field];
  if (kind !== COUNTER) return kindOf(only.name).json(only.store);
  return String(parts.reduce((sum, { name, store }) => sum + BigInt(kindOf(name).json(store)), 0n));
}

/** The fields in which additions up to then are kept apart, and those alone. */
export function apartFields(fields: Fields, upToUs: number): Fields {
  return mapped(fields, (kind, store) =>
    kind === APART ? apartUpTo(store as Apart, upToUs) : kind === MAP ? apartFields(store as Fields, upToUs) : [],
  ).filter(({ store }) => store.length > 0);
}

/** With these put together. */
export function foldFields(fields: Fields, upToUs: number): Fields {
  return mapped(fields, (kind, store) =>
    kind === APART ? foldApart(store as Apart, upToUs) : kind === MAP ? foldFields(store as Fields, upToUs) : store,
  );
}

/** Returns `fields` ITSELF when no store is another. */
function mapped(fields: Fields, storeOf: (kind: string, store: FieldStore) => FieldStore): Fields {
  const after = fields.map((field) => {
    const store = storeOf(field.name.charAt(0), field.store);
    return store === field.store ? field : { ...field, store };
  });
  return after.every((field, index) => field === fields[index]) ? fields : after;
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

function lastStampOf({ name, store }: Field): Stamp {
  return kindOf(name).lastStamp(store) as Stamp;
}

function lastOf(stamps: readonly Stamp[]): Stamp | undefined {
  return stamps.reduce<Stamp | undefined>(
    (last, stamp) => (last && compareStamps(last, stamp) > 0 ? last : stamp),
    undefined,
  );
}
