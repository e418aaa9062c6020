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
/** Linux's own class for what may only run when nobody else would, whatever class the bench was started in. */
const IDLE_CLASS = { execPath: "chrt", execArgv: ["--idle", "0", process.execPath] };
/** Between looks at whether anybody still needs it. */
const SPIN_MS = 5;

export class AwakeCores implements Closable {
  private readonly children: readonly ChildProcess[] = Array.from({ length: availableParallelism() }, () => {
    const child = fork(FILE, IDLE_CLASS);
    // Without that command the lowest priority of the ordinary class must do.
    child.once("error", () => this.forkNice());
    return child;
  });
  private readonly nice: ChildProcess[] = [];

  async close(): Promise<void> {
    const running = [...this.children, ...this.nice].filter(
      ({ pid, exitCode }) => pid !== undefined && exitCode === null,
    );
    await Promise.all(
      running.map(async (child) => {
        const exited = once(child, "exit");
        child.kill("SIGKILL");
        await exited;
      }),
    );
  }

  private forkNice(): void {
    const child = fork(FILE);
    this.nice.push(child);
    if (child.pid !== undefined) setPriority(child.pid, constants.priority.PRIORITY_LOW);
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
