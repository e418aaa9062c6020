/**
 * A cluster under measurement: filled, warm, and asked in an open loop with
 * hedging off and on. Both sides of a round meet the same fault, the same keys
 * and the same schedule.
 */
import { LoadProcess } from "../src/load/load-process.js";
import type { LoadPlan } from "../src/load/plan.js";
import { between, scrape } from "../src/load/scrape.js";
import { AwakeCores } from "./awake.js";
import type { Closable } from "./closing.js";
import { cpuMicros } from "./processes.js";
import type { BenchOptions } from "./report.js";
import { TailCluster } from "./tail-cluster.js";
import { type Fault, victimsOf } from "./tail-faults.js";
import type { Pair, Side } from "./tail-result.js";

/** Code that has run a few thousand times in each process is several times as fast. */
const WARM_UP_TURN_MS = 4_000;
const WARM_UP_TURNS_MAX = 8;
const RISE = 1.05;
const UNDER_WAY_MAX = 512;
const FILLERS = 32;

/** An open loop. */
export interface OpenLoop {
  readonly perSecond: number;
  readonly lastingMs: number;
}

/** A filled cluster, and the generator that asks it. */
export class TailBench {
  /** In a closed loop, when warm. */
  mostPerSecond = 0;
  readonly base: LoadPlan;

  private constructor(
    private readonly cluster: TailCluster,
    private readonly load: LoadProcess,
    keys: number,
  ) {
    this.base = basePlan(cluster.urls, keys);
  }

  /** Five nodes, filled and warm; what is opened is kept. */
  static async start(options: BenchOptions, keep: <Kept extends Closable>(thing: Kept) => Kept): Promise<TailBench> {
    const { quick, tiny, onProgress: say = () => {} } = options;
    say("starting five nodes");
    const bench = new TailBench(keep(await TailCluster.start()), keep(new LoadProcess()), tiny ? 50 : 5_000);
    say("filling");
    await bench.fill();
    say("warming up, and measuring the most it takes");
    await bench.warmUp(tiny ? 100 : quick ? 3 : 1);
    if (!tiny) keep(new AwakeCores());
    return bench;
  }

  /** Hedging off and on under the same fault, the same keys and the same schedule. Who goes first, alternates. */
  async compare(loop: OpenLoop, fault: Fault, round: number): Promise<Pair> {
    const measure = (more: string) => this.measure(loop, fault, `round ${round} of ${fault.name}`, more);
    if (round % 2 === 0) {
      const off = await measure("&hedge=never");
      return { off, on: await measure("") };
    }
    const on = await measure("");
    return { off: await measure("&hedge=never"), on };
  }

  private async fill(): Promise<void> {
    const { errors } = await this.load.run({ ...this.base, arrivals: { kind: "each" }, underWayMax: FILLERS });
    if (errors.length > 0) throw new Error(`keys could not be written: ${JSON.stringify(errors)}`);
  }

  /** Until the rate rises no more: that is the most it takes. */
  private async warmUp(shorter: number): Promise<void> {
    const closed: LoadPlan = { ...this.base, arrivals: { kind: "closed" }, underWayMax: FILLERS };
    for (let turn = 0; turn < WARM_UP_TURNS_MAX; turn++) {
      const { answered, seconds, errors } = await this.load.run({ ...closed, lastingMs: WARM_UP_TURN_MS / shorter });
      if (answered === 0) throw new Error(`no key could be read: ${JSON.stringify(errors)}`);
      const before = this.mostPerSecond;
      this.mostPerSecond = Math.max(before, answered / seconds);
      if (this.mostPerSecond < RISE * before) return;
    }
  }

  private async measure(loop: OpenLoop, fault: Fault, seed: string, more: string): Promise<Side> {
    const { cluster, base } = this;
    const { perSecond, lastingMs } = loop;
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
