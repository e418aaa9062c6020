/**
 * Cores kept awake.
 *
 * An idle virtual core goes to sleep, and on a shared host it is woken late: on
 * such a machine an idle system's timers came 10 to 40 ms late in one case of a
 * hundred, which is then what a bench of tails measures. So one process per core
 * counts at the lowest priority; whoever has work takes the core from it at once.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { availableParallelism, constants, setPriority } from "node:os";
import { fileURLToPath } from "node:url";
import type { Closable } from "./closing.js";

const FILE = fileURLToPath(import.meta.url);
/** Between looks at whether anybody still needs it. */
const SPIN_MS = 5;

export class AwakeCores implements Closable {
  private readonly children: readonly ChildProcess[] = Array.from({ length: availableParallelism() }, () => {
    const child = fork(FILE);
    if (child.pid !== undefined) setPriority(child.pid, constants.priority.PRIORITY_LOW);
    return child;
  });

  async close(): Promise<void> {
    await Promise.all(
      this.children.map(async (child) => {
        const exited = once(child, "exit");
        child.kill("SIGKILL");
        await exited;
      }),
    );
  }
}

function spin(): void {
  for (const untilMs = performance.now() + SPIN_MS; performance.now() < untilMs; );
  setImmediate(spin);
}

if (process.argv[1] === FILE) {
  process.on("disconnect", () => process.exit());
  spin();
}
