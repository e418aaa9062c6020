import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { DEFAULT_LIMITS } from "../../src/config.js";
import { SimClock } from "../../src/sim/clock.js";
import { Pace, restMs } from "../../src/upkeep/pace.js";

const LIMITS = { upkeepIdlePercent: 50, upkeepBusyPercent: 20, upkeepLagMs: 10, upkeepRestMsMax: 250 };

test("how long upkeep rests: by its work, by who waits, by how late timers come, and never for ever", () => {
  const cases: [workedMs: number, lagMs: number, isBusy: boolean, restMs: number][] = [
    [0, 0, false, 0],
    [0, 9, true, 0],
    [2, 0, false, 2],
    [2, 10, false, 2],
    [2, 0, true, 8],
    [2, 20, false, 20],
    [2, 20, true, 20],
    [10, 20, true, 90],
    [0, 50, false, 50],
    [2, 1000, false, 250],
    [1000, 0, false, 250],
  ];
  for (const [workedMs, lagMs, isBusy, expected] of cases) {
    const rest = restMs({ workedMs, lagMs, isBusy }, LIMITS);
    assert.ok(Math.abs(rest - expected) < 1e-9, `${workedMs} ms worked, ${lagMs} ms late, busy ${isBusy}: ${rest} ms`);
  }
});

test("more strain never means less rest", () => {
  const strain = fc.record({ workedMs: fc.nat(100), lagMs: fc.nat(100), isBusy: fc.boolean() });
  fc.assert(
    fc.property(strain, fc.nat(50), fc.nat(50), (less, work, lag) => {
      const more = { workedMs: less.workedMs + work, lagMs: less.lagMs + lag, isBusy: true };
      const rests = [restMs(less, DEFAULT_LIMITS), restMs(more, DEFAULT_LIMITS)] as const;
      assert.ok(rests[0] <= rests[1] && rests[1] <= DEFAULT_LIMITS.upkeepRestMsMax);
    }),
  );
});

/** A clock of which a test says how long things take. */
class WorkClock {
  readonly sim = new SimClock();
  workedMs = 0;
  nowMs = (): number => this.sim.nowMs() + this.workedMs;
  after = (delayMs: number, fn: () => void) => this.sim.after(delayMs, fn);
}

test("turns come one at a time in the order asked for, rests between them; what is not wanted does not come", () => {
  const clock = new WorkClock();
  const pace = new Pace({ clock, limits: LIMITS, isBusy: () => false });
  const seen: string[] = [];
  const work = (name: string, workMs: number) => () => {
    seen.push(`${name} ${Math.round(clock.nowMs())}`);
    clock.workedMs += workMs;
  };
  pace.soon(work("a", 4));
  const cancel = pace.soon(work("never", 4));
  pace.soon(work("b", 4));
  pace.soon(() => {
    work("c", 0)();
    pace.soon(work("d", 0));
  });
  cancel();
  clock.sim.runUntil(1000);
  assert.deepEqual(seen, ["a 0", "b 8", "c 16", "d 16"]);
  pace.soon(work("later", 0));
  pace.stop();
  clock.sim.runUntil(2000);
  assert.equal(seen.length, 4);
});

test("upkeep rests the longer the later timers come, and comes back to its pace", () => {
  const clock = new WorkClock();
  const pace = new Pace({ clock, limits: LIMITS, isBusy: () => false });
  const seenMs: number[] = [];
  const step = () => {
    seenMs.push(clock.nowMs());
    if (seenMs.length < 30) pace.soon(step);
  };
  pace.soon(step);
  // Somebody else holds the loop for 100 ms before the first turn.
  clock.workedMs += 100;
  clock.sim.runUntil(10_000);
  const gaps = seenMs.slice(1).map((ms, index) => ms - (seenMs[index] as number));
  assert.equal(gaps[0], 100);
  assert.ok((gaps[3] as number) < 100 && gaps.at(-1) === 0, gaps.join(" "));
});
