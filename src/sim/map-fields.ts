/**
 * The fields of the maps that simulated clients change. A field has one kind, which its place tells; `m` and `in` are
 * maps within the map.
 */
import { utf8 } from "../base/bytes.js";
import type { Add, EditMap, EditSet } from "../lattice/op.js";
import type { FieldEdit } from "./script.js";

export const REGISTERS = ["a", "m/a"];
export const COUNTERS = ["n", "m/n"];
export const SETS = ["s", "m/s"];
/** Registers that are set together and removed together. */
export const PAIR = ["p", "in/p"];
/** What may be removed alone. */
export const REMOVABLE = [...REGISTERS, ...COUNTERS, ...SETS, "m"];

/** Whether a place is that field, or in it. */
export function isWithin(place: string, field: string): boolean {
  return place === field || place.startsWith(`${field}/`);
}

/** As clients send it: registers are set to `value`. */
export function editMapOf(edits: readonly FieldEdit[], value: string): EditMap {
  const within = new Map<string, FieldEdit[]>();
  const [set, counters, remove] = [[] as [string, Uint8Array][], [] as [string, Add][], [] as string[]];
  const sets = new Map<string, EditSet>();
  for (const edit of edits) {
    const [head, ...rest] = edit.field.split("/") as [string, ...string[]];
    if (rest.length > 0) within.set(head, [...(within.get(head) ?? []), { ...edit, field: rest.join("/") }]);
    else if (edit.kind === "set") set.push([head, utf8(JSON.stringify(value))]);
    else if (edit.kind === "add") counters.push([head, { kind: "add", by: edit.by ?? 1 }]);
    else if (edit.kind === "remove") remove.push(head);
    else sets.set(head, editSetOf(edit));
  }
  const maps = [...within].map(([head, inner]) => [head, editMapOf(inner, value)] as const);
  return { kind: "edit-map", set, counters, sets: [...sets], maps, remove };
}

function editSetOf({ kind, element = "" }: FieldEdit): EditSet {
  return { kind: "edit-set", add: kind === "put-in" ? [element] : [], remove: kind === "put-in" ? [] : [element] };
}

/** What a map shows at each place: the value of a register or of a counter, or all elements. */
export function partsOfMap(shown: unknown, prefix = ""): Map<string, readonly string[]> {
  const parts = new Map<string, readonly string[]>();
  for (const [name, value] of Object.entries((shown ?? {}) as object)) {
    const place = prefix + name;
    if (Array.isArray(value)) parts.set(place, value);
    else if (typeof value !== "object") parts.set(place, [String(value)]);
    else for (const [inner, texts] of partsOfMap(value, `${place}/`)) parts.set(inner, texts);
  }
  return parts;
}
