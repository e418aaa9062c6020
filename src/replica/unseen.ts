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
import type { AnyLattice } from "../lattice/registry.js";
import { compareStamps, type Stamp } from "../lattice/stamp.js";

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
  const isSame = kept?.contentType === lost.contentType && equalBytes(kept.value, lost.value);
  return isSame ? undefined : stamp;
}
