/**
 * One node of `murmur up`: its process, what it reports, and how it ended.
 *
 * The children stay in the terminal's process group, so that Ctrl-Z pauses all
 * of them; each ends by itself when the IPC channel to a killed parent closes.
 */
import { type ChildProcess, fork } from "node:child_process";
import { createInterface } from "node:readline";
import { type NodeReport, type ReadyReport, STARTED_BY_UP } from "./node-report.js";

/** How a process ended, in words. */
export type Ending = string;

export class NodeProcess {
  /** What it said when it was ready, or why it never was. */
  readonly started: Promise<ReadyReport | { readonly type: "failed"; readonly message: string }>;
  readonly ended: Promise<Ending>;
  hasEnded = false;
  private readonly process: ChildProcess;

  /** `onLine` gets every line of its log. */
  constructor(
    readonly id: string,
    mainFile: string,
    argv: readonly string[],
    onLine: (line: string) => void,
  ) {
    const env = { ...process.env, [STARTED_BY_UP]: "1" };
    const child = fork(mainFile, ["node", id, ...argv], { env, stdio: ["ignore", "ignore", "pipe", "ipc"] });
    this.process = child;
    let lastLine = "";
    createInterface({ input: child.stderr as NodeJS.ReadableStream }).on("line", (line) => {
      lastLine = line;
      onLine(line);
    });
    this.ended = new Promise((resolve) => {
      child.once("error", (error) => resolve(error.message));
      // "close" comes after the last line of the log, "exit" may come before.
      child.once("close", (code, signal) => resolve(signal ?? `exit code ${code}`));
    }).then((ending) => {
      this.hasEnded = true;
      return ending as Ending;
    });
    const reported = new Promise<NodeReport>((resolve) =>
      child.once("message", (report) => resolve(report as NodeReport)),
    );
    const endedFirst = this.ended.then((ending) => ({ type: "failed" as const, message: `${ending}: ${lastLine}` }));
    this.started = Promise.race([reported, endedFirst]);
  }

  stop(signal: "SIGTERM" | "SIGKILL"): void {
    if (!this.hasEnded) this.process.kill(signal);
  }
}
