/**
 * The latency that few reads see: hedging off beside hedging on, in a cluster of
 * real processes with nothing wrong, with a replica that stops, and with
 * replicas that answer late.
 *
 * Five nodes, three replicas, QUORUM reads in an open loop: requests are due on
 * a Poisson schedule whether or not the last one was answered, and are timed from
 * when they were due. Nothing is tuned. Both sides of a round meet the same
 * fault, the same keys and the same schedule, and take turns at going first.
 */
import { LoadProcess } from "../src/load/load-process.js";
import type { LoadPlan } from "../src/load/plan.js";
import { between, scrape } from "../src/load/scrape.js";
import { closingAfter } from "./closing.js";
import { cpuMicros } from "./processes.js";
import type { BenchOptions, Result } from "./report.js";
import { TailCluster } from "./tail-cluster.js";
import { FAULTS, victimsOf } from "./tail-faults.js";
import { type Arm, type Side, type TailPlan, tailResult } from "./tail-result.js";

const CPU_SHARE = 0.25;
const PER_SECOND_MAX = 2000;
/** So many samples have ten beyond their 99.9th percentile, give or take what chance does to their number. */
const ROUND_REQUESTS = 10_500;
const ROUND_MS_MAX = 15_000;
const UNDER_WAY_MAX = 512;
const FILLERS = 32;

export async function run(options: BenchOptions): Promise<Result> {
  const say = options.onProgress ?? (() => {});
  const { tiny, quick } = options;
  return closingAfter(async (keep) => {
    say("starting five nodes");
    const cluster = keep(await TailCluster.start());
    const load = keep(new LoadProcess());
    const keys = tiny ? 50 : 5_000;
    const base = basePlan(cluster.urls, keys);
    say("filling");
    const filled = await load.run({ ...base, arrivals: { kind: "each" }, underWayMax: FILLERS });
    if (filled.errors.length > 0) throw new Error(`keys could not be written: ${JSON.stringify(filled.errors)}`);
    say("measuring the most it takes");
    const closedMs = tiny ? 50 : quick ? 1_000 : 3_000;
    const most = await load.run({ ...base, arrivals: { kind: "closed" }, underWayMax: FILLERS, lastingMs: closedMs });
    if (most.answered === 0) throw new Error(`no key could be read: ${JSON.stringify(most.errors)}`);
    const plan = planOf(options, keys, most.answered / most.seconds);
    const arms: Arm[] = FAULTS.map((fault) => ({ fault, rounds: [] }));
    for (let round = 0; round < plan.rounds; round++) {
      for (const arm of arms) {
        say(`round ${round + 1} of ${plan.rounds} at ${plan.perSecond}/s: ${arm.fault.name}`);
        const sides = round % 2 === 0 ? (["off", "on"] as const) : (["on", "off"] as const);
        const measured = new Map<string, Side>();
        for (const side of sides) measured.set(side, await measure(cluster, load, base, plan, arm, round, side));
        arm.rounds.push({ off: measured.get("off") as Side, on: measured.get("on") as Side });
      }
    }
    return tailResult(arms, plan);
  });
}

function basePlan(urls: readonly string[], keys: number): LoadPlan {
  return {
    urls,
    keys,
    bucket: "tail",
    distribution: "uniform",
    valueBytes: 100,
    readShare: 1,
    readQuery: "r=QUORUM",
    writeQuery: "w=ALL",
    arrivals: { kind: "each" },
    lastingMs: 0,
    timeoutMs: 5_000,
    underWayMax: UNDER_WAY_MAX,
    seed: "tail",
  };
}

function planOf({ quick, tiny }: BenchOptions, keys: number, mostPerSecond: number): TailPlan {
  const most = { keys, mostPerSecond };
  if (tiny) return { ...most, rounds: 1, perSecond: 400, lastingMs: 150 };
  const perSecond = Math.min(PER_SECOND_MAX, 50 * Math.floor((mostPerSecond * CPU_SHARE) / 50));
  if (quick) return { ...most, rounds: 2, perSecond, lastingMs: 2_000 };
  return { ...most, rounds: 5, perSecond, lastingMs: Math.min(ROUND_MS_MAX, (ROUND_REQUESTS / perSecond) * 1000) };
}

async function measure(
  cluster: TailCluster,
  load: LoadProcess,
  base: LoadPlan,
  { perSecond, lastingMs }: TailPlan,
  { fault }: Arm,
  round: number,
  side: "off" | "on",
): Promise<Side> {
  const seed = `tail ${round} ${fault.name}`;
  const victims = victimsOf(fault, cluster.ids, seed);
  const urls = cluster.urls.filter((_, index) => !victims.includes(cluster.ids[index] as string));
  const readQuery = side === "off" ? `${base.readQuery}&hedge=never` : base.readQuery;
  const [countsBefore, cpuBefore] = [await scrape(cluster.urls), cpuMicros(cluster.pids)];
  const running = await fault.begin(cluster, victims, seed);
  const arrivals = { kind: "poisson", perSecond } as const;
  const report = await load.run({ ...base, urls, readQuery, arrivals, lastingMs, seed });
  await running.end();
  const cpuAfter = cpuMicros(cluster.pids);
  const nodesCpuMicros = cpuAfter === undefined || cpuBefore === undefined ? undefined : cpuAfter - cpuBefore;
  return { report, counts: between(countsBefore, await scrape(cluster.urls)), nodesCpuMicros };
}
