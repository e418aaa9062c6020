/**
 * `murmur conflicts`: values that registers lost without anybody having looked at them, over all nodes.
 *
 * Each node tells of the writes that went through it, and remembers the last of
 * them. No value is told: who may list what was lost may not be allowed to read it.
 */
import type { ConflictsReport, StampReport } from "../http/store.js";
import { checkBucket } from "./addresses.js";
import type { ClusterOptions } from "./cluster.js";
import { countOf } from "./count.js";
import { askEach, sayFailures, silentOf } from "./each-node.js";
import { EXIT, type ExitCode } from "./exit.js";
import { paint, print, printJson, say, shown, table } from "./terminal.js";

export interface ConflictsOptions extends ClusterOptions {
  readonly bucket?: string;
  readonly limit?: string;
}

type Conflict = ConflictsReport["conflicts"][number] & { readonly through: string };

const SHOWN = 20;
const SHOWN_MAX = 999_999;
const COLOURS = { stale: "yellow", blind: "dim", beaten: "red" } as const;

export async function conflicts(options: ConflictsOptions): Promise<ExitCode> {
  const limit = options.limit === undefined ? SHOWN : countOf("--limit", options.limit, SHOWN_MAX);
  if (options.bucket !== undefined) checkBucket(options.bucket);
  const query = { bucket: options.bucket, limit: String(limit) };
  const said = await askEach<ConflictsReport>(options, { method: "GET", path: "/v1/conflicts", query });
  const all = said
    .flatMap(({ status }) => status?.conflicts.map((each): Conflict => ({ ...each, through: status.node })) ?? [])
    .sort((a, b) => Date.parse(b.at) - Date.parse(a.at))
    .slice(0, limit);
  if (options.json) {
    printJson({ silent: silentOf(said), conflicts: all });
    return EXIT.ok;
  }
  if (all.length > 0) print(table([HEADS.map((head) => paint("bold", head)), ...all.map(rowOf)]));
  else say("no conflicts: no node remembers a value that was lost unseen");
  if (all.length > 0) say(paint("dim", LEGEND, process.stderr));
  sayFailures(said);
  return EXIT.ok;
}

const HEADS = ["bucket", "key", "kind", "lost", "by", "in favour of", "by", "through"];
const LEGEND =
  "stale: the writer had seen less than it replaced; blind: it did not say what it had seen; beaten: a later stamp won";

function rowOf({ bucket, key, sort, kind, lost, kept, through }: Conflict): string[] {
  const name = sort === undefined ? shown(key) : `${shown(key)} ${shown(sort)}`;
  const cells = [shown(bucket), name, paint(COLOURS[kind], kind)];
  return [...cells, lost.time, writerOf(lost), kept.time, writerOf(kept), through];
}

function writerOf({ node, actor }: StampReport): string {
  if (/^0+$/.test(actor)) return "a client's stamp";
  return node ?? `a former life (${actor})`;
}
