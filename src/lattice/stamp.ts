/**
 * Stamps: when a state was minted, and by whom.
 *
 * A stamp is a hybrid logical clock reading in microseconds (Kulkarni et al.,
 * 2014, folded into one integer: mint = max(last + 1, wall)) and the actor that
 * minted it. An actor is one life of one node's store, eight random bytes,
 * renewed whenever the store cannot vouch for its past; so no stamp is ever
 * minted twice. Stamps are totally ordered, and a stored stamp is data: it is
 * compared and kept, never judged.
 */
import type { Reader, Writer } from "../base/bytes.js";

/** One incarnation of one node's store: 64 random bits. */
export type Actor = bigint;

export interface Stamp {
  /** Microseconds since 1970, a non-negative safe integer. */
  readonly timeUs: number;
  readonly actor: Actor;
}

/** Stands in the stamps that clients choose: no node's, so that these never look like a node's own. */
export const CLIENT: Actor = 0n;

/** The total order of stamps: by time, then by actor. */
export function compareStamps(a: Stamp, b: Stamp): number {
  if (a.timeUs !== b.timeUs) return a.timeUs < b.timeUs ? -1 : 1;
  if (a.actor !== b.actor) return a.actor < b.actor ? -1 : 1;
  return 0;
}

export function writeStamp(writer: Writer, stamp: Stamp): void {
  writer.u53(stamp.timeUs).u64(stamp.actor);
}

export function readStamp(reader: Reader): Stamp {
  return { timeUs: reader.u53(), actor: reader.u64() };
}
