/**
 * The two engines behind the port, side by side.
 *
 * Each writer reads a random row (`latest`), commits a new value of 100 bytes
 * and goes on when that is durable: a closed loop, for the most the disk takes.
 * The engines take turns in one run, so that both meet the same noise of the
 * machine; what counts are the ratios of neighbouring rounds. CPU is that of
 * the whole process, its threads included. Lag is how late a timer of 1 ms was.
 *
 *     node dist/bench/storage.js [--quick]
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createHistogram, monitorEventLoopDelay } from "node:perf_hooks";
import { pathToFileURL } from "node:url";
import { DEFAULT_LIMITS } from "../src/config.js";
import { SqliteStorage } from "../src/real/storage.js";
import { type StorageEngine, SyncedLogEngine } from "../src/real/storage-engine.js";
import { ThreadEngine } from "./storage-thread-engine.js";

const ENGINES: Record<string, (dir: string) => StorageEngine> = {
  log: (dir) => new SyncedLogEngine(dir, "group", DEFAULT_LIMITS),
  thread: (dir) => new ThreadEngine(dir, DEFAULT_LIMITS),
};
const VALUE_BYTES = 100;

interface Plan {
  readonly keys: number;
  readonly rounds: number;
  readonly roundMs: number;
  readonly writers: readonly number[];
}

/** What one round of one engine measured. */
interface Round {
  readonly rowsPerSecond: number;
  readonly cpuMicrosPerRow: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly lagP99Ms: number;
}

/** Prints a table: rows and CPU of either engine, then the ratio thread/log of each measure with its spread. */
export async function run({ quick }: { quick: boolean }): Promise<void> {
  const plan: Plan = quick
    ? { keys: 2_000, rounds: 2, roundMs: 100, writers: [1, 64] }
    : { keys: 100_000, rounds: 7, roundMs: 1_500, writers: [1, 16, 64, 256] };
  console.log(`${plan.rounds} alternating rounds of ${plan.roundMs} ms, ${plan.keys} rows; ratios are thread / log`);
  console.log("writers  engine  rows/s   us CPU/row  p50 ms  p99 ms  lag p99 ms  | ratio: median (least - most)");
  const stores = new Map<string, { storage: SqliteStorage; dir: string }>();
  for (const [name, make] of Object.entries(ENGINES)) {
    const dir = mkdtempSync(join(tmpdir(), "murmur-bench-"));
    const storage = new SqliteStorage(make(dir), DEFAULT_LIMITS);
    await fill(storage, plan.keys);
    stores.set(name, { storage, dir });
  }
  for (const writers of plan.writers) {
    const rounds: Record<string, Round[]> = { log: [], thread: [] };
    for (let round = 0; round < plan.rounds; round++) {
      const order = round % 2 === 0 ? ["log", "thread"] : ["thread", "log"];
      for (const name of order) {
        const store = stores.get(name);
        if (store !== undefined) rounds[name]?.push(await measure(store.storage, plan, writers));
      }
    }
    report(writers, rounds.log ?? [], rounds.thread ?? []);
  }
  for (const { storage, dir } of stores.values()) {
    await new Promise<void>((resolve) => storage.close(resolve));
    rmSync(dir, { recursive: true });
  }
}

function keyOf(index: number): Uint8Array {
  return Buffer.from(((index * 0x9e3779b1) >>> 0).toString(16).padStart(8, "0"));
}

function fill(storage: SqliteStorage, keys: number): Promise<void> {
  return new Promise((resolve) => {
    const value = Buffer.alloc(VALUE_BYTES, 1);
    for (let index = 0; index < keys; index++) storage.commit([{ key: keyOf(index), value }], () => {});
    storage.commit([], () => resolve());
    storage.release();
  });
}

function measure(storage: SqliteStorage, plan: Plan, writers: number): Promise<Round> {
  return new Promise((resolve) => {
    const waits = createHistogram();
    const lag = monitorEventLoopDelay({ resolution: 1 });
    const cpu = process.cpuUsage();
    const startedAt = performance.now();
    let rows = 0;
    let running = writers;
    const finish = () => {
      lag.disable();
      const seconds = (performance.now() - startedAt) / 1000;
      const { user, system } = process.cpuUsage(cpu);
      resolve({
        rowsPerSecond: rows / seconds,
        cpuMicrosPerRow: (user + system) / rows,
        p50Ms: waits.percentile(50) / 1e3,
        p99Ms: waits.percentile(99) / 1e3,
        lagP99Ms: lag.percentile(99) / 1e6,
      });
    };
    const write = () => {
      if (performance.now() - startedAt > plan.roundMs) {
        running -= 1;
        if (running === 0) finish();
        return;
      }
      const key = keyOf(Math.floor(Math.random() * plan.keys));
      const value = Buffer.alloc(VALUE_BYTES, (storage.latest(key)?.[0] ?? 0) + 1);
      const calledAt = performance.now();
      storage.commit([{ key, value }], () => {
        rows += 1;
        waits.record(Math.max(1, Math.round((performance.now() - calledAt) * 1e3)));
        write();
        storage.release();
      });
    };
    lag.enable();
    for (let writer = 0; writer < writers; writer++) write();
    storage.release();
  });
}

function report(writers: number, log: readonly Round[], thread: readonly Round[]): void {
  for (const [name, rounds] of [
    ["log", log],
    ["thread", thread],
  ] as const) {
    const of = (measure: keyof Round, digits: number) => median(rounds.map((round) => round[measure])).toFixed(digits);
    const cells = [
      of("rowsPerSecond", 0).padStart(7),
      of("cpuMicrosPerRow", 1).padStart(11),
      of("p50Ms", 2).padStart(7),
      of("p99Ms", 2).padStart(7),
      of("lagP99Ms", 2).padStart(11),
    ];
    console.log(`${String(writers).padStart(7)}  ${name.padEnd(6)}  ${cells.join(" ")}`);
  }
  for (const measure of ["rowsPerSecond", "cpuMicrosPerRow", "p50Ms", "p99Ms", "lagP99Ms"] as const) {
    const ratios = thread
      .map((round, index) => round[measure] / (log[index]?.[measure] ?? Number.NaN))
      .sort((a, b) => a - b);
    const [least, most] = [ratios[0] ?? 0, ratios.at(-1) ?? 0];
    console.log(
      `         ${measure.padEnd(16)} ${median(ratios).toFixed(2)} (${least.toFixed(2)} - ${most.toFixed(2)})`,
    );
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  await run({ quick: process.argv.includes("--quick") });
}
