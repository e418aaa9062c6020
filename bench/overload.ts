/**
 * More than a cluster can take: three real nodes under six tenths to ten times the
 * load that they were measured to take, half reads and half writes at QUORUM,
 * in an open loop, and then under half of it. What counts is what was answered in time, against the best of
 * all loads of the same arm; beside it, the same nodes that refuse nothing until their limits are reached.
 *
 * Each request is thought to be of a client of its own, of which only so many have a connection: what is due while all
 * of them wait for an answer is not sent, and fails. The generator runs on the machine that it loads, and takes the more
 * of it the more it sends: what it takes, what the nodes could use, and what they answered for it is told as
 * well, and what the generator sends to a server that does nothing.
 */
import { DEFAULT_LIMITS, type Limits } from "../src/config.js";
import { NEVER_SENT, NO_ROOM } from "../src/load/exchange.js";
import { LoadProcess } from "../src/load/load-process.js";
import type { LoadPlan } from "../src/load/plan.js";
import { type LoadReport, merged } from "../src/load/report.js";
import type { TestCluster } from "../src/testing/cluster.js";
import { startCluster } from "../src/testing/start-cluster.js";
import { closingAfter } from "./closing.js";
import { PlainServer } from "./plain-server.js";
import { cpuMicros, residentMib } from "./processes.js";
import type { BenchOptions, Result, Row } from "./report.js";

const FACTORS = [0.6, 0.8, 1, 2, 5, 10];
const TIMEOUT_MS = 1_000;
const NOT_SENT: ReadonlySet<string> = new Set([NEVER_SENT, NO_ROOM]);
const SAMPLE_MS = 200;
const UNDER_WAY_MAX = 1_500;
const CLOSED_UNDER_WAY = 64;
/** After the load has fallen, a slice of this length in which fewer than one in a hundred fail is what it was before. */
const SLICE_MS = 500;
const SLICES_MAX = 40;
const FAILED_SHARE_MAX = 0.01;

interface Sizes {
  readonly keys: number;
  readonly warmUpMs: number;
  readonly lastingMs: number;
  /** Instead of what is measured. */
  readonly capacity?: number;
}

/** Admission is off where nothing is ever so late. */
const ARMS: readonly (readonly [name: string, limits: Limits])[] = [
  ["on", DEFAULT_LIMITS],
  ["off", { ...DEFAULT_LIMITS, admissionWaitMs: 60_000, refusalHoldMsMax: 0 }],
];

export async function run({ quick, tiny, onProgress: say = () => {} }: BenchOptions): Promise<Result> {
  const sizes: Sizes = tiny
    ? { keys: 50, warmUpMs: 50, lastingMs: 100, capacity: 200 }
    : { keys: 5_000, warmUpMs: quick ? 3_000 : 6_000, lastingMs: quick ? 3_000 : 10_000 };
  const rows: Row[] = [];
  const recoveries: string[] = [];
  say("what the generator sends to a server that does nothing");
  const most = await generatorMost(sizes);
  for (const [name, limits] of ARMS) {
    say(`shedding ${name}: starting`);
    const arm = await closingAfter(async (keep) => {
      const cluster = await startCluster({ nodes: 3, durability: "os", limits });
      keep({ close: () => cluster.stop() });
      return new Arm(cluster, keep(new LoadProcess()), sizes).measure((text) => say(`shedding ${name}: ${text}`));
    });
    rows.push(...arm.rows.map((row) => ({ shedding: name, ...row })));
    recoveries.push(`shedding ${name}: ${arm.recovery}`);
  }
  return {
    name: "overload",
    command: "npm run bench -- overload",
    title: "QUORUM reads and writes at up to ten times what three nodes take, open loop",
    columns: [
      { name: "shedding", isLabel: true },
      { name: "load", isLabel: true },
      ...["due/s", "sent/s", "good/s", "of the best %", "refused/s", "silent/s", "p50 ms", "p99 ms"].map((each) => ({
        name: each,
      })),
      ...["RSS MiB", "nodes' CPU", "generator's CPU", "generator's lag ms", "good per CPU second"].map((each) => ({
        name: each,
      })),
    ],
    rows,
    charted: "good/s",
    reference: "off",
    notes: [
      ...recoveries,
      `Good is what was answered well within ${TIMEOUT_MS} ms of when it was due; times are of those and of the silent ones.`,
      `Due, and not sent: ${UNDER_WAY_MAX} were under way, or no connection was open. CPU in cores, RSS is the most of any node, lag the p99 of the generator's event loop.`,
      `The generator alone: ${most.toFixed(0)} requests a second, of a server that has nothing, with ${CLOSED_UNDER_WAY} under way.`,
    ],
  };
}

/** Closed loop against one node:http server that answers 404 to everything. */
async function generatorMost({ warmUpMs }: Sizes): Promise<number> {
  return closingAfter(async (keep) => {
    const server = keep(await PlainServer.start());
    const load = keep(new LoadProcess());
    const plan = { ...planFor([`http://127.0.0.1:${server.port}`], 1), readShare: 1 };
    const closed = {
      ...plan,
      arrivals: { kind: "closed" },
      lastingMs: warmUpMs,
      underWayMax: CLOSED_UNDER_WAY,
    } as const;
    await load.run(closed);
    const { errors, seconds } = await load.run(closed);
    return errors.reduce((sum, [, count]) => sum + count, 0) / seconds;
  });
}

