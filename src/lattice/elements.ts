/**
 * The elements of a set: each under the dots of those who added it (an observed-remove set without tombstones:
 * Bieniusa and others, "An optimized conflict-free replicated set", 2012).
 *
 * An add replaces the dots that its owner sees of the element by its own; a
 * remove takes away those that its client has seen. So an add that a remove has
 * not seen wins. See dots.ts for what joins them.
 */
import { type Reader, utf8, type Writer } from "../base/bytes.js";
import type { Context } from "./context.js";
import {
  type Entries,
  type Entry,
  entryAt,
  joinEntries,
  joinKept,
  renameEntries,
  renameKept,
  replaced,
  type Sight,
} from "./dots.js";
import type { Renaming } from "./ids.js";
import type { GrowthLimits } from "./lattice.js";
import { nameOf, textOfName } from "./name.js";
import type { Change, EditSet, OpRefusal } from "./op.js";
import { noteEntries, type Place, readEntries, readKept, writeEachEntry, writeKept } from "./packed-entries.js";
import type { StampPacker, StampUnpacker } from "./packed-stamps.js";
import type { Skimmer } from "./skimmer.js";
import type { Stamp } from "./stamp.js";

type Dots = readonly Stamp[];
export type Elements = Entries<Dots>;

/** What an element takes besides its name, about, for each of its dots, with their lengths. */
const DOT_BYTES = 10;

const joinDots = (_name: string, a: Dots, b: Dots, sight: Sight) => joinKept(a, b, sight);

export function joinElements(a: Elements, b: Elements, sight: Sight): Elements {
  return joinEntries(a, b, sight, joinDots);
}

export function renameElements(elements: Elements, seen: Context, renaming: Renaming): Elements {
  return renameEntries(elements, seen, (_name, dots, within) => renameKept(dots, within, renaming), renaming);
}

/** What an edit depends on. */
export interface EditingElements extends Pick<Change, "floorUs" | "context"> {
  readonly dot: Stamp;
  /** What its owner has seen: an add takes away what it keeps. */
  readonly held: Context;
  /** What its client has seen: a remove takes that away. */
  readonly seen: Context;
}

/** An edit as elements to be joined. */
export function editOfElements({ add, remove }: EditSet, elements: Elements, editing: EditingElements): Elements {
  const { dot, held, seen } = editing;
  const edit = new Map<string, Entry<Dots>>();
  for (const name of remove.map(nameOf)) edit.set(name, { name, store: [], removed: seen });
  for (const name of add.map(nameOf)) {
    const kept = entryAt(elements, name)?.store ?? [];
    edit.set(name, { name, store: [dot], removed: replaced(kept, held, editing) });
  }
  return [...edit.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Whether there are none, whatever is remembered of removals. */
export function areNone(elements: Elements): boolean {
  return !elements.some(({ store }) => store.length > 0);
}

/** Why `edit` may not be added to what has `bytes`. What only removes is always taken. */
export function refusalOfEdit({ add }: EditSet, bytes: number, limits: GrowthLimits): OpRefusal | undefined {
  const lengths = add.map((text) => utf8(text).length);
  const longest = lengths.reduce((most, length) => Math.max(most, length), 0);
  if (longest > limits.elementBytesMax) {
    return {
      kind: "too-large",
      detail: `an element of ${longest} bytes; at most ${limits.elementBytesMax} are stored`,
    };
  }
  const more = lengths.reduce((sum, length) => sum + length + DOT_BYTES, 0);
  if (more === 0 || bytes + more <= limits.stateBytesMax) return undefined;
  return {
    kind: "too-large",
    detail: `the key comes to ${bytes + more} bytes; at most ${limits.stateBytesMax} are stored`,
  };
}

/** How large they are, about. */
export function bytesOfElements(elements: Elements): number {
  return elements.reduce((bytes, { name, store }) => bytes + name.length + DOT_BYTES * Math.max(1, store.length), 0);
}

/** A JSON array of texts, in the order of their UTF-8 bytes. */
export function jsonOfElements(elements: Elements): string {
  const present = elements.filter(({ store }) => store.length > 0);
  return `[${present.map(({ name }) => JSON.stringify(textOfName(name))).join(",")}]`;
}

export function noteElements(stamps: StampPacker, elements: Elements): void {
  noteEntries(stamps, elements, ({ store }) => {
    for (const dot of store) stamps.note(dot);
  });
}

export function writeElements(writer: Writer, stamps: StampPacker, elements: Elements): void {
  writer.varint(elements.length);
  writeEachElement(writer, stamps, elements);
}

/** Without their number. */
export function writeEachElement(writer: Writer, stamps: StampPacker, elements: Elements): void {
  writeEachEntry(writer, stamps, elements, ({ store }) => writeKept(writer, stamps, store));
}

/** `count` is given if it is not to be read. */
export function readElements(reader: Reader, stamps: StampUnpacker, place: Place, count?: number): Elements {
  return readEntries(reader, stamps, place, (_name, within) => readKept(reader, stamps, within, (dot) => dot), count);
}

/** Over the dots of one element. */
export function skimElement(skimmer: Skimmer): number {
  return DOT_BYTES * Math.max(1, skimmer.stamps());
}

/** The names of the elements that an edit looks at, ascending, none twice. */
export function namesOfEdit({ add, remove }: EditSet): string[] {
  return [...new Set([...add, ...remove].map(nameOf))].sort();
}
