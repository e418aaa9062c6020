/**
 * The process of a load generator: runs the plans that it is sent, one at a
 * time, and ends with its parent.
 */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { Generator } from "./generator.js";
import type { LoadNews, LoadOrder } from "./load-process.js";
import type { LoadPlan } from "./plan.js";
import type { LoadReport } from "./report.js";

const PROGRESS_EVERY_MS = 250;
const LAG_RESOLUTION_MS = 5;
const NANOS_PER_MS = 1e6;

let running: Generator | undefined;

async function measure(plan: LoadPlan): Promise<LoadReport> {
  const generator = new Generator(plan);
  running = generator;
  const { tally } = generator;
  const lag = monitorEventLoopDelay({ resolution: LAG_RESOLUTION_MS });
  lag.enable();
  const cpuBefore = process.cpuUsage();
  const telling = setInterval(() => {
    const failed = [...tally.errors.values()].reduce((sum, count) => sum + count, 0);
    tell({ kind: "progress", progress: { elapsedMs: generator.elapsedMs, answered: tally.answered, failed } });
  }, PROGRESS_EVERY_MS);
  await generator.run();
  clearInterval(telling);
  lag.disable();
  const { user, system } = process.cpuUsage(cpuBefore);
  return {
    reads: tally.reads.toCounts(),
    writes: tally.writes.toCounts(),
    waits: tally.waits.toCounts(),
    errors: [...tally.errors],
    answered: tally.answered,
    seconds: generator.elapsedMs / 1000,
    cpuMicros: user + system,
    loopLagMs: Math.max(0, lag.percentile(99) / NANOS_PER_MS - LAG_RESOLUTION_MS),
  };
}

function tell(news: LoadNews): void {
  if (process.connected) process.send?.(news);
}

process.on("message", (order: LoadOrder) => {
  if (order.kind === "stop") running?.stop();
  else void measure(order.plan).then((report) => tell({ kind: "report", report }));
});
process.once("disconnect", () => process.exit());
// A terminal signals its whole group: the parent says when to stop, and what was measured is still told.
for (const signal of ["SIGINT", "SIGHUP"] as const) process.on(signal, () => {});
