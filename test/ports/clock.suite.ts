/**
 * What every Clock must do, real or simulated. The body tells how to let time
 * pass until something is so.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Clock } from "../../src/ports.js";

export interface ClockBody {
  readonly name: string;
  open(): { readonly clock: Clock; until(condition: () => boolean): Promise<void> };
}

export function clockSuite(body: ClockBody): void {
  describe(`the port Clock, ${body.name}`, () => {
    test("a timer fires once, in a later input, and not before its time", async () => {
      const { clock, until } = body.open();
      for (const delayMs of [0, 0.3, 1, 2.5, 7]) {
        const startMs = clock.nowMs();
        const firedMs: number[] = [];
        clock.after(delayMs, () => firedMs.push(clock.nowMs()));
        assert.equal(firedMs.length, 0, "no port calls back inside its own call");
        let isLater = false;
        clock.after(delayMs + 2, () => {
          isLater = true;
        });
        await until(() => isLater);
        assert.equal(firedMs.length, 1);
        assert.ok((firedMs[0] as number) >= startMs + delayMs, `fired after ${(firedMs[0] as number) - startMs} ms`);
      }
    });

    test("a cancelled timer stays silent, and cancelling again is harmless", async () => {
      const { clock, until } = body.open();
      let fired = 0;
      const cancel = clock.after(1, () => fired++);
      cancel();
      cancel();
      let isOver = false;
      const cancelLate = clock.after(4, () => {
        isOver = true;
      });
      await until(() => isOver);
      cancelLate();
      assert.equal(fired, 0);
    });

    test("of two timers due together the first can still cancel the second", async () => {
      const { clock, until } = body.open();
      const fired: string[] = [];
      clock.after(1, () => {
        fired.push("first");
        cancelSecond();
      });
      const cancelSecond = clock.after(1, () => fired.push("second"));
      clock.after(4, () => fired.push("last"));
      await until(() => fired.includes("last"));
      assert.deepEqual(fired, ["first", "last"]);
    });

    test("a timer may set the next one", async () => {
      const { clock, until } = body.open();
      let ticks = 0;
      const tick = (): void => {
        if (++ticks < 5) clock.after(1, tick);
      };
      tick();
      await until(() => ticks === 5);
    });

    test("the monotonic clock never goes back, and the wall clock shows a year", async () => {
      const { clock, until } = body.open();
      let lastMs = clock.nowMs();
      let isOver = false;
      clock.after(3, () => {
        isOver = true;
      });
      await until(() => {
        assert.ok(clock.nowMs() >= lastMs);
        lastMs = clock.nowMs();
        return isOver;
      });
      assert.ok(new Date(clock.wallMs()).getUTCFullYear() >= 2023);
      assert.ok(Number.isInteger(clock.wallMs()));
    });
  });
}
