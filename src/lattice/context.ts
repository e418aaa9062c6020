/**
 * Causal contexts: what somebody has seen of a key (Preguiça and others, "Dotted version vectors", 2012;
 * Almeida and others, "Scalable and accurate causality tracking for eventually consistent stores", 2014).
 *
 * A dot is the stamp of one change. The vector says: of this actor, every dot
 * up to this one. That is exact, because an actor mints on top of all that it
 * minted before, and whole states are shipped, never lone dots. What was seen
 * without all before it is listed as a lone dot: a client that wrote blindly
 * has seen its own write and not what others wrote through the same owner, and
 * must not supersede theirs.
 */
import { MalformedBytes, Reader, Writer } from "../base/bytes.js";
import { joinSorted } from "./join-sorted.js";
import { compareStamps, readStamp, type Stamp, writeStamp } from "./stamp.js";

export interface Context {
  /** The highest stamp of each actor, in ascending order of actors, no actor twice. */
  readonly vector: readonly Stamp[];
  /** Dots above the vector, in ascending order of stamps, none twice. */
  readonly dots: readonly Stamp[];
}

export const EMPTY_CONTEXT: Context = { vector: [], dots: [] };

/** All that the actor of `stamp` minted up to it. */
export function contextUpTo(stamp: Stamp): Context {
  return { vector: [stamp], dots: [] };
}

/** This change alone. */
export function contextOfDot(dot: Stamp): Context {
  return { vector: [], dots: [dot] };
}

export function isEmptyContext(context: Context): boolean {
  return context.vector.length === 0 && context.dots.length === 0;
}

/** Whether the change `dot` has been seen. */
export function covers(context: Context, dot: Stamp): boolean {
  const { vector, dots } = context;
  let low = 0;
  for (let high = vector.length; low < high; ) {
    const middle = (low + high) >>> 1;
    if ((vector[middle] as Stamp).actor < dot.actor) low = middle + 1;
    else high = middle;
  }
  const last = vector[low];
  if (last !== undefined && last.actor === dot.actor && last.timeUs >= dot.timeUs) return true;
  return dots.some((seen) => compareStamps(seen, dot) === 0);
}

/** Who has seen both. Returns `a` ITSELF when `b` has seen nothing more. */
export function joinContexts(a: Context, b: Context): Context {
  if (a === b || includes(a, b)) return a;
  const vector = joinSorted(a.vector, b.vector, compareActors, laterStamp);
  if (a.dots.length === 0 && b.dots.length === 0) return { vector, dots: [] };
  const upTo: Context = { vector, dots: [] };
  const above = [...a.dots, ...b.dots].filter((dot) => !covers(upTo, dot)).sort(compareStamps);
  const dots = above.filter((dot, index) => index === 0 || compareStamps(above[index - 1] as Stamp, dot) !== 0);
  return { vector, dots };
}

function compareActors(a: Stamp, b: Stamp): number {
  return a.actor < b.actor ? -1 : a.actor > b.actor ? 1 : 0;
}

function laterStamp(ours: Stamp | undefined, theirs: Stamp | undefined): Stamp | undefined {
  if (ours === undefined || theirs === undefined) return ours ?? theirs;
  return ours.timeUs >= theirs.timeUs ? ours : theirs;
}

/** Whether `a` has seen all that `b` has. */
export function includes(a: Context, b: Context): boolean {
  if (!b.dots.every((dot) => covers(a, dot))) return false;
  let index = 0;
  for (const theirs of b.vector) {
    while (index < a.vector.length && (a.vector[index] as Stamp).actor < theirs.actor) index++;
    const ours = a.vector[index];
    if (ours === undefined || ours.actor !== theirs.actor || ours.timeUs < theirs.timeUs) return false;
  }
  return true;
}

/** The latest reading in a context, 0 when it is empty: a mint must be above it. */
export function highestTimeUs(context: Context): number {
  const highest = context.vector.reduce((last, stamp) => Math.max(last, stamp.timeUs), 0);
  return context.dots.reduce((last, stamp) => Math.max(last, stamp.timeUs), highest);
}

/** The highest stamp in a context by the total order; undefined when it is empty. */
export function lastStampOf(context: Context): Stamp | undefined {
  let last: Stamp | undefined;
  for (const stamp of context.vector) if (last === undefined || compareStamps(stamp, last) > 0) last = stamp;
  for (const stamp of context.dots) if (last === undefined || compareStamps(stamp, last) > 0) last = stamp;
  return last;
}

const VECTOR_ALONE = 1;
const WITH_DOTS = 2;

/** The bytes of a context: a format byte, then its stamps. Canonical: equal contexts are equal bytes. */
export function encodeContext({ vector, dots }: Context): Uint8Array {
  const writer = new Writer(3 + 16 * (vector.length + dots.length));
  if (dots.length === 0) writer.u8(VECTOR_ALONE);
  else writer.u8(WITH_DOTS).u16(dots.length);
  for (const stamp of dots) writeStamp(writer, stamp);
  for (const stamp of vector) writeStamp(writer, stamp);
  return writer.finish();
}

/** The context in `bytes`, or undefined when a client sent what no node ever answered. */
export function decodeContext(bytes: Uint8Array): Context | undefined {
  try {
    return readContext(new Reader(bytes));
  } catch (error) {
    if (error instanceof MalformedBytes) return undefined;
    throw error;
  }
}

/** The context to the end of `reader`. Throws MalformedBytes on what `encodeContext` cannot have written. */
export function readContext(reader: Reader): Context {
  const format = reader.u8();
  if (format !== VECTOR_ALONE && format !== WITH_DOTS) throw new MalformedBytes("not a context");
  const dots: Stamp[] = [];
  const count = format === WITH_DOTS ? reader.u16() : 0;
  if (format === WITH_DOTS && count === 0) throw new MalformedBytes("a context without the dots that it announces");
  for (let index = 0; index < count; index++) {
    const dot = readStamp(reader);
    const last = dots.at(-1);
    if (last !== undefined && compareStamps(last, dot) >= 0) throw new MalformedBytes("dots out of order");
    dots.push(dot);
  }
  const vector: Stamp[] = [];
  while (reader.remaining > 0) {
    const stamp = readStamp(reader);
    const last = vector.at(-1);
    if (last !== undefined && last.actor >= stamp.actor) throw new MalformedBytes("actors out of order");
    vector.push(stamp);
  }
  const upTo: Context = { vector, dots: [] };
  if (dots.some((dot) => covers(upTo, dot))) throw new MalformedBytes("a dot that its vector covers");
  return { vector, dots };
}
