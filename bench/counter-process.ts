/** A process of clients that count up: so that what they cost is not taken for the store's. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Counts } from "../src/load/histogram.js";
import type { Arm } from "./counter-arms.js";

export interface CounterOrder {
  readonly urls: readonly string[];
  readonly datacenter: string;
  readonly arm: Arm;
  readonly keys: number;
  readonly callers: number;
  /** Increments that one call asks for. */
  readonly perCall: number;
  readonly lastingMs: number;
  readonly timeoutMs: number;
}

export interface CounterReport {
  /** Increments by one. Unknown: an error that may have been applied. */
  readonly acknowledged: number;
  readonly unknown: number;
  readonly failed: number;
  readonly seconds: number;
  readonly cpuMicros: number;
  /** That went to coordinators, and that came back. */
  readonly bytesOut: number;
  readonly bytesIn: number;
  /** How long calls took, of some of the callers. */
  readonly tookMs: Counts;
}

export function counterName(key: number): string {
  return `counter ${key}`;
}

const CHILD = fileURLToPath(new URL("./counter-child.js", import.meta.url));

export class CounterProcess {
  private readonly child: ChildProcess = fork(CHILD, { execArgv: [] });
  private readonly ended = once(this.child, "exit").then(() => undefined);

  /** One run at a time. */
  async run(order: CounterOrder): Promise<CounterReport> {
    const report = once(this.child, "message");
    this.child.send(order);
    const first = await Promise.race([report, this.ended]);
    if (first === undefined) throw new Error("a process that counts ended before its report");
    return first[0] as CounterReport;
  }

  async close(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.child.kill("SIGKILL");
    await this.ended;
  }
}
