/**
 * `murmur top`: the keys that a cluster is asked for most, over all nodes, live.
 *
 * Each node counts what it coordinates, in a sketch of bounded size; here the
 * rates of all nodes are summed up. A rate may be off by the error beside it: a key that no
 * node holds among its hottest is not shown, however often all of them are asked for it.
 */
import type { TopReport } from "../http/store.js";
import type { ClusterOptions } from "./cluster.js";
import { countOf } from "./count.js";
import { askEach, type Said, sayFailures, silentOf } from "./each-node.js";
import { EXIT, type ExitCode } from "./exit.js";
import { Waits } from "./signals.js";
import { figure, paint, print, printJson, say, shown, table } from "./terminal.js";

export interface TopOptions extends ClusterOptions {
  readonly once?: boolean;
  readonly limit?: string;
}

type TopKey = TopReport["keys"][number];

const EVERY_MS = 2000;
const KEYS_SHOWN = 20;
const KEYS_SHOWN_MAX = 9999;
const CLEAR = "\u001b[H\u001b[2J";

/** Ends at Ctrl-C, or after one table with `--once`. */
export async function top(options: TopOptions): Promise<ExitCode> {
  const keysMax = options.limit === undefined ? KEYS_SHOWN : countOf("--limit", options.limit, KEYS_SHOWN_MAX);
  const waits = new Waits(() => process.exit(EXIT.ok));
  try {
    do {
      show(await askEach<TopReport>(options, "/v1/top"), keysMax, options);
    } while (!options.once && (await waits.wait(EVERY_MS)));
  } finally {
    waits.end();
  }
  return EXIT.ok;
}

function show(said: readonly Said<TopReport>[], keysMax: number, { json, once }: TopOptions): void {
  const keys = summedUp(said.flatMap(({ status }) => status ?? [])).slice(0, keysMax);
  if (json) return printJson({ at: Date.now(), silent: silentOf(said), keys });
  if (process.stdout.isTTY && !once) process.stdout.write(CLEAR);
  const rows = keys.map(({ bucket, key, readsPerSecond, writesPerSecond, errorPerSecond }) => [
    ...[readsPerSecond, writesPerSecond].map(figure),
    errorPerSecond === 0 ? "" : `± ${figure(errorPerSecond)}`,
    ...[bucket, key].map(shown),
  ]);
  const heads = ["reads/s", "writes/s", "", "bucket", "key"].map((head) => paint("bold", head));
  print(table([heads, ...rows], [0, 1, 2]));
  if (keys.length === 0) say("nobody asks for anything at present");
  sayFailures(said);
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
