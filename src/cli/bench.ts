/**
 * `murmur bench`: how long the user's own cluster takes to answer, under a load
 * that does not wait for it. Requests become due at a steady rate, as of many
 * independent clients, and are timed from when they were due.
 */
import { randomInt } from "node:crypto";
import { keyPath } from "../base/key-path.js";
import type { ClusterStatus } from "../http/store.js";
import { LoadProcess } from "../load/load-process.js";
import { type Distribution, KEYS_MAX, keyName, type LoadPlan, MIXES } from "../load/plan.js";
import { allErrors } from "../load/report.js";
import { between, type HedgeCounts, scrape } from "../load/scrape.js";
import { checkBucket } from "./addresses.js";
import { type BenchSide, printBench } from "./bench-report.js";
import { askJson, type Cluster, type ClusterOptions, openCluster, problemFailure, urlOf } from "./cluster.js";
import { countOf } from "./count.js";
import { CommandFailure, EXIT, type ExitCode, usage } from "./exit.js";
import { ProgressLine } from "./progress.js";
import { onStopSignals } from "./signals.js";
import { counted, grouped, say } from "./terminal.js";

export interface BenchOptions extends ClusterOptions {
  readonly rate: string;
  readonly seconds: string;
  readonly mix: string;
  readonly keys: string;
  readonly distribution: Distribution;
  readonly valueBytes: string;
  readonly bucket: string;
  readonly consistency: string;
  readonly hedge?: string;
  readonly compare?: boolean;
}

const RATE_MAX = 100_000;
const SECONDS_MAX = 86_400;
const VALUE_BYTES_MAX = 1_048_576;
/** Sides of a comparison take turns, so that both meet the same noise. */
const ROUNDS = 5;
const FILLERS = 32;
const UNDER_WAY_MAX = 512;
const TIMEOUT_MS = 10_000;
/** What `--compare` puts beside the cluster's own policy. */
const NEVER = "never";
const DEFAULT = "default";

export async function bench(options: BenchOptions): Promise<ExitCode> {
  const plan = planOf(options);
  const cluster = await openCluster(options);
  const urls = await urlsOf(cluster, options);
  await tryOut(cluster, options);
  const run = new BenchRun({ ...plan, urls }, options);
  const offSignals = onStopSignals(
    () => run.stop(),
    () => process.exit(EXIT.failure),
  );
  try {
    const sides = await run.finish();
    const measured = sides.filter(({ reports }) => reports.length > 0);
    if (measured.length === 0) throw new CommandFailure(EXIT.failure, "stopped before anything was measured");
    const { urls: nodes, bucket, keys, distribution, valueBytes, readShare } = run.plan;
    const settings = { nodes, bucket, keys, distribution, valueBytes, readShare, consistency: options.consistency };
    printBench(measured, { ...settings, rate: Number(options.rate) }, options.json === true);
    const isAnswered = measured.some(({ reports }) => reports.some(({ answered }) => answered > 0));
    return isAnswered && !run.isStopping ? EXIT.ok : EXIT.failure;
  } finally {
    offSignals();
    await run.close();
  }
}

/** Fills the bucket, then measures each side in turn. */
class BenchRun {
  isStopping = false;
  private readonly load = new LoadProcess();

  constructor(
    readonly plan: LoadPlan,
    private readonly options: BenchOptions,
  ) {}

  async finish(): Promise<readonly BenchSide[]> {
    await this.fill();
    const { compare, hedge = DEFAULT } = this.options;
    const sides = (compare ? [NEVER, DEFAULT] : [hedge]).map((each): BenchSide => {
      return { hedge: each, reports: [], counts: [] };
    });
    for (let round = 0; round < ROUNDS; round++) {
      for (const side of round % 2 === 0 ? sides : sides.toReversed()) await this.measure(side, round);
    }
    return sides;
  }

  stop(): void {
    this.isStopping = true;
    this.load.stop();
  }

  close(): Promise<void> {
    return this.load.close();
  }

