/** Five real nodes whose replicas can be stopped. */
import { ProcessCluster } from "../test/process-cluster.js";
import { pidOf } from "./processes.js";
import type { FaultyCluster } from "./tail-faults.js";

const NODES = 5;

export class TailCluster implements FaultyCluster {
  private constructor(private readonly cluster: ProcessCluster) {}

  static async start(): Promise<TailCluster> {
    const cluster = await ProcessCluster.create({ nodes: NODES, lines: ["durability: os"] });
    await cluster.startAll();
    return new TailCluster(cluster);
  }

  get ids(): readonly string[] {
    return this.cluster.ids;
  }

  get urls(): readonly string[] {
    return this.ids.map((id) => this.cluster.url(id));
  }

  get pids(): readonly (number | undefined)[] {
    return this.ids.map((id) => pidOf(["node", id, this.cluster.file]));
  }

  pause(id: string): void {
    this.cluster.signal(id, "SIGSTOP");
  }

  async resume(id: string): Promise<void> {
    this.cluster.signal(id, "SIGCONT");
  }

  close(): Promise<void> {
    return this.cluster.close();
  }
}
