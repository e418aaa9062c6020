/**
 * Outlives the process of a test: when that one ends, however it does, this one
 * kills the nodes it has left, removes their folder, and is gone. A paused node
 * cannot notice that it is alone, and a killed test cannot clean up.
 */
import { rmSync } from "node:fs";

/** The nodes' processes from now on. */
export interface Watched {
  readonly pids: readonly number[];
}

const [folder] = process.argv.slice(2) as [string];
let pids: readonly number[] = [];

function finish(): void {
  for (const pid of pids) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It had ended by itself.
    }
  }
  // A killed process may still hold its files for a moment.
  rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  process.exit(0);
}

process.on("message", (message) => {
  pids = (message as Watched).pids;
});
process.once("disconnect", finish);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});
if (!process.connected) finish();
