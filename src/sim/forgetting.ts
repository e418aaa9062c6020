/**
 * Clusters that forget within seconds what others keep for hours: the reaper's
 * races (replica/reaper.ts) then happen many times in one run.
 *
 * Forgetting rests on clocks that are believed. So these run true within the limit, and do not jump.
 */
import { pick, type Random } from "../base/random.js";
import type { Limits } from "../config.js";
import { register } from "../lattice/register.js";
import { type AnyLattice, latticeNamed } from "../lattice/registry.js";
import type { NodeId, Row } from "../ports.js";
import { carriersGoneAfterMs } from "../replica/carriers.js";
import { bucketOfRow, stateOfRecord } from "../replica/rows.js";
import { REAP_INTERVAL_SPREAD } from "../upkeep/reaping.js";
import type { Shape } from "./script.js";

const CLOCK_SKEW_MS = 200;
/** Time for one retry, or two: whoever asks again later is counted again. */
const ID_KEPT_MS: readonly number[] = [3000, 6000];
/** Both votes and the deletions of one slice, on the network as it is without faults. */
const EXCHANGES_MS = 10;

/** The same cluster with a short memory. */
export function forgetful(random: Random, shape: Shape): Shape {
  const short = {
    carrierAgeMaxMs: pick(random, [600, 2000]),
    clockSkewMsMax: CLOCK_SKEW_MS,
    reapIntervalMs: pick(random, [20, 200]),
  };
  const clocks = shape.clocks.map(({ offsetMs, driftPpm }) => ({ offsetMs: offsetMs % (CLOCK_SKEW_MS / 2), driftPpm }));
  // A bound of stamps is a quarter of the skew ahead of use: a slow disk would never be there in time.
  return { ...shape, commitMs: Math.min(shape.commitMs, 20), limits: { ...shape.limits, ...short }, clocks };
}

/** The same cluster, which forgets ids of changes as well. */
export function forgettingIds(random: Random, shape: Shape): Shape {
  return { ...shape, limits: { ...shape.limits, idKeptMs: pick(random, ID_KEPT_MS) } };
}

/** Within the run. */
function forgetsIds({ idKeptMs }: Limits): boolean {
  return idKeptMs <= Math.max(...ID_KEPT_MS);
}

export function isForgetful({ limits }: Shape): boolean {
  return limits.carrierAgeMaxMs !== undefined;
}

/**
 * When all replicas are equal, everything dead is forgotten within this: it is met for the first vote within a pass over
 * the rows, then carriers must be gone, and it is met again for the second vote within another pass.
 */
export function forgetMsMax(limits: Limits, { commitMs, distanceMs }: Shape, rowsMax: number): number {
  // One slice more finds nothing: the pass ends. Votes take a tick longer, deletions at the others and then here two commits.
  const slices = Math.ceil(rowsMax / limits.scanRowsMax) + 1;
  const passMs =
    slices * (limits.reapIntervalMs * (1 + REAP_INTERVAL_SPREAD) + 2 * commitMs + EXCHANGES_MS + 4 * distanceMs);
  const votedMs = carriersGoneAfterMs(limits) + 2 * passMs;
  // What is remembered of a key for its ids alone is not dead before these are forgotten.
  return forgetsIds(limits) ? limits.idKeptMs + 2 * votedMs : votedMs;
}

/** A stored row that holds nothing but a tombstone or an expired value, for people; undefined when there is none. */
export function deadRow(node: NodeId, stored: readonly Row[], wallMs: number): string | undefined {
  const dead = stored.find(({ key, value }) => {
    const lattice = latticeNamed(bucketOfRow(key)) ?? (register as AnyLattice);
    return lattice.isDead(lattice.decode(stateOfRecord(key, value)), wallMs);
  });
  return dead && `${node} has not forgotten row ${Buffer.from(dead.key).toString("hex")}`;
}
