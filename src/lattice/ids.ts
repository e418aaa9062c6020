/**
 * Ids: by what names clients have made changes to a key, and when.
 *
 * A client that does not know whether its change was made asks for it again
 * under the same id, of any node. Two owners may then mint it, each without
 * knowing of the other. So an id has the stamps of all its mints, of which the
 * first is the one that counts, and the table of ids grows by union.
 *
 * Another operation under the same id is another change, though whoever knows
 * the first refuses it.
 */
import { asBuffer, bytesToMapKey, MalformedBytes, type Reader, type Writer } from "../base/bytes.js";
import { type Context, contextOfDot, covers, joinContexts } from "./context.js";
import { joinSorted } from "./join-sorted.js";
import { BODY_BYTES, type ChangeId, ID_BYTES } from "./op.js";
import { StampPacker, StampUnpacker } from "./packed-stamps.js";
import { compareStamps, type Stamp } from "./stamp.js";

/** A change that a client named. */
export interface NamedChange {
  /** Its id and the hash of its operation, one character for each byte. */
  readonly name: string;
  /** Of all its mints, ascending. */
  readonly dots: readonly [Stamp, ...Stamp[]];
}

/** In ascending order of names, none twice. */
export type Ids = readonly NamedChange[];

export const NO_IDS: Ids = [];

const NAME_BYTES = ID_BYTES + BODY_BYTES;

/** A change of which one side now learns that it was minted under other stamps too. */
export interface Renaming {
  /** Under which stamp it lies there (undefined: it was not known), and under which it is to lie. */
  readonly from: Stamp | undefined;
  readonly to: Stamp;
  readonly learnt: readonly Stamp[];
}

export interface JoinedIds {
  /** The first of both ITSELF when the second adds nothing. */
  readonly ids: Ids;
  readonly inOurs: readonly Renaming[];
  readonly inTheirs: readonly Renaming[];
}

const NO_RENAMINGS: readonly Renaming[] = [];

export function joinIds(ours: Ids, theirs: Ids): JoinedIds {
  if (ours === theirs) return { ids: ours, inOurs: NO_RENAMINGS, inTheirs: NO_RENAMINGS };
  const [inOurs, inTheirs]: [Renaming[], Renaming[]] = [[], []];
  const ids = joinSorted(ours, theirs, compareNames, (a, b) => {
    const both = a === undefined || b === undefined ? ((a ?? b) as NamedChange) : joinNamed(a, b);
    noteRenaming(inOurs, a, both);
    noteRenaming(inTheirs, b, both);
    return both;
  });
  return { ids, inOurs, inTheirs };
}

function compareNames(a: NamedChange, b: NamedChange): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}

function noteRenaming(renamings: Renaming[], known: NamedChange | undefined, { dots }: NamedChange): void {
  if (known?.dots.length === dots.length) return;
  renamings.push({ from: known?.dots[0], to: dots[0], learnt: without(dots, known?.dots ?? []) });
}

function without(dots: readonly Stamp[], known: readonly Stamp[]): Stamp[] {
  return dots.filter((dot) => !known.some((other) => compareStamps(other, dot) === 0));
}

/** Returns `a` ITSELF when `b` adds no mint. */
function joinNamed(a: NamedChange, b: NamedChange): NamedChange {
  const added = without(b.dots, a.dots);
  if (added.length === 0) return a;
  const [first, ...others] = [...a.dots, ...added].sort(compareStamps) as [Stamp, ...Stamp[]];
  return { name: a.name, dots: [first, ...others] };
}

/** When the change of this id was first made; undefined: it was not. other-body: another change was, under its id. */
export function findId(ids: Ids, { id, body }: ChangeId): Stamp | "other-body" | undefined {
  const [idName, bodyName] = [bytesToMapKey(id), bytesToMapKey(body)];
  const name = idName + bodyName;
  for (let at = indexOf(ids, idName); ids[at]?.name.startsWith(idName); at++) {
    if (ids[at]?.name === name) return ids[at]?.dots[0];
  }
  return ids[indexOf(ids, idName)]?.name.startsWith(idName) ? "other-body" : undefined;
}

/** With an id that is not among them. */
export function withId(ids: Ids, { id, body }: ChangeId, dot: Stamp): Ids {
  const name = bytesToMapKey(id) + bytesToMapKey(body);
  return ids.toSpliced(indexOf(ids, name), 0, { name, dots: [dot] });
}

/** What has been seen by whoever has seen `context`: a change, under whatever stamp, is one. */
export function seenUnderAnyStamp(ids: Ids, context: Context): Context {
  let seen = context;
  for (const { dots } of ids) {
    const [first, ...others] = dots;
    if (others.some((dot) => covers(context, dot))) seen = joinContexts(seen, contextOfDot(first));
  }
  return seen;
}

/** The ids that were first made later than that; `ids` ITSELF when all were. */
export function idsAfter(ids: Ids, timeUs: number): Ids {
  const after = ids.filter(({ dots }) => dots[0].timeUs > timeUs);
  return after.length === ids.length ? ids : after;
}

/** By what time all but the last `count` were first made. */
export function timeOfAllBut(ids: Ids, count: number): number {
  if (ids.length <= count) return 0;
  const times = ids.map(({ dots }) => dots[0].timeUs).sort((a, b) => a - b);
  return times[ids.length - count - 1] as number;
}

/** Canonical. They stand before what is prefixed by nothing: `readIds` knows where they end. */
export function writeIds(writer: Writer, ids: Ids): void {
  writer.varint(ids.length);
  if (ids.length === 0) return;
  const stamps = new StampPacker();
  for (const { dots } of ids) for (const dot of dots) stamps.note(dot);
  stamps.writeTable(writer);
  for (const { name, dots } of ids) {
    writer.raw(Buffer.from(name, "latin1")).varint(dots.length);
    for (const dot of dots) stamps.write(writer, dot);
  }
}

/** Throws MalformedBytes on what `writeIds` cannot have written. */
export function readIds(reader: Reader): Ids {
  const count = reader.varint();
  if (count === 0) return NO_IDS;
  if (count > reader.remaining / NAME_BYTES) throw new MalformedBytes("more ids than bytes");
  const stamps = new StampUnpacker(reader);
  const ids: NamedChange[] = [];
  for (let index = 0; index < count; index++) {
    const name = asBuffer(reader.raw(NAME_BYTES)).latin1Slice(0, NAME_BYTES);
    const last = ids.at(-1);
    if (last !== undefined && last.name >= name) throw new MalformedBytes("ids out of order");
    ids.push({ name, dots: readDots(reader, stamps) });
  }
  stamps.endOfStamps();
  return ids;
}

function readDots(reader: Reader, stamps: StampUnpacker): [Stamp, ...Stamp[]] {
  const dots: Stamp[] = [];
  for (let left = reader.varint(); left > 0; left--) {
    const dot = stamps.read();
    const last = dots.at(-1);
    if (last !== undefined && compareStamps(last, dot) >= 0) throw new MalformedBytes("stamps out of order");
    dots.push(dot);
  }
  const [first, ...others] = dots;
  if (first === undefined) throw new MalformedBytes("an id of no change");
  return [first, ...others];
}

/** Where the first name stands that is not before this one. */
function indexOf(ids: Ids, name: string): number {
  let low = 0;
  for (let high = ids.length; low < high; ) {
    const middle = (low + high) >>> 1;
    if ((ids[middle] as NamedChange).name < name) low = middle + 1;
    else high = middle;
  }
  return low;
}