function planFor(urls: readonly string[], keys: number): LoadPlan {
  return {
    ...{ urls, bucket: "overload", keys, distribution: "uniform", valueBytes: 100, readShare: 0.5 },
    readQuery: `r=QUORUM&timeout=${TIMEOUT_MS}ms`,
    writeQuery: `w=QUORUM&timeout=${TIMEOUT_MS}ms`,
    ...{ arrivals: { kind: "each" }, lastingMs: 0, timeoutMs: 5 * TIMEOUT_MS, underWayMax: 32, seed: "overload" },
  };
}

interface Sample {
  readonly report: LoadReport;
  readonly nodesCores: number | undefined;
  readonly rssMib: number | undefined;
}

class Arm {
  private readonly base: LoadPlan;
  private readonly pids: readonly (number | undefined)[];

  constructor(
    cluster: TestCluster,
    private readonly load: LoadProcess,
    private readonly sizes: Sizes,
  ) {
    this.pids = cluster.nodes.map(({ pid }) => pid);
    this.base = planFor(cluster.urls, sizes.keys);
  }

  async measure(say: (text: string) => void): Promise<{ rows: Row[]; recovery: string }> {
    const { warmUpMs, lastingMs } = this.sizes;
    await this.load.run(this.base);
    say("measuring what it takes");
    const closed = {
      ...this.base,
      arrivals: { kind: "closed" },
      lastingMs: warmUpMs,
      underWayMax: CLOSED_UNDER_WAY,
    } as const;
    await this.load.run(closed);
    const { answered, seconds } = await this.load.run(closed);
    const capacity = this.sizes.capacity ?? answered / seconds;
    const before = this.rssMib();
    const samples: { factor: number; sample: Sample }[] = [];
    for (const factor of FACTORS) {
      say(`${factor} x ${capacity.toFixed(0)}/s`);
      samples.push({ factor, sample: await this.sample(factor * capacity, lastingMs) });
    }
    const recovery = await this.recovery(capacity / 2);
    const best = Math.max(...samples.map(({ sample }) => sample.report.answered / sample.report.seconds));
    const memory = `RSS ${before?.toFixed(0)} MiB before, ${this.rssMib()?.toFixed(0)} MiB after`;
    return {
      rows: samples.map(({ factor, sample }) => rowOf(factor, sample, best)),
      recovery: `${capacity.toFixed(0)}/s in a closed loop; after the greatest load, at half of that, ${recovery}; ${memory}.`,
    };
  }

  private async sample(perSecond: number, lastingMs: number): Promise<Sample> {
    const cpuBefore = cpuMicros(this.pids);
    let rssMib = this.rssMib();
    const sampling = setInterval(() => {
      rssMib = Math.max(rssMib ?? 0, this.rssMib() ?? 0);
    }, SAMPLE_MS);
    const arrivals = { kind: "poisson", perSecond } as const;
    const plan = {
      ...this.base,
      arrivals,
      lastingMs,
      timeoutMs: TIMEOUT_MS,
      underWayMax: UNDER_WAY_MAX,
      failsBeyondMax: true,
    };
    const report = await this.load.run(plan);
    clearInterval(sampling);
    const cpuAfter = cpuMicros(this.pids);
    const isKnown = cpuBefore !== undefined && cpuAfter !== undefined;
    return { report, rssMib, nodesCores: isKnown ? (cpuAfter - cpuBefore) / 1e6 / report.seconds : undefined };
  }

  /** How long it takes until a load that it can bear is borne. */
  private async recovery(perSecond: number): Promise<string> {
    const startMs = performance.now();
    for (let slice = 0; slice < SLICES_MAX; slice++) {
      const beganMs = performance.now() - startMs;
      const { report } = await this.sample(perSecond, SLICE_MS);
      const failed = report.errors.reduce((sum, [, count]) => sum + count, 0);
      if (failed <= FAILED_SHARE_MAX * (report.answered + failed))
        return `well again within ${(beganMs / 1000).toFixed(1)} s`;
    }
    return `not well again within ${((performance.now() - startMs) / 1000).toFixed(0)} s`;
  }

  private rssMib(): number | undefined {
    const all = this.pids.flatMap((pid) => residentMib(pid) ?? []);
    return all.length === 0 ? undefined : Math.max(...all);
  }
}

function rowOf(factor: number, { report, rssMib, nodesCores }: Sample, best: number): Row {
  const { answered, seconds, errors, cpuMicros: generatorMicros } = report;
  const good = answered / seconds;
  const failed = (isKind: (code: string) => boolean) =>
    errors.reduce((sum, [code, count]) => sum + (isKind(code) ? count : 0), 0) / seconds;
  const neverSent = failed((code) => NOT_SENT.has(code));
  const all = merged([report.reads, report.writes]);
  return {
    load: `${factor} x`,
    "due/s": good + failed(() => true),
    "sent/s": good + failed(() => true) - neverSent,
    "good/s": good,
    "of the best %": (100 * good) / best,
    "refused/s": failed((code) => code === "overloaded"),
    "silent/s": failed((code) => code !== "overloaded" && !NOT_SENT.has(code)),
    "p50 ms": all.quantile(0.5),
    "p99 ms": all.quantile(0.99),
    "RSS MiB": rssMib,
    "nodes' CPU": nodesCores,
    "generator's CPU": generatorMicros / 1e6 / seconds,
    "generator's lag ms": report.loopLagMs,
    "good per CPU second": nodesCores === undefined || nodesCores === 0 ? undefined : good / nodesCores,
  };
}
