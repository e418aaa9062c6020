/**
 * One merge function of a user, in a thread of its own, with a bound on everything that it may take.
 *
 * It is asked one key at a time. A call that takes too long ends the thread, as
 * nothing else ends a loop, and a new one is started after a rest that doubles
 * while the trouble goes on: a function that always hangs must not cost a thread a read. Whoever
 * waits too long for a turn, finds the queue full or the thread gone gets no merged value, and answers with the siblings.
 */
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import type { Limits } from "../config.js";
import type { Content } from "../lattice/lattice.js";
import type { Log, Meter } from "../ports.js";
import type { MergeOrder, MergeSaid } from "./merge-thread.js";

export interface MergerHost {
  readonly limits: Pick<Limits, "mergeMsMax" | "mergesPendingMax" | "mergeHeapBytesMax" | "valueBytesMax">;
  readonly meter: Meter;
  readonly log: Log;
}

type OnMerged = (content: Content | undefined) => void;

interface Call {
  readonly order: MergeOrder;
  readonly onMerged: OnMerged;
  timer: NodeJS.Timeout;
}

type Result = "merged" | "failed" | "timeout" | "busy";

const START_MS_MAX = 10_000;
const REST_MS_MIN = 100;
const REST_MS_MAX = 10_000;
const WARNING_INTERVAL_MS = 10_000;
const MIB = 1024 * 1024;

export class Merger {
  private worker: Worker | undefined;
  private isReady = false;
  private isClosed = false;
  private running: Call | undefined;
  private readonly queue: Call[] = [];
  /** The start of a thread, or the rest before the next one. */
  private pause: NodeJS.Timeout | undefined;
  private restMs = REST_MS_MIN;
  private warnedMs = Number.NEGATIVE_INFINITY;
  private onOpened: ((refusal?: string) => void) | undefined;

  constructor(
    private readonly host: MergerHost,
    private readonly file: string,
  ) {}

  /** Starts the thread. `onOpened` comes once, with a sentence that names the place when the file is no merge function. */
  open(onOpened: (refusal?: string) => void): void {
    this.onOpened = onOpened;
    this.start();
  }

  /** `onMerged` comes once, with undefined when the siblings stay as they are. */
  merge(order: MergeOrder, onMerged: OnMerged): void {
    const { limits } = this.host;
    const isHere = this.isReady || this.worker !== undefined;
    if (this.isClosed || !isHere || this.queue.length >= limits.mergesPendingMax) return this.end(onMerged, "busy");
    const call: Call = { order, onMerged, timer: setTimeout(() => this.onWaited(call), limits.mergeMsMax) };
    this.queue.push(call);
    this.next();
  }

  close(): void {
    this.isClosed = true;
    clearTimeout(this.pause);
    this.stopWorker();
    this.onOpened = undefined;
    for (const call of [...this.takeRunning(), ...this.queue.splice(0)]) this.endCall(call, "busy");
  }

  private start(): void {
    const { mergeHeapBytesMax } = this.host.limits;
    const worker = new Worker(new URL("./merge-thread.js", import.meta.url), {
      ...{ workerData: pathToFileURL(this.file).href, argv: [], execArgv: [], env: {}, stdout: true, stderr: true },
      resourceLimits: { maxOldGenerationSizeMb: mergeHeapBytesMax / MIB, maxYoungGenerationSizeMb: 8 },
    });
    this.worker = worker;
    const ifPresent = (then: () => void) => () => {
      if (this.worker === worker) then();
    };
    worker.on("message", (said: MergeSaid) => ifPresent(() => this.onSaid(said))());
    worker.on("error", (error: Error) => ifPresent(() => this.onBroken("failed", `${this.file}: ${error.message}`))());
    worker.on(
      "exit",
      ifPresent(() => this.onBroken("failed", `${this.file}: its thread ended`)),
    );
    // What it prints is talk: data of ours goes to stdout.
    for (const stream of [worker.stdout, worker.stderr]) stream.on("data", (chunk) => process.stderr.write(chunk));
    const sentence = `${this.file}: it is not loaded after ${START_MS_MAX / 1000} s`;
    this.pause = setTimeout(
      ifPresent(() => this.onBroken("timeout", sentence)),
      START_MS_MAX,
    );
  }

  private onSaid(said: MergeSaid): void {
    if (!this.isReady) {
      if (said.kind === "failed") return this.onBroken("failed", said.sentence);
      clearTimeout(this.pause);
      this.isReady = true;
      this.worker?.unref();
      this.tellOpened();
      return this.next();
    }
    const [call] = this.takeRunning();
    if (call === undefined || said.kind === "ready") return;
    this.restMs = REST_MS_MIN;
    if (said.kind === "failed") this.warn(said.sentence);
    const content = said.kind === "merged" ? this.kept(said.content) : undefined;
    this.endCall(call, content === undefined ? "failed" : "merged", content);
    this.next();
  }

  private kept({ contentType, value }: Content): Content | undefined {
    const { valueBytesMax } = this.host.limits;
    if (value.length <= valueBytesMax) return { contentType, value };
    this.warn(`${this.file}: it returned ${value.length} bytes; the limit is ${valueBytesMax} (valueBytesMax)`);
    return undefined;
  }

  private next(): void {
    if (!this.isReady || this.running !== undefined) return;
    const call = this.queue.shift();
    if (call === undefined) return;
    clearTimeout(call.timer);
    this.running = call;
    const { mergeMsMax } = this.host.limits;
    const sentence = `${this.file}: no answer in ${mergeMsMax} ms (mergeMsMax); its thread is ended`;
    call.timer = setTimeout(() => this.onBroken("timeout", sentence), mergeMsMax);
    this.worker?.postMessage(call.order);
  }

  /** Its turn did not come in time. */
  private onWaited(call: Call): void {
    this.queue.splice(this.queue.indexOf(call), 1);
    this.endCall(call, "busy");
  }

  /** The thread is of no more use. At the start of the node that is told; later another one is tried. */
  private onBroken(result: Result, sentence: string): void {
    const [call] = this.takeRunning();
    this.stopWorker();
    clearTimeout(this.pause);
    if (this.onOpened !== undefined) {
      this.tellOpened(sentence);
    } else {
      this.warn(sentence);
      this.pause = setTimeout(() => this.start(), this.restMs).unref();
      this.restMs = Math.min(REST_MS_MAX, 2 * this.restMs);
    }
    const waiting = this.queue.splice(0);
    if (call !== undefined) this.endCall(call, result);
    for (const each of waiting) this.endCall(each, "busy");
  }

  private tellOpened(refusal?: string): void {
    const tell = this.onOpened;
    this.onOpened = undefined;
    tell?.(refusal);
  }

  private takeRunning(): Call[] {
    const calls = this.running === undefined ? [] : [this.running];
    this.running = undefined;
    return calls;
  }

  private stopWorker(): void {
    const { worker } = this;
    [this.worker, this.isReady] = [undefined, false];
    worker?.terminate().catch(() => {});
  }

  private endCall({ timer, onMerged }: Call, result: Result, content?: Content): void {
    clearTimeout(timer);
    this.end(onMerged, result, content);
  }

  private end(onMerged: OnMerged, result: Result, content?: Content): void {
    this.host.meter.count("murmur_user_merges_total", { result });
    onMerged(content);
  }

  /** Not for each read: the counter says how often. */
  private warn(sentence: string): void {
    const nowMs = performance.now();
    if (nowMs - this.warnedMs < WARNING_INTERVAL_MS) return;
    this.warnedMs = nowMs;
    this.host.log.warn(`a merge function failed, and clients get the siblings: ${sentence}`);
  }
}
