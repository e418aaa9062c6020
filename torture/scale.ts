/** Weighs the process of a node: its metrics, and what is left of its memory after a full collection. */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { type ProcessCluster, until } from "../test/process-cluster.js";
import { WEIGHT_FILE, type Weight } from "./weigh.js";

const MIB = 1024 * 1024;

export class Scale {
  constructor(
    private readonly cluster: ProcessCluster,
    private readonly node: string,
    private readonly file: string,
  ) {}

  /** What the node's process must be started with. */
  static envFor(file: string): Record<string, string> {
    return { NODE_OPTIONS: `--import ${new URL("./weigh.js", import.meta.url)}`, [WEIGHT_FILE]: file };
  }

  async residentMiB(): Promise<number> {
    return Math.round((await this.metric("process_resident_memory_bytes")) / MIB);
  }

  /** The heap after a full collection, and what hangs on it. */
  async heldMiB(): Promise<number> {
    rmSync(this.file, { force: true });
    this.cluster.signal(this.node, "SIGUSR2");
    await until(
      async () => existsSync(this.file),
      (isThere) => isThere,
    );
    const { heapUsed, external }: Weight = JSON.parse(readFileSync(this.file, "utf8"));
    return Math.round((10 * (heapUsed + external)) / MIB) / 10;
  }

  /** The sum of a metric over its labels. */
  async metric(name: string): Promise<number> {
    const { body } = await this.cluster.call("GET", this.node, "/metrics");
    const lines = String(body).matchAll(new RegExp(`^${name}(?:{.*})? (\\S+)$`, "gm"));
    return [...lines].reduce((sum, [, value]) => sum + Number(value), 0);
  }
}
