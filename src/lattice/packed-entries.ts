/**
 * Contexts, kept things and entries as bytes. Canonical: what is read is in order, nothing is empty that need not be
 * there, and what stands beside a context is what it has seen.
 */
import { MalformedBytes, type Reader, type Writer } from "../base/bytes.js";
import { type Context, covers, EMPTY_CONTEXT, isEmptyContext, joinContexts } from "./context.js";
import { beyond, type Entries, type Entry } from "./dots.js";
import { bytesOfName, isName } from "./name.js";
import type { StampPacker, StampUnpacker } from "./packed-stamps.js";
import { compareStamps, type Stamp } from "./stamp.js";

/** Where entries stand: beside which context, and within what removed entries. */
export interface Place {
  readonly context: Context;
  readonly removed: Context;
}

/** Added to twice the length of an entry's name. */
export const HAS_REMOVED = 1;

export function noteEntries<Inner extends readonly unknown[]>(
  stamps: StampPacker,
  entries: Entries<Inner>,
  note: (entry: Entry<Inner>) => void,
): void {
  for (const entry of entries) {
    if (!isEmptyContext(entry.removed)) stamps.noteContext(entry.removed);
    note(entry);
  }
}

/** Without their number. */
export function writeEachEntry<Inner extends readonly unknown[]>(
  writer: Writer,
  stamps: StampPacker,
  entries: Entries<Inner>,
  write: (entry: Entry<Inner>) => void,
): void {
  for (const entry of entries) {
    const isPlain = isEmptyContext(entry.removed);
    writer.varint(2 * entry.name.length + (isPlain ? 0 : HAS_REMOVED)).raw(bytesOfName(entry.name));
    if (!isPlain) stamps.writeContext(writer, entry.removed);
    write(entry);
  }
}

/** `read` is told the name, and where the entry's own store stands. `count` is there if it is not read. */
export function readEntries<Inner extends readonly unknown[]>(
  reader: Reader,
  stamps: StampUnpacker,
  place: Place,
  read: (name: string, within: Place) => Inner,
  count = reader.varint(),
): Entries<Inner> {
  const entries: Entry<Inner>[] = [];
  let last = "";
  for (let left = count; left > 0; left--) {
    const head = reader.varint();
    const name = reader.mapKey(Math.floor(head / 2));
    if (entries.length > 0 && last >= name) throw new MalformedBytes("names out of order");
    if (!isName(name)) throw new MalformedBytes("a name that is not UTF-8");
    const isPlain = head % 2 !== HAS_REMOVED;
    const removed = isPlain ? EMPTY_CONTEXT : readRemoved(stamps, place);
    const store = read(name, isPlain ? place : { ...place, removed: joinContexts(place.removed, removed) });
    if (store.length === 0 && isPlain) throw new MalformedBytes("an entry of nothing");
    entries.push({ name, store, removed });
    last = name;
  }
  return entries;
}

function readRemoved(stamps: StampUnpacker, { context, removed }: Place): Context {
  const more = stamps.readContext();
  if (isEmptyContext(more) || beyond(more, joinContexts(context, removed)) !== more) {
    throw new MalformedBytes("a removal that says nothing");
  }
  return more;
}

/** `write` adds what there is besides the dot. */
export function writeKept<Kept extends Stamp>(
  writer: Writer,
  stamps: StampPacker,
  kept: readonly Kept[],
  write?: (one: Kept) => void,
): void {
  writer.varint(kept.length);
  for (const one of kept) {
    stamps.write(writer, one);
    write?.(one);
  }
}

export function readKept<Kept extends Stamp>(
  reader: Reader,
  stamps: StampUnpacker,
  { context, removed }: Place,
  read: (dot: Stamp) => Kept,
): readonly Kept[] {
  const kept: Kept[] = [];
  for (let left = reader.varint(); left > 0; left--) {
    const dot = stamps.read();
    const last = kept.at(-1);
    if (last !== undefined && compareStamps(last, dot) >= 0) throw new MalformedBytes("dots out of order");
    if (!covers(context, dot)) throw new MalformedBytes("a dot that was never seen");
    if (!isEmptyContext(removed) && covers(removed, dot)) throw new MalformedBytes("a dot that was removed");
    kept.push(read(dot));
  }
  return kept;
}