  private async fill(): Promise<void> {
    const { bucket, keys, valueBytes } = this.plan;
    say(`writing ${counted(keys, "key")} of ${counted(valueBytes, "byte")} into the bucket ${bucket}; they stay there`);
    const plan: LoadPlan = { ...this.plan, arrivals: { kind: "each" }, underWayMax: FILLERS };
    const report = await this.run(plan, (_elapsedMs, answered) => answered / keys, "written");
    const [worst] = allErrors([report]);
    if (worst === undefined) return;
    throw new CommandFailure(EXIT.failure, `${counted(worst[1], "key")} could not be written: ${worst[0]}`);
  }

  /** One round of a side. Both sides of a round ask for the same keys at the same moments. */
  private async measure(side: BenchSide, round: number): Promise<void> {
    const { plan } = this;
    const readQuery =
      side.hedge === DEFAULT ? plan.readQuery : `${plan.readQuery}&hedge=${encodeURIComponent(side.hedge)}`;
    const before = this.isStopping ? undefined : await countsOf(plan.urls);
    if (this.isStopping) return;
    const seeded = { ...plan, readQuery, seed: `${plan.seed}/${round}` };
    const name = `round ${round + 1} of ${ROUNDS}, hedge ${side.hedge}`;
    side.reports.push(await this.run(seeded, (elapsedMs) => elapsedMs / plan.lastingMs, name));
    const after = await countsOf(plan.urls);
    side.counts.push(before && after && between(before, after));
  }

  private async run(plan: LoadPlan, shareOf: (elapsedMs: number, answered: number) => number, name: string) {
    let [share, text] = [0, name];
    const line = new ProgressLine(() => ({ share, text }));
    try {
      return await this.load.run(plan, ({ elapsedMs, answered, failed }) => {
        share = shareOf(elapsedMs, answered);
        text = `${name}: ${grouped(answered)} answered${failed > 0 ? `, ${grouped(failed)} failed` : ""}`;
      });
    } finally {
      line.end();
    }
  }
}

function planOf(options: BenchOptions): LoadPlan {
  const { bucket, distribution, consistency, hedge, compare } = options;
  checkBucket(bucket);
  if (hedge !== undefined && compare) throw usage("--compare measures never beside the default: leave out --hedge");
  const readShare = MIXES[options.mix];
  if (readShare === undefined)
    throw usage(`--mix: expected one of ${Object.keys(MIXES).join(", ")}, found ${options.mix}`);
  const perSecond = countOf("--rate", options.rate, RATE_MAX);
  const seconds = countOf("--seconds", options.seconds, SECONDS_MAX);
  return {
    urls: [],
    bucket,
    keys: countOf("--keys", options.keys, KEYS_MAX),
    distribution,
    valueBytes: countOf("--value-bytes", options.valueBytes, VALUE_BYTES_MAX),
    readShare,
    readQuery: `r=${encodeURIComponent(consistency)}`,
    writeQuery: `w=${encodeURIComponent(consistency)}`,
    arrivals: { kind: "poisson", perSecond },
    lastingMs: (seconds * 1000) / ROUNDS,
    timeoutMs: TIMEOUT_MS,
    underWayMax: UNDER_WAY_MAX,
    seed: randomInt(2 ** 32),
  };
}

/** All nodes that are up, as the first that answers sees it; with --node that one alone. */
async function urlsOf(cluster: Cluster, options: BenchOptions): Promise<readonly string[]> {
  const { nodes } = await askJson<ClusterStatus>(cluster, "/v1/cluster");
  if (options.node !== undefined) return cluster.urls;
  return nodes.filter(({ state }) => state === "up").map(urlOf);
}

/** One write and one read: what is refused by itself is told in the cluster's words, not as ten thousand errors. */
async function tryOut(cluster: Cluster, { bucket, consistency, hedge }: BenchOptions): Promise<void> {
  const path = keyPath(bucket, keyName(0));
  const written = await cluster.ask({ method: "PUT", path, query: { w: consistency }, body: Buffer.from("murmur") });
  if (written.status >= 300) throw problemFailure(written);
  const read = await cluster.ask({ method: "GET", path, query: { r: consistency, hedge } });
  if (read.status !== 200) throw problemFailure(read);
}

/** A node that does not tell makes the figures unknown, not the bench fail. */
function countsOf(urls: readonly string[]): Promise<HedgeCounts | undefined> {
  return scrape(urls).catch(() => undefined);
}
