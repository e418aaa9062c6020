/**
 * What a client's write to a register takes away unseen.
 *
 * Of two concurrent writes last-writer-wins loses one, and the only place that
 * meets both is an owner that merges the second. It knows what its client had
 * seen: a value above that is lost without anybody having looked at it. Stamps
 * are a total order, and what is below a value that was seen had lost to it before.
 *
 * A tombstone or an expired value is no loss, and neither is a value that is
 * written again: that is how the retry of a write looks.
 */
import { equalBytes } from "../base/bytes.js";
import type { Content } from "../lattice/lattice.js";
import type { AnyLattice } from "../lattice/registry.js";
import { compareStamps, type Stamp } from "../lattice/stamp.js";

/**
 * Whether a client's write loses to what is held. What else a row holds, such as ids of other changes, beats
 * nothing; of two values that clients wrote under one stamp, the one that the join does not keep is beaten.
 */
export function isBeaten(lattice: AnyLattice, present: unknown, incoming: unknown, nowMs: number): boolean {
  const [held, written] = [lattice.lastStamp(present), lattice.lastStamp(incoming)];
  if (held === undefined || written === undefined) return false;
  const order = compareStamps(held, written);
  if (order !== 0) return order > 0;
  const [kept] = lattice.view(lattice.merge(incoming, present), nowMs).contents;
  return !isSame(kept, lattice.view(incoming, nowMs).contents[0]);
}

/** The stamp of a value in `present` that `incoming` replaces and that its writer, who had seen up to `seen`, did not know. */
export function lostUnseen(
  lattice: AnyLattice,
  present: unknown,
  incoming: unknown,
  seen: Stamp | undefined,
  nowMs: number,
): Stamp | undefined {
  const stamp = lattice.lastStamp(present);
  if (stamp === undefined || (seen !== undefined && compareStamps(stamp, seen) <= 0)) return undefined;
  const [lost] = lattice.view(present, nowMs).contents;
  if (lost === undefined) return undefined;
  const [kept] = lattice.view(incoming, nowMs).contents;
  return isSame(kept, lost) ? undefined : stamp;
}

function isSame(a: Content | undefined, b: Content | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.contentType === b.contentType && equalBytes(a.value, b.value);
}
