/**
 * The process of one tortured node: the node that is shipped, with a clock that
 * may be wrong, a kernel that may have been started anew, and a note of what
 * its disk has promised. It ends when the process that started it does.
 */
import { join } from "node:path";
import { loadClusterFile } from "../src/real/cluster-file.js";
import { openLog } from "../src/real/log.js";
import { startNode } from "../src/start-node.js";
import { noteSyncs } from "./synced.js";

/** The one argument, as JSON. */
export interface NodeTask {
  readonly id: string;
  readonly file: string;
  readonly noteFile: string;
  readonly wallOffsetMs: number;
  readonly bootId: string;
}

/** Its first word. */
export type NodeWord = { readonly ok: true } | { readonly ok: false; readonly message: string };

const { id, file, noteFile, ...world }: NodeTask = JSON.parse(process.argv[2] as string);
const config = loadClusterFile(file);
if (Array.isArray(config)) throw new Error(JSON.stringify(config));
const log = openLog(id, "line");
const tell = (word: NodeWord) => process.send?.(word, undefined, undefined, () => {});

noteSyncs(noteFile);
process.once("disconnect", () => process.exit(0));
process.on("SIGINT", () => {});
startNode({ config, id, dataDir: join(config.data, id), newCluster: false, log, ...world }, (outcome) => {
  if (!outcome.ok) {
    process.send?.({ ok: false, message: outcome.message } satisfies NodeWord, undefined, undefined, () =>
      process.exit(1),
    );
    return;
  }
  const { running } = outcome;
  running.onFatal((message) => {
    log.warn(`stops at once: ${message}`);
    process.exit(1);
  });
  process.once("SIGTERM", () => running.stop(() => process.exit(0)));
  tell({ ok: true });
});
