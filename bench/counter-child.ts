/** A process that counts up: one client of one datacenter, in a closed loop of many callers. */
import { MurmurClient, type MurmurError } from "../src/client/client.js";
import { type CounterOrder, type CounterReport, counterName } from "./counter-process.js";

let client: MurmurClient | undefined;

async function count(order: CounterOrder): Promise<CounterReport> {
  const { urls, datacenter, keys, callers, lastingMs, coalesceMs, timeoutMs } = order;
  client ??= new MurmurClient({ nodes: urls, datacenter, coalesceMs, timeoutMs, limits: LIMITS });
  const hits = client.bucket("hits");
  const options = { consistency: "LOCAL_QUORUM" } as const;
  const names = Array.from({ length: keys }, (_, key) => counterName(key));
  // The cluster is known, and connections are there.
  await hits.count(names[0] as string, { timeoutMs: WARM_UP_MS });
  const report = { acknowledged: 0, unknown: 0, failed: 0, seconds: 0, cpuMicros: 0 };
  const cpuBefore = process.cpuUsage();
  const startMs = performance.now();
  const untilMs = startMs + lastingMs;
  const onFailed = (error: MurmurError) => {
    if (error.mayHaveApplied) report.unknown++;
    else report.failed++;
  };
  const call = async (caller: number) => {
    for (let turn = caller; performance.now() < untilMs; turn++) {
      await hits.add(names[turn % keys] as string, 1, options).then(() => report.acknowledged++, onFailed);
    }
  };
  await Promise.all(Array.from({ length: callers }, (_, caller) => call(caller)));
  const { user, system } = process.cpuUsage(cpuBefore);
  return { ...report, seconds: (performance.now() - startMs) / 1000, cpuMicros: user + system };
}

const WARM_UP_MS = 20_000;
/** A refused increment is not retried by the hundred thousand: its caller tries the next one. */
const LIMITS = { retryPercent: 1, requestsPendingMax: 100_000 };

process.on("message", (order: CounterOrder) => {
  void count(order).then((report) => process.send?.(report));
});
process.once("disconnect", () => process.exit());
