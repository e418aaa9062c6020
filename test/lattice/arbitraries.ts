/** Stamps and contexts as tests of lattices draw them: few times and actors, so that equal and neighbouring ones are common. */
import fc from "fast-check";
import { type Context, contextOfDot, contextUpTo, EMPTY_CONTEXT, joinContexts } from "../../src/lattice/context.js";
import type { Lattice } from "../../src/lattice/lattice.js";
import type { Change, Op } from "../../src/lattice/op.js";
import type { Stamp } from "../../src/lattice/stamp.js";

/** No clock reads 0: nothing would be before it. */
const timeUs = fc.oneof(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }));
const actor = fc.oneof(fc.bigInt({ min: 0n, max: 2n }), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }));

export const stamp: fc.Arbitrary<Stamp> = fc.record({ timeUs, actor }, { noNullPrototype: true });

export const context: fc.Arbitrary<Context> = fc
  .array(fc.tuple(stamp, fc.boolean()), { maxLength: 5 })
  .map((seen) =>
    seen.reduce<Context>(
      (all, [when, isAlone]) => joinContexts(all, isAlone ? contextOfDot(when) : contextUpTo(when)),
      EMPTY_CONTEXT,
    ),
  );

export const at = (timeUs: number, actor = 1n): Stamp => ({ timeUs, actor });

export function changeOf(op: Op, stamp: Stamp, context: Context = EMPTY_CONTEXT): Change {
  return { op, stamp, context };
}

/** States that some history leads to: each step changes one of the states so far, or merges two; who changes may have seen a third. */
export function reachable<State>(lattice: Lattice<State>, op: fc.Arbitrary<Op>): fc.Arbitrary<State> {
  const change = fc.record({ on: fc.nat(), op, stamp, seen: fc.oneof(context, fc.nat()) });
  const merge = fc.record({ on: fc.nat(), with: fc.nat() });
  return fc.array(fc.oneof(change, merge), { maxLength: 8 }).map((steps) => {
    const states = [lattice.bottom];
    const stateAt = (index: number) => states[index % states.length] as State;
    for (const step of steps) {
      if ("with" in step) states.push(lattice.merge(stateAt(step.on), stateAt(step.with)));
      else {
        const seen = typeof step.seen === "number" ? lattice.view(stateAt(step.seen), 0).context : step.seen;
        states.push(lattice.mutate(stateAt(step.on), changeOf(step.op, step.stamp, seen)));
      }
    }
    return states.at(-1) as State;
  });
}
