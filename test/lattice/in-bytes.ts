/** Whatever is done to encoded states (src/lattice/in-bytes.ts) gives the bytes of what is done to the states. */
import assert from "node:assert/strict";
import { StateInBytes } from "../../src/lattice/in-bytes.js";
import type { GrowthLimits, Lattice } from "../../src/lattice/lattice.js";
import type { Change } from "../../src/lattice/op.js";

export function checkChangeInBytes<State>(
  lattice: Lattice<State>,
  before: State,
  change: Change,
  limits: GrowthLimits,
): void {
  const held = inBytes(lattice, before);
  const changed = held.change(change, limits);
  const refusal = lattice.refusal(before, change, limits);
  if (refusal !== undefined) return assert.deepEqual(changed, refusal);
  assert.ok("after" in changed);
  const after = lattice.mutate(before, change);
  if (after === before) assert.equal(changed.after, held);
  assertSame(changed.after.bytes, lattice.encode(after));
  assert.deepEqual(changed.seen, lattice.seenBy(after, change));
}

export function checkMergeInBytes<State>(lattice: Lattice<State>, a: State, b: State): void {
  const ours = inBytes(lattice, a);
  const { both, theirLast } = ours.merge(inBytes(lattice, b));
  const join = lattice.merge(a, b);
  if (join === a) assert.equal(both, ours);
  else assertSame(both.bytes, lattice.encode(join));
  assert.deepEqual(theirLast, lattice.lastStamp(b));
  assert.deepEqual(inBytes(lattice, a).lastStamp, lattice.lastStamp(a));
}

function inBytes<State>(lattice: Lattice<State>, state: State): StateInBytes<State> {
  return StateInBytes.of(lattice, state === lattice.bottom ? undefined : lattice.encode(state));
}

function assertSame(bytes: Uint8Array, expected: Uint8Array): void {
  assert.deepEqual(Buffer.from(bytes), Buffer.from(expected));
}
