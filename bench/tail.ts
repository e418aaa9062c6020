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
import { closingAfter } from "./closing.js";
import type { BenchOptions, Result } from "./report.js";
import { TailBench } from "./tail-bench.js";
import { FAULTS } from "./tail-faults.js";
import { type Arm, type TailPlan, tailResult } from "./tail-result.js";

const CPU_SHARE = 0.25;
const PER_SECOND_MAX = 2000;
const ROUND_MS = 5_000;

export async function run(options: BenchOptions): Promise<Result> {
  const say = options.onProgress ?? (() => {});
  return closingAfter(async (keep) => {
    const bench = await TailBench.start(options, keep);
    const plan = planOf(options, bench.mostPerSecond);
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

function planOf({ quick, tiny }: BenchOptions, mostPerSecond: number): TailPlan {
  const most = { mostPerSecond };
  if (tiny) return { ...most, rounds: 1, perSecond: 400, lastingMs: 150 };
  const perSecond = Math.min(PER_SECOND_MAX, Math.max(50, 50 * Math.floor((mostPerSecond * CPU_SHARE) / 50)));
  if (quick) return { ...most, rounds: 2, perSecond, lastingMs: 2_000 };
  return { ...most, rounds: 5, perSecond, lastingMs: ROUND_MS };
}
