/**
 * Stamps: when a state was minted, and by whom.
 *
 * A stamp is a hybrid logical clock reading in microseconds (Kulkarni et al.,
 * 2014, folded into one integer: mint = max(last + 1, wall)) and the actor that
 * minted it. An actor is one life of one node's store, eight random bytes,
 * renewed whenever the store cannot vouch for its past; so no stamp is ever
 * minted twice. Stamps are totally ordered, and a stored stamp is data: it is
 * compared and kept, never judged.
 *
 * A context is what a client has seen, as the highest stamp of each actor.
 */
import { MalformedBytes, Reader, Writer } from "../base/bytes.js";

/** One incarnation of one node's store: 64 random bits. */
export type Actor = bigint;

export interface Stamp {
  /** Microseconds since 1970, a non-negative safe integer. */
  readonly timeUs: number;
  readonly actor: Actor;
}

/** The highest stamp seen of each actor, in ascending order of actors, no actor twice. */
export type Context = readonly Stamp[];

export const EMPTY_CONTEXT: Context = [];

/** The total order of stamps: by time, then by actor. */
export function compareStamps(a: Stamp, b: Stamp): number {
  if (a.timeUs !== b.timeUs) return a.timeUs < b.timeUs ? -1 : 1;
  if (a.actor !== b.actor) return a.actor < b.actor ? -1 : 1;
  return 0;
}

/** The latest reading in a context, 0 when it is empty: a mint must be above it. */
export function highestTimeUs(context: Context): number {
  return context.reduce((highest, stamp) => Math.max(highest, stamp.timeUs), 0);
}

export function writeStamp(writer: Writer, stamp: Stamp): void {
  writer.u53(stamp.timeUs).u64(stamp.actor);
}

export function readStamp(reader: Reader): Stamp {
  return { timeUs: reader.u53(), actor: reader.u64() };
}

/** The bytes of a context: a format byte, then its stamps. Canonical: equal contexts are equal bytes. */
export function encodeContext(context: Context): Uint8Array {
  const writer = new Writer(1 + 16 * context.length).u8(CONTEXT_FORMAT);
  for (const stamp of context) writeStamp(writer, stamp);
  return writer.finish();
}

/** The context in `bytes`, or undefined when a client sent what no node ever answered. */
export function decodeContext(bytes: Uint8Array): Context | undefined {
  try {
    const reader = new Reader(bytes);
    if (reader.u8() !== CONTEXT_FORMAT) return undefined;
    const context: Stamp[] = [];
    while (reader.remaining > 0) {
      const stamp = readStamp(reader);
      const last = context.at(-1);
      if (last !== undefined && last.actor >= stamp.actor) return undefined;
      context.push(stamp);
    }
    return context;
  } catch (error) {
    if (error instanceof MalformedBytes) return undefined;
    throw error;
  }
}

const CONTEXT_FORMAT = 1;
