/**
 * Loaded into a node's process before the node: on SIGUSR2 it collects its garbage, all of it, and notes what is left.
 */
import { renameSync, writeFileSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** What a process holds after a full collection. */
export interface Weight {
  readonly heapUsed: number;
  /** Outside of the heap, held by objects in it. */
  readonly external: number;
}

/** The environment variable that names the file to write. */
export const WEIGHT_FILE = "MURMUR_WEIGHT_FILE";

const file = process.env[WEIGHT_FILE];
if (file !== undefined) {
  setFlagsFromString("--expose-gc");
  const collect: () => void = runInNewContext("gc");
  process.on("SIGUSR2", () => {
    // Twice: what the first one finalizes is free for the second.
    collect();
    setImmediate(() => {
      collect();
      const { heapUsed, external }: Weight = process.memoryUsage();
      writeFileSync(`${file}.new`, JSON.stringify({ heapUsed, external }));
      renameSync(`${file}.new`, file);
    });
  });
}
