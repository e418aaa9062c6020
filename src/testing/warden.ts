/**
 * The near end of the process that cleans up after a test which cannot: see
 * warden-process.ts.
 */
import { fileURLToPath } from "node:url";
import { Forked } from "./forked.js";
import type { Watched } from "./warden-process.js";

const PROCESS_FILE = fileURLToPath(new URL("./warden-process.js", import.meta.url));

export class Warden {
  private readonly forked: Forked;

  constructor(folder: string) {
    this.forked = new Forked(PROCESS_FILE, [folder], { detached: true });
    this.forked.unref();
  }

  /** The processes to end from now on. */
  watch(pids: readonly number[]): void {
    this.forked.send({ pids } satisfies Watched);
  }

  /** Nothing is left to clean up. */
  dismiss(): Promise<void> {
    return this.forked.kill();
  }
}
