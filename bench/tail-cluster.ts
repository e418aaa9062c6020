/** Five real nodes as production runs them, which can be stopped for a while or made to send late. */
import { DEFAULT_LIMITS } from "../src/config.js";
import type { TestCluster } from "../src/testing/cluster.js";
import { startCluster } from "../src/testing/start-cluster.js";
import type { FaultyCluster, Slowness } from "./tail-faults.js";

const NODES = 5;

export class TailCluster implements FaultyCluster {
  private constructor(private readonly cluster: TestCluster) {}

  static async start(): Promise<TailCluster> {
    // Test clusters are more impatient than those whose latency is of interest.
    return new TailCluster(await startCluster({ nodes: NODES, durability: "os", limits: DEFAULT_LIMITS }));
  }

  get ids(): readonly string[] {
    return this.cluster.nodes.map(({ id }) => id);
  }

  get urls(): readonly string[] {
    return this.cluster.urls;
  }

  get pids(): readonly (number | undefined)[] {
    return this.cluster.nodes.map(({ pid }) => pid);
  }

  pause(id: string): Promise<void> {
    return this.cluster.pause(id);
  }

  resume(id: string): Promise<void> {
    return this.cluster.resume(id);
  }

  slow(id: string, slowness: Slowness): Promise<void> {
    return this.cluster.slow(id, slowness);
  }

  close(): Promise<void> {
    return this.cluster.stop();
  }
}
