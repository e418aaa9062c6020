/** One node under torture: its process while it runs, its folder, and what is to be wrong with its clock and kernel. */
import { createWriteStream, rmSync, type WriteStream } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { within } from "../src/testing/deadline.js";
import { Forked } from "../src/testing/forked.js";
import type { NodeTask, NodeWord } from "./node-process.js";

const PROCESS_FILE = fileURLToPath(new URL("./node-process.js", import.meta.url));
const DEADLINE_MS = 60_000;

export class Member {
  /** Takes effect with the next start. */
  wallOffsetMs = 0;
  bootId = "boot 1";
  private isPaused = false;
  private isReady = false;
  private forked: Forked | undefined;
  private isMeantToEnd = false;
  private boots = 1;
  private readonly log: WriteStream;

  constructor(
    readonly id: string,
    readonly url: string,
    private readonly folder: string,
    /** It ended although nobody wanted it to. */
    private readonly onCrash: (how: string) => void,
  ) {
    this.log = createWriteStream(join(folder, `${id}.log`));
  }

  get isUp(): boolean {
    return this.forked !== undefined;
  }

  /** It can answer. */
  get isRunning(): boolean {
    return this.isUp && this.isReady && !this.isPaused;
  }

  get pid(): number | undefined {
    return this.forked?.pid;
  }

  /** Of its data. */
  get dataDir(): string {
    return join(this.folder, "data", this.id);
  }

  /** See synced.ts. */
  get noteFile(): string {
    return join(this.folder, `${this.id}.synced`);
  }

  /** Comes back with why it could not start; undefined when it is ready. */
  async start(): Promise<string | undefined> {
    const { id, noteFile, wallOffsetMs, bootId } = this;
    const task: NodeTask = { id, file: join(this.folder, `${id}.yaml`), noteFile, wallOffsetMs, bootId };
    const forked = new Forked(PROCESS_FILE, [JSON.stringify(task)], { onLine: (line) => this.log.write(`${line}\n`) });
    this.forked = forked;
    this.isMeantToEnd = false;
    this.isPaused = false;
    this.isReady = false;
    void forked.ended.then((how) => {
      if (this.forked !== forked) return;
      this.forked = undefined;
      if (!this.isMeantToEnd) this.onCrash(`${id} ended by itself: ${how}\n${forked.lastLines}`);
    });
    const first = forked.firstMessage<NodeWord>();
    const word = await within(
      DEADLINE_MS,
      first,
      () => `${id} does not get ready`,
      () => forked.lastLines,
    );
    this.isReady = word?.ok === true && this.forked === forked;
    if (this.isReady || this.isMeantToEnd) return undefined;
    this.isMeantToEnd = true;
    await forked.ended;
    return word?.ok === false ? word.message : forked.lastLines;
  }

  /** kill -9; paused or not. */
  async kill(): Promise<void> {
    await this.end("SIGKILL");
  }

  /** As an operator stops it. */
  async stop(): Promise<void> {
    await this.end("SIGTERM");
  }

  pause(): void {
    this.forked?.signal("SIGSTOP");
    this.isPaused = this.isUp;
  }

  resume(): void {
    this.isPaused = false;
    this.forked?.signal("SIGCONT");
  }

  wipe(): void {
    rmSync(this.dataDir, { recursive: true, force: true });
  }

  /** The kernel will have been started anew. */
  reboot(): void {
    this.bootId = `boot ${++this.boots}`;
  }

  private async end(signal: NodeJS.Signals): Promise<void> {
    const { forked } = this;
    if (forked === undefined) return;
    this.isMeantToEnd = true;
    this.forked = undefined;
    this.isPaused = false;
    forked.signal(signal);
    await within(
      DEADLINE_MS,
      forked.ended,
      () => `${this.id} does not end after ${signal}`,
      () => forked.lastLines,
    );
  }
}
