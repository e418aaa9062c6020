/**
 * Rings when a request is due, to a tenth of a millisecond.
 *
 * A timer of the event loop counts whole milliseconds: it would hand out
 * requests in bunches, half a millisecond late at the median, and that would be
 * told of as the store's latency. A thread that sleeps until each due moment of
 * the same schedule (metronome-thread.ts) has the kernel's clock instead. Late
 * or not, a request's latency counts from when it was due.
 */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import type { LoadPlan } from "./plan.js";

/** What the thread needs to know, and the memory that it shares with the generator. */
export interface MetronomeOrders {
  readonly plan: LoadPlan;
  /** Flags, by their places below. */
  readonly flags: Int32Array;
  /** When the schedule begins, once the flag says so. */
  readonly startMs: Float64Array;
}

/** 1 from a ring until it was heard, so that rings never pile up; and 1 once the schedule has begun. */
export const [IS_RINGING, HAS_BEGUN] = [0, 1] as const;

/** The clock that all threads of a process share, unlike `performance.now()`. */
export function sharedNowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** The stream from which both the generator and its metronome draw the schedule. */
export const SCHEDULE_STREAM = "schedule";

export class Metronome {
  private readonly flags = new Int32Array(new SharedArrayBuffer(8));
  private readonly startMs = new Float64Array(new SharedArrayBuffer(8));
  private readonly worker: Worker;

  constructor(plan: LoadPlan) {
    const orders: MetronomeOrders = { plan, flags: this.flags, startMs: this.startMs };
    this.worker = new Worker(new URL("./metronome-thread.js", import.meta.url), { workerData: orders });
  }

  /** A thread takes tens of milliseconds to start: what was due in them would be late. */
  async ready(): Promise<void> {
    await once(this.worker, "message");
  }

  begin(startMs: number, onRing: () => void): void {
    this.worker.on("message", () => {
      Atomics.store(this.flags, IS_RINGING, 0);
      onRing();
    });
    this.startMs[0] = startMs;
    Atomics.store(this.flags, HAS_BEGUN, 1);
    Atomics.notify(this.flags, HAS_BEGUN);
  }

  async stop(): Promise<void> {
    await this.worker.terminate();
  }
}
