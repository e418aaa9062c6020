/**
 * Seeds run in a thread of their own, so that a build can be loaded and forgotten.
 */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import type { SeedWorkerData } from "./seed-worker.js";

/** A seed takes a second or so: after this it hangs, and a run that hangs has not found anything. */
const SEED_MS_MAX = 300_000;

export class SeedRunner {
  private readonly worker: Worker;

  constructor(workerData: SeedWorkerData) {
    this.worker = new Worker(new URL("./seed-worker.js", import.meta.url), { workerData });
  }

  /** Why the simulation calls this build broken; undefined when the seed passes. One seed at a time. */
  async failureOf(seed: number): Promise<string | undefined> {
    this.worker.postMessage(seed);
    const signal = AbortSignal.timeout(SEED_MS_MAX);
    const [failure] = await once(this.worker, "message", { signal }).catch((error: Error) => {
      throw new Error(`seed ${seed} came to no end: ${error.message}`, { cause: error });
    });
    return failure;
  }

  async close(): Promise<void> {
    await this.worker.terminate();
  }
}
