/**
 * The two engines behind the port, side by side.
 *
 * Each writer reads a random row (`latest`), commits a new value of 100 bytes
 * and goes on when that is durable: a closed loop, for the most the disk takes.
 * The engines take turns in one run, so that both meet the same noise of the
 * machine; what counts are the ratios of neighbouring rounds. CPU is that of
 * the whole process, its threads included. Lag is how late a timer of 1 ms was.
 */
import { createHistogram, monitorEventLoopDelay } from "node:perf_hooks";
import { DEFAULT_LIMITS } from "../src/config.js";
import { SqliteStorage } from "../src/real/storage.js";
import { type StorageEngine, SyncedLogEngine } from "../src/real/storage-engine.js";
import { closingAfter, temporaryFolder } from "./closing.js";
import type { BenchOptions, Result, Row } from "./report.js";
import { ratioSpread, spreadOf } from "./spread.js";
import { ThreadEngine } from "./storage-thread-engine.js";

const VALUE_BYTES = 100;

type EngineName = "log" | "thread";

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

const MEASURES: readonly (readonly [column: string, measure: keyof Round])[] = [
  ["rows/s", "rowsPerSecond"],
  ["us CPU/row", "cpuMicrosPerRow"],
  ["p50 ms", "p50Ms"],
  ["p99 ms", "p99Ms"],
  ["lag p99 ms", "lagP99Ms"],
];
/** What counts: against the engine that was chosen. */
const RATIOS = MEASURES.slice(0, 2).map(([column, measure]) => [`${column} of log`, measure] as const);

export async function run(options: BenchOptions): Promise<Result> {
  const plan = planOf(options);
  return closingAfter(async (keep) => {
    const folders = [keep(temporaryFolder()), keep(temporaryFolder())] as const;
    const log = storageOn(new SyncedLogEngine(folders[0].path, "group", DEFAULT_LIMITS));
    const thread = storageOn(new ThreadEngine(folders[1].path, DEFAULT_LIMITS));
    options.onProgress?.("filling");
    for (const storage of [log, thread]) await fill(storage, plan.keys);
    const rows: Row[] = [];
    for (const writers of plan.writers) {
      options.onProgress?.(`${writers} writers`);
      rows.push(...(await compare(log, thread, plan, writers)));
    }
    for (const storage of [log, thread]) await new Promise<void>((resolve) => storage.close(resolve));
    return resultOf(rows, plan);
  });
}

function planOf({ quick, tiny }: BenchOptions): Plan {
  if (tiny) return { keys: 100, rounds: 1, roundMs: 15, writers: [1, 8] };
  if (quick) return { keys: 2_000, rounds: 2, roundMs: 100, writers: [1, 64] };
  return { keys: 100_000, rounds: 5, roundMs: 1_200, writers: [1, 16, 64, 256] };
}

function storageOn(engine: StorageEngine): SqliteStorage {
  return new SqliteStorage(engine, DEFAULT_LIMITS);
}

/** One row for either engine. */
async function compare(log: SqliteStorage, thread: SqliteStorage, plan: Plan, writers: number): Promise<Row[]> {
  const rounds: Record<EngineName, Round[]> = { log: [], thread: [] };
  for (let round = 0; round < plan.rounds; round++) {
    const order = round % 2 === 0 ? (["log", "thread"] as const) : (["thread", "log"] as const);
    for (const name of order) rounds[name].push(await measure(name === "log" ? log : thread, plan, writers));
  }
  return (["log", "thread"] as const).map((engine) => {
    const of = (name: EngineName, measure: keyof Round) => rounds[name].map((round) => round[measure]);
    const measures = MEASURES.map(([column, measure]) => [column, spreadOf(of(engine, measure))]);
    const ratios = RATIOS.map(([column, measure]) => [column, ratioSpread(of(engine, measure), of("log", measure))]);
    return { writers, engine, ...Object.fromEntries([...measures, ...ratios]) };
  });
}

function resultOf(rows: readonly Row[], { rounds, roundMs, keys }: Plan): Result {
  return {
    name: "storage",
    command: "npm run bench -- storage",
    title: "Durable writes of 100 B: the log engine beside the one with a thread",
    columns: [
      ...["writers", "engine"].map((name) => ({ name, isLabel: true })),
      ...[...MEASURES, ...RATIOS].map(([name]) => ({ name })),
    ],
    rows,
    notes: [
      `${rounds} alternating rounds of ${roundMs} ms, ${keys} rows; median (least - most).`,
      "Ratios are of neighbouring rounds. CPU is that of all threads.",
    ],
    reference: "log",
  };
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
