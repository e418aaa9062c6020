/**
 * Rings when a request is due, to a tenth of a millisecond.
 *
 * A timer of the event loop counts whole milliseconds: it would hand out
 * requests in bunches, half a millisecond late at the median, and that would be
 * told of as the store's latency. A thread that sleeps until each due moment of
 * the same schedule (metronome-thread.ts) has the kernel's clock instead. Late
 * or not, a request's latency counts from when it was due.
 */
import { Worker } from "node:worker_threads";
import type { LoadPlan } from "./plan.js";

/** What the thread needs to know. `isRinging` is 1 from a ring until it was heard, so that rings never pile up. */
export interface MetronomeOrders {
  readonly plan: LoadPlan;
  readonly startMs: number;
  readonly isRinging: Int32Array;
}

/** The clock that all threads of a process share, unlike `performance.now()`. */
export function sharedNowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** The stream from which both the generator and its metronome draw the schedule. */
export const SCHEDULE_STREAM = "schedule";

export class Metronome {
  private readonly isRinging = new Int32Array(new SharedArrayBuffer(4));
  private readonly worker: Worker;

  constructor(plan: LoadPlan, startMs: number, onRing: () => void) {
    const orders: MetronomeOrders = { plan, startMs, isRinging: this.isRinging };
    this.worker = new Worker(new URL("./metronome-thread.js", import.meta.url), { workerData: orders });
    this.worker.on("message", () => {
      Atomics.store(this.isRinging, 0, 0);
      onRing();
    });
  }

  async stop(): Promise<void> {
    await this.worker.terminate();
  }
}
