/**
 * `murmur top`: the keys that a cluster is asked for most, over all nodes, live.
 *
 * Each node counts what it coordinates, in a sketch of bounded size; here the
 * rates of all nodes are summed up. A rate may be off by the error beside it: a key that no
 * node holds among its hottest is not shown, however often all of them are asked for it.
 */
import type { TopReport } from "../http/store.js";
import { askEach, type ClusterOptions, type Said } from "./cluster.js";
import { EXIT, type ExitCode, usage } from "./exit.js";
import { onStopSignals } from "./signals.js";
import { figure, paint, print, printJson, say, shown, table } from "./terminal.js";

export interface TopOptions extends ClusterOptions {
  readonly once?: boolean;
  readonly limit?: string;
}

type TopKey = TopReport["keys"][number];

const EVERY_MS = 2000;
const KEYS_SHOWN = 20;
const CLEAR = "\u001b[H\u001b[2J";

/** Ends at Ctrl-C, or after one table with `--once`. */
export async function top(options: TopOptions): Promise<ExitCode> {
  const keysMax = keysOf(options.limit);
  let end: () => void = () => {};
  const ended = new Promise<"ended">((resolve) => {
    end = () => resolve("ended");
  });
  const offSignals = onStopSignals(end, () => process.exit(EXIT.ok));
  try {
    do {
      show(await askEach<TopReport>(options, "/v1/top"), keysMax, options);
    } while (!options.once && (await Promise.race([ended, elapsed(EVERY_MS)])) !== "ended");
  } finally {
    offSignals();
  }
  return EXIT.ok;
}

function keysOf(given: string | undefined): number {
  if (given === undefined) return KEYS_SHOWN;
  if (/^[1-9]\d{0,3}$/.test(given)) return Number(given);
  throw usage(`--limit: expected a number of keys from 1 to 9999, found ${JSON.stringify(given)}`);
}

function show(said: readonly Said<TopReport>[], keysMax: number, { json, once }: TopOptions): void {
  const keys = summedUp(said.flatMap(({ status }) => status ?? [])).slice(0, keysMax);
  const silent = said.flatMap(({ target, failure }) => (failure === undefined ? [] : target.node));
  if (json) return printJson({ at: Date.now(), silent, keys });
  if (process.stdout.isTTY && !once) process.stdout.write(CLEAR);
  const rows = keys.map(({ bucket, key, readsPerSecond, writesPerSecond, errorPerSecond }) => [
    ...[readsPerSecond, writesPerSecond].map(figure),
    errorPerSecond === 0 ? "" : `± ${figure(errorPerSecond)}`,
    ...[bucket, key].map(shown),
  ]);
  const heads = ["reads/s", "writes/s", "", "bucket", "key"].map((head) => paint("bold", head));
  print(table([heads, ...rows], [0, 1, 2]));
  if (keys.length === 0) say("nobody asks for anything at present");
  for (const { target, failure } of said) if (failure !== undefined) say(`${target.node}: ${failure.message}`);
}

/** One line for each key, over all nodes that coordinate it, the hottest first. */
function summedUp(reports: readonly TopReport[]): TopKey[] {
  const sums = new Map<string, TopKey>();
  for (const each of reports.flatMap(({ keys }) => keys)) {
    const name = `${each.bucket}\n${each.key}`;
    const sum = sums.get(name);
    sums.set(name, {
      ...each,
      readsPerSecond: each.readsPerSecond + (sum?.readsPerSecond ?? 0),
      writesPerSecond: each.writesPerSecond + (sum?.writesPerSecond ?? 0),
      errorPerSecond: each.errorPerSecond + (sum?.errorPerSecond ?? 0),
    });
  }
  const heat = ({ readsPerSecond, writesPerSecond }: TopKey) => readsPerSecond + writesPerSecond;
  return [...sums.values()].sort((a, b) => heat(b) - heat(a));
}

function elapsed(forMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, forMs));
}
