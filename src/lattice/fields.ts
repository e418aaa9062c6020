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
import { MalformedBytes, type Writer } from "../base/bytes.js";
import { type Apart, apartUpTo, foldApart } from "./apart.js";
import { type Context, EMPTY_CONTEXT, isEmptyContext, joinContexts } from "./context.js";
import { type Entry, joinEntries, removedFrom, renameEntries } from "./dots.js";
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
import {
  type Assigned,
  additions,
  counters,
  FIELD_OVERHEAD_BYTES,
  type Kind,
  lastOf,
  registers,
} from "./field-kinds.js";
import { textOfName } from "./name.js";
import { noteEntries, type Place, readEntries, writeEachEntry } from "./packed-entries.js";
import type { StampPacker } from "./packed-stamps.js";
import type { Shards } from "./shards.js";
import { compareStamps, type Stamp } from "./stamp.js";

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
  read: (reader, stamps, place) => readElements(reader, stamps, place),
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
    writer.varint(store.length);
    writeEachField(writer, stamps, store);
  },
  read(reader, stamps, place, depth, count) {
    if (depth > MAP_DEPTH_MAX) throw new MalformedBytes("maps within maps, too deep");
    const readOne = (name: string, within: Place) => {
      const kind = KINDS[name.charAt(0)];
      if (kind === undefined) throw new MalformedBytes("a field of no kind");
      return kind.read(reader, stamps, within, depth + 1);
    };
    return readEntries<FieldStore>(reader, stamps, place, readOne, count);
  },
};

/** Without their number. */
export function writeEachField(writer: Writer, stamps: StampPacker, fields: Fields): void {
  writeEachEntry<FieldStore>(writer, stamps, fields, ({ name, store }) => kindOf(name).write(writer, stamps, store));
}

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
  for (const field of fields) {
    if (kindOf(field.name).isNone(field.store)) continue;
    const [letter, name] = [field.name.charAt(0), field.name.slice(1)];
    const [other, last] = [shown.get(name), lastStampOf(field)];
    const isLater = other === undefined || compareStamps(last, other.last) > 0;
    // A counter comes right before what is kept apart of it: no other kind can have taken its place.
    if (letter === APART && other !== undefined) {
      shown.set(name, { ...other, last: isLater ? last : other.last, parts: [...other.parts, field] });
    } else if (isLater) {
      shown.set(name, { name, kind: letter === APART ? COUNTER : letter, last, parts: [field] });
    }
  }
  return [...shown.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
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
