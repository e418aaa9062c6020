/**
 * How long a cluster may take, once all faults have ended, until it is one again and has forgotten what is dead.
 *
 * Near, what counts is how often something is done (CONVERGE_MS). Far apart, what counts is how often a question
 * travels: a node compares itself with its peers one after the other, and exchanges rows with one at a time.
 */
import type { Shape } from "./script.js";

/**
 * Until a question is given up that was under way (`syncDeadlineMs`) or the last write is old enough to be worth a sync
 * (`settleMs`, 5 s at most), and then two rounds (1.2 times `syncIntervalMs`): one from who has it, one on.
 */
const CONVERGE_MS = 10_000;
const ROUNDS = 2;
/** To compare, and to exchange what differs. */
const EXCHANGES_WITH_A_PEER = 2;
/** Dead rows that are brought back at first, at times more than once. */
const FORGET_TIMES_AFAR = 4;

/** Until all replicas are equal and all owners vote. */
export function convergeMsMax({ nodes, distanceMs }: Pick<Shape, "nodes" | "distanceMs">): number {
  return CONVERGE_MS + ROUNDS * (nodes - 1) * EXCHANGES_WITH_A_PEER * 2 * distanceMs;
}

/**
 * How often a row may have to be voted on before it is forgotten. Its owners delete it one after the other, a message's
 * way apart, and a sync that comes between two of them brings back the dead row whole: then all vote anew. Near, that
 * is rare, and the time to become one has room for it.
 */
export function forgetTimesMax({ distanceMs }: Pick<Shape, "distanceMs">): number {
  return distanceMs === 0 ? 1 : FORGET_TIMES_AFAR;
}
