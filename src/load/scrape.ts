/**
 * What the nodes themselves counted, summed over them: the difference of two
 * scrapes of /metrics tells what a run cost inside the cluster.
 */
import { get } from "node:http";

export interface HedgeCounts {
  readonly reads: number;
  /** Spare questions by outcome, as the nodes name them: sent, won, wasted, refused. */
  readonly hedges: ReadonlyMap<string, number>;
}

export const OUTCOMES = ["sent", "won", "wasted", "refused"] as const;

const PATIENCE_MS = 5000;
const READS = "murmur_reads_total";
const HEDGES = "murmur_hedges_total";
const SAMPLE = /^(\w+)(?:\{(.*)\})? (\S+)$/;
const OUTCOME = /\boutcome="(\w+)"/;

export async function scrape(urls: readonly string[]): Promise<HedgeCounts> {
  const texts = await Promise.all(urls.map((url) => textOf(`${url}/metrics`)));
  return countsOf(texts.join("\n"));
}

/** The sums of the samples of one or several nodes, in the text format of Prometheus. */
export function countsOf(text: string): HedgeCounts {
  let reads = 0;
  const hedges = new Map<string, number>(OUTCOMES.map((outcome) => [outcome, 0]));
  for (const line of text.split("\n")) {
    const [, name, labels = "", value] = SAMPLE.exec(line) ?? [];
    if (name === READS) reads += Number(value);
    const outcome = name === HEDGES ? OUTCOME.exec(labels)?.[1] : undefined;
    if (outcome !== undefined) hedges.set(outcome, (hedges.get(outcome) ?? 0) + Number(value));
  }
  return { reads, hedges };
}

/** What came on top between two scrapes. */
export function between(before: HedgeCounts, after: HedgeCounts): HedgeCounts {
  const since = ([outcome, count]: [string, number]): [string, number] => [
    outcome,
    count - (before.hedges.get(outcome) ?? 0),
  ];
  return { reads: after.reads - before.reads, hedges: new Map([...after.hedges].map(since)) };
}

export function summed(counts: readonly HedgeCounts[]): HedgeCounts {
  const hedges = new Map<string, number>();
  for (const [outcome, count] of counts.flatMap((each) => [...each.hedges])) {
    hedges.set(outcome, (hedges.get(outcome) ?? 0) + count);
  }
  return { reads: counts.reduce((sum, { reads }) => sum + reads, 0), hedges };
}

/** Spare questions for a hundred reads. */
export function extraReadsPercent({ reads, hedges }: HedgeCounts): number {
  return reads === 0 ? 0 : (100 * (hedges.get("sent") ?? 0)) / reads;
}

function textOf(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = get(url, { timeout: PATIENCE_MS }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part: string) => {
        text += part;
      });
      response.on("error", reject).on("end", () => resolve(text));
    });
    sent.on("timeout", () => sent.destroy(new Error(`${url} does not answer`)));
    sent.on("error", reject);
  });
}
