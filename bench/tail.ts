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
import { FAULTS, type Fault, victimsOf } from "./tail-faults.js";
import { type Arm, type Pair, type Side, type TailPlan, tailResult } from "./tail-result.js";

const CPU_SHARE = 0.25;
const PER_SECOND_MAX = 2000;
const ROUND_MS = 5_000;
/** Code that has run a few thousand times in each process is several times as fast. */
const WARM_UP_MS = 6_000;
const MOST_MS = 2_000;
const UNDER_WAY_MAX = 512;
const FILLERS = 32;

export async function run(options: BenchOptions): Promise<Result> {
  const say = options.onProgress ?? (() => {});
  return closingAfter(async (keep) => {
    say("starting five nodes");
    const cluster = keep(await TailCluster.start());
    const bench = new TailBench(cluster, keep(new LoadProcess()), options.tiny ? 50 : 5_000);
    say("filling");
    await bench.fill();
    say("warming up, and measuring the most it takes");
    const plan = planOf(options, await bench.mostPerSecond(options.tiny ? 100 : options.quick ? 3 : 1));
    const arms: Arm[] = FAULTS.map((fault) => ({ fault, rounds: [] }));
    for (let round = 0; round < plan.rounds; round++) {
      for (const { fault, rounds } of arms) {
        say(`round ${round + 1} of ${plan.rounds} at ${plan.perSecond}/s: ${fault.name}`);
        rounds.push(await bench.compare(plan, fault, round));
      }
    }
    return tailResult(arms, plan, bench.base.keys);
  });
}

/** A filled cluster, and the generator that asks it. */
class TailBench {
  readonly base: LoadPlan;

  constructor(
    private readonly cluster: TailCluster,
    private readonly load: LoadProcess,
    keys: number,
  ) {
    this.base = basePlan(cluster.urls, keys);
  }

  async fill(): Promise<void> {
    const { errors } = await this.load.run({ ...this.base, arrivals: { kind: "each" }, underWayMax: FILLERS });
    if (errors.length > 0) throw new Error(`keys could not be written: ${JSON.stringify(errors)}`);
  }

  async mostPerSecond(shorter: number): Promise<number> {
    const closed: LoadPlan = { ...this.base, arrivals: { kind: "closed" }, underWayMax: FILLERS };
    await this.load.run({ ...closed, lastingMs: WARM_UP_MS / shorter });
    const { answered, seconds, errors } = await this.load.run({ ...closed, lastingMs: MOST_MS / shorter });
    if (answered === 0) throw new Error(`no key could be read: ${JSON.stringify(errors)}`);
    return answered / seconds;
  }

  /** Hedging off and on under the same fault, the same keys and the same schedule. Who goes first, alternates. */
  async compare(plan: TailPlan, fault: Fault, round: number): Promise<Pair> {
    const measure = (more: string) => this.measure(plan, fault, `round ${round} of ${fault.name}`, more);
    if (round % 2 === 0) {
      const off = await measure("&hedge=never");
      return { off, on: await measure("") };
    }
    const on = await measure("");
    return { off: await measure("&hedge=never"), on };
  }

  private async measure(plan: TailPlan, fault: Fault, seed: string, more: string): Promise<Side> {
    const { cluster, base } = this;
    const { perSecond, lastingMs } = plan;
    const victims = victimsOf(fault, cluster.ids, seed);
    const urls = cluster.urls.filter((_, index) => !victims.includes(cluster.ids[index] as string));
    const readQuery = `${base.readQuery}${more}`;
    const [countsBefore, cpuBefore] = [await scrape(cluster.urls), cpuMicros(cluster.pids)];
    const running = await fault.begin(cluster, victims, seed);
    const arrivals = { kind: "poisson", perSecond } as const;
    const report = await this.load.run({ ...base, urls, readQuery, arrivals, lastingMs, seed });
    await running.end();
    const cpuAfter = cpuMicros(cluster.pids);
    const nodesCpuMicros = cpuAfter === undefined || cpuBefore === undefined ? undefined : cpuAfter - cpuBefore;
    return { report, counts: between(countsBefore, await scrape(cluster.urls)), nodesCpuMicros };
  }
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

function planOf({ quick, tiny }: BenchOptions, mostPerSecond: number): TailPlan {
  const most = { mostPerSecond };
  if (tiny) return { ...most, rounds: 1, perSecond: 400, lastingMs: 150 };
  const perSecond = Math.min(PER_SECOND_MAX, 50 * Math.floor((mostPerSecond * CPU_SHARE) / 50));
  if (quick) return { ...most, rounds: 2, perSecond, lastingMs: 2_000 };
  return { ...most, rounds: 5, perSecond, lastingMs: ROUND_MS };
}
