/**
 * An edit of a map as fields to be joined, and why it may not be.
 *
 * All that one edit changes has one dot, so it takes effect at once.
 */
import { textOf, utf8 } from "../base/bytes.js";
import { type Apart, NONE_APART, sumApart, withAddition } from "./apart.js";
import { EMPTY_CONTEXT, joinContexts } from "./context.js";
import { entryAt, replaced } from "./dots.js";
import { bytesOfElements, type EditingElements, type Elements, editOfElements, refusalOfEdit } from "./elements.js";
import type { Assigned } from "./field-kinds.js";
import {
  APART,
  COUNTER,
  type Field,
  type FieldStore,
  type Fields,
  KINDS_OF_DOTS,
  MAP,
  MAP_DEPTH_MAX,
  maps,
  REGISTER,
  SET,
  shownFields,
  takenOf,
} from "./fields.js";
import type { GrowthLimits } from "./lattice.js";
import { nameOf } from "./name.js";
import type { EditMap, OpRefusal } from "./op.js";
import { addToShards, refusalOfAdd, resetShards, type Shards } from "./shards.js";
import type { Stamp } from "./stamp.js";

/** What an edit depends on, as one of elements does. */
export interface Editing extends EditingElements {
  /** Whether its client may ask for it again: then additions are kept apart. */
  readonly hasId: boolean;
}

export function editOfFields(edit: EditMap, fields: Fields, editing: Editing): Fields {
  const { dot, held, seen, hasId } = editing;
  const brought: Field[] = [];
  const bring = (kind: string, text: string, store: FieldStore, removed = EMPTY_CONTEXT) =>
    brought.push({ name: kind + nameOf(text), store, removed });
  for (const [text, json] of edit.set) {
    const kept = storeAt<readonly Assigned[]>(fields, REGISTER, text);
    bring(REGISTER, text, [{ ...dot, json: textOf(json) as string }], replaced(kept, held, editing));
  }
  for (const [text, { by }] of edit.counters) {
    if (hasId) bring(APART, text, withAddition(NONE_APART, dot, by));
    else bring(COUNTER, text, addToShards(storeAt<Shards>(fields, COUNTER, text), dot, by));
  }
  for (const [text, elements] of edit.sets) {
    bring(SET, text, editOfElements(elements, storeAt<Elements>(fields, SET, text), editing));
  }
  for (const [text, inner] of edit.maps) {
    bring(MAP, text, editOfFields(inner, storeAt<Fields>(fields, MAP, text), editing));
  }
  for (const text of edit.remove) {
    bring(COUNTER, text, resetShards(storeAt<Shards>(fields, COUNTER, text)));
    // The client may have seen a field of any kind that its owner has not met.
    for (const kind of KINDS_OF_DOTS) {
      const store = kind === MAP ? maps.emptied(storeAt<Fields>(fields, MAP, text), held) : [];
      bring(kind, text, store, joinContexts(seen, takenOf(kind, held)));
    }
  }
  return brought.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The names of the fields that an edit looks at: those of all kinds, as only one kind is shown. Ascending, none twice. */
export function namesOfEdit(edit: EditMap): string[] {
  const texts = [...kindsWished(edit).map(([text]) => text), ...edit.remove];
  const kinds = [COUNTER, ...KINDS_OF_DOTS];
  return [...new Set(texts.flatMap((text) => kinds.map((kind) => kind + nameOf(text))))].sort();
}

/** Whether something of what was seen is to go. */
export function takesAway({ remove, sets, maps }: EditMap): boolean {
  const isRemoving = remove.length > 0 || sets.some(([, edit]) => edit.remove.length > 0);
  return isRemoving || maps.some(([, edit]) => takesAway(edit));
}

/** Why `fields` do not take an edit under `dot`, or within maps so deep already. */
export function refusalOfFields(
  edit: EditMap,
  fields: Fields,
  dot: Stamp,
  limits: GrowthLimits,
  depth = 1,
): OpRefusal | undefined {
  if (depth > MAP_DEPTH_MAX) {
    return { kind: "too-large", detail: `maps within maps: more than ${MAP_DEPTH_MAX} deep` };
  }
  const wishes = kindsWished(edit);
  const shown = new Map(shownFields(fields).map(({ name, kind }) => [name, kind]));
  return (
    first(wishes, ([text]) => refusalOfName(text, limits)) ??
    first(wishes, ([text, kind]) => refusalOfKind(text, kind, shown)) ??
    first(edit.counters, ([text, { by }]) => {
      const apart = sumApart(storeAt<Apart>(fields, APART, text));
      return refusalOfAdd(storeAt<Shards>(fields, COUNTER, text), dot, by, apart);
    }) ??
    first(edit.sets, ([text, inner]) => {
      return refusalOfEdit(inner, bytesOfElements(storeAt<Elements>(fields, SET, text)), limits);
    }) ??
    first(edit.maps, ([text, inner]) =>
      refusalOfFields(inner, storeAt<Fields>(fields, MAP, text), dot, limits, depth + 1),
    )
  );
}

type Wish = readonly [text: string, kind: string];

function kindsWished({ set, counters, sets, maps }: EditMap): readonly Wish[] {
  const wished = (kind: string, named: readonly (readonly [string, unknown])[]) =>
    named.map(([text]): Wish => [text, kind]);
  return [...wished(REGISTER, set), ...wished(COUNTER, counters), ...wished(SET, sets), ...wished(MAP, maps)];
}

function refusalOfName(text: string, { elementBytesMax }: GrowthLimits): OpRefusal | undefined {
  const bytes = utf8(text).length;
  if (bytes <= elementBytesMax) return undefined;
  return { kind: "too-large", detail: `a field's name of ${bytes} bytes; at most ${elementBytesMax} are stored` };
}

function refusalOfKind(text: string, kind: string, shown: ReadonlyMap<string, string>): OpRefusal | undefined {
  const present = shown.get(nameOf(text));
  if (present === undefined || present === kind) return undefined;
  const detail = `${JSON.stringify(text)} is ${KIND_NAMES[present]}, not ${KIND_NAMES[kind]}: remove it first`;
  return { kind: "type-mismatch", detail };
}

function storeAt<Store extends FieldStore>(fields: Fields, kind: string, text: string): Store {
  return (entryAt(fields, kind + nameOf(text))?.store ?? []) as FieldStore as Store;
}

function first<Item>(items: readonly Item[], refusalOf: (item: Item) => OpRefusal | undefined): OpRefusal | undefined {
  for (const item of items) {
    const refusal = refusalOf(item);
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}

const KIND_NAMES: Readonly<Record<string, string>> = {
  [REGISTER]: "a register",
  [COUNTER]: "a counter",
  [SET]: "a set",
  [MAP]: "a map",
};
