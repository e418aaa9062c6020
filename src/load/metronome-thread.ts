/**
 * The thread of a metronome: sleeps until each due moment, and rings.
 */
import { parentPort, workerData } from "node:worker_threads";
import { assert } from "../base/assert.js";
import { SeededRandom } from "../base/seeded.js";
import { HAS_BEGUN, IS_RINGING, type MetronomeOrders, SCHEDULE_STREAM, sharedNowMs } from "./metronome.js";
import { scheduleOf } from "./schedule.js";

const port = parentPort;
assert(port !== null, "the thread is started by its metronome");
const { plan, flags, startMs } = workerData as MetronomeOrders;
const schedule = scheduleOf(plan, new SeededRandom(plan.seed).fork(SCHEDULE_STREAM));
/** To ring for each of so many would cost more than to send them: a bunch of a millisecond is told at once. */
const RINGS_PER_SECOND_MAX = 5_000;
const BUNCH_MS = 1;
const isFast = plan.arrivals.kind === "poisson" && plan.arrivals.perSecond > RINGS_PER_SECOND_MAX;
const gapMs = isFast ? BUNCH_MS : 0;
const asleep = new Int32Array(new SharedArrayBuffer(4));

port.postMessage(0);
Atomics.wait(flags, HAS_BEGUN, 0);
const beginMs = startMs[0] as number;

function ringAt(dueMs: number): void {
  const restMs = beginMs + dueMs - sharedNowMs();
  // Nobody wakes it: the wait ends when its time is up.
  if (restMs > 0) Atomics.wait(asleep, 0, 0, restMs);
  if (Atomics.exchange(flags, IS_RINGING, 1) === 0) port?.postMessage(0);
}

let rangMs = Number.NEGATIVE_INFINITY;
for (let dueMs = schedule.next(0); dueMs !== undefined; dueMs = schedule.next(0)) {
  if (dueMs < rangMs + gapMs) continue;
  ringAt(dueMs);
  rangMs = dueMs;
}
// What was due after the last ring.
ringAt(plan.lastingMs);
