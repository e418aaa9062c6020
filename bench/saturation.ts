/**
 * Where hedging begins to hurt: the latency at a quarter, a half, three quarters
 * and nine tenths of what the machine takes, with hedging off and on, while one
 * replica stops for 150 ms each second. A spare question is work, and work is
 * what a loaded cluster has too much of.
 */
import { allErrors } from "../src/load/report.js";
import { extraReadsPercent, summed } from "../src/load/scrape.js";
import { closingAfter } from "./closing.js";
import type { BenchOptions, Result, Row } from "./report.js";
import { TailBench } from "./tail-bench.js";
import { STOPS } from "./tail-faults.js";
import { allReads, type Pair, panelOf, SIDES, type SideName } from "./tail-result.js";

const SHARES = [0.25, 0.5, 0.75, 0.9];
const PERCENTILES = [
  ["p50 ms", 0.5],
  ["p99 ms", 0.99],
  ["p99.9 ms", 0.999],
] as const;

interface Load {
  readonly share: number;
  readonly perSecond: number;
  readonly rounds: Pair[];
}

export async function run(options: BenchOptions): Promise<Result> {
  const { tiny, quick, onProgress: say = () => {} } = options;
  return closingAfter(async (keep) => {
    const bench = await TailBench.start(options, keep);
    const [rounds, lastingMs] = tiny ? [1, 200] : quick ? [1, 2_000] : [3, 4_000];
    const most = tiny ? 1_000 : bench.mostPerSecond;
    const loads: Load[] = SHARES.map((share) => ({ share, perSecond: Math.round(share * most), rounds: [] }));
    for (let round = 0; round < rounds; round++) {
      for (const { perSecond, rounds: done } of loads) {
        say(`round ${round + 1} of ${rounds} at ${perSecond}/s`);
        done.push(await bench.compare({ perSecond, lastingMs }, STOPS, round));
      }
    }
    return {
      name: "saturation",
      command: "npm run bench -- saturation",
      title: `QUORUM reads over load, hedging off and on, 5 nodes: ${STOPS.name}`,
      columns: [
        { name: "of the most", isLabel: true },
        { name: "hedging", isLabel: true },
        ...["reads/s", ...PERCENTILES.map(([name]) => name), "extra reads %", "refused", "errors"].map((name) => ({
          name,
        })),
      ],
      rows: loads.flatMap((load) => SIDES.map((side) => rowOf(load, side))),
      notes: [
        `${rounds} alternating rounds of ${(lastingMs / 1000).toFixed(1)} s, open loop; the most in a closed loop: ${bench.mostPerSecond.toFixed(0)} reads/s.`,
        "Percentiles are of all rounds together, and only those with ten samples above.",
      ],
      panels: loads.map(({ share, perSecond, rounds: done }) => panelOf(`${percent(share)}: ${perSecond}/s`, done)),
    };
  });
}

function rowOf({ share, perSecond, rounds }: Load, name: SideName): Row {
  const reads = allReads(rounds, name);
  const sides = rounds.map((round) => round[name]);
  const counts = summed(sides.map((side) => side.counts));
  const errors = [...allErrors(sides.map(({ report }) => report)).values()];
  return {
    "of the most": percent(share),
    hedging: name,
    "reads/s": perSecond,
    ...Object.fromEntries(PERCENTILES.map(([percentile, part]) => [percentile, reads.quantile(part)])),
    "extra reads %": extraReadsPercent(counts),
    refused: counts.hedges.get("refused") ?? 0,
    errors: errors.reduce((sum, count) => sum + count, 0),
  };
}

function percent(share: number): string {
  return `${100 * share} %`;
}
