/**
 * A process of ours: its first message, its last words, and how it ended.
 *
 * It inherits nothing of how this process was started: neither flags
 * (--inspect, --test, loaders) nor NODE_OPTIONS nor arguments.
 */
import { type ChildProcess, fork } from "node:child_process";
import { createInterface } from "node:readline";
import { within } from "./deadline.js";

export interface ForkOptions {
  /** Beside the environment of this process. */
  readonly env?: Readonly<Record<string, string>>;
  /** In a process group of its own, so that Ctrl-C in a terminal does not reach it. */
  readonly detached?: boolean;
  /** Gets every line of its log. */
  readonly onLine?: (line: string) => void;
}

const LINES_KEPT = 30;
/** A killed process ends as soon as the system gets to it. */
const END_DEADLINE_MS = 10_000;

export class Forked {
  /** How it ended, in words; after its last line. */
  readonly ended: Promise<string>;
  hasEnded = false;
  private readonly lines: string[] = [];
  private readonly child: ChildProcess;

  constructor(file: string, argv: readonly string[], options: ForkOptions = {}) {
    const { NODE_OPTIONS: _options, NODE_V8_COVERAGE: _coverage, ...inherited } = process.env;
    this.child = fork(file, argv, {
      env: { ...inherited, ...options.env },
      execArgv: [],
      detached: options.detached ?? false,
      serialization: "advanced",
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    });
    createInterface({ input: this.child.stderr as NodeJS.ReadableStream }).on("line", (line) => {
      this.lines.push(line);
      if (this.lines.length > LINES_KEPT) this.lines.shift();
      options.onLine?.(line);
    });
    this.ended = new Promise<string>((resolve) => {
      this.child.once("close", (code, signal) => resolve(signal ?? `exit code ${code}`));
      // Also comes for a message to one that has just died; only without a process it is the end.
      this.child.on("error", (error) => this.child.pid === undefined && resolve(error.message));
    }).then((ending) => {
      this.hasEnded = true;
      return ending;
    });
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  get exitCode(): number | null {
    return this.child.exitCode;
  }

  /** The end of its log. */
  get lastLines(): string {
    return this.lines.join("\n");
  }

  /** Its first message; undefined when it ended without one. */
  firstMessage<Message>(): Promise<Message | undefined> {
    const message = new Promise<Message>((resolve) => this.child.once("message", (first) => resolve(first as Message)));
    return Promise.race([message, this.ended.then(() => undefined)]);
  }

  onMessage(receiver: (message: unknown) => void): void {
    this.child.on("message", receiver);
  }

  send(message: object): void {
    if (this.child.connected) this.child.send(message);
  }

  signal(signal: NodeJS.Signals): void {
    if (!this.hasEnded) this.child.kill(signal);
  }

  /** Kills it; comes back when it is gone, paused as it may have been. */
  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await within(END_DEADLINE_MS, this.ended, () => `process ${this.pid} does not end when killed`);
  }

  /** Lets this process end while that one runs; it is then told so by its channel. */
  unref(): void {
    this.child.unref();
    this.child.channel?.unref();
    (this.child.stderr as unknown as { unref(): void } | null)?.unref();
  }
}
