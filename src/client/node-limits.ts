/**
 * What nodes take at most, where their operator allows less than a client asks for by itself.
 *
 * Nobody asks for it in advance: the first call of a client is sent before anything is known, and limits may differ from
 * node to node while a cluster is given others. A node that refuses names its limit; what it refused is sent
 * again within it, and what follows keeps to it. Only for a while, for it may be raised again.
 */
import { BATCH_ITEMS_MAX } from "./batch-options.js";
import type { ClientLimits } from "./limits.js";
import { nodeTimeoutMs } from "./node-timeout.js";
import type { LimitsTold } from "./problem.js";
import type { ClientWorld } from "./world.js";

type Name = "requestDeadlineMsMax" | "batchItemsMax";

interface Known {
  readonly most: number;
  readonly untilMs: number;
}

export class NodeLimits {
  private readonly known = new Map<Name, Known>();

  constructor(
    private readonly limits: ClientLimits,
    private readonly world: Pick<ClientWorld, "nowMs">,
  ) {}

  /** How long a node is given of the time that a call has left. */
  timeoutMs(leftMs: number): number {
    return Math.min(nodeTimeoutMs(leftMs, this.limits), this.most("requestDeadlineMsMax"));
  }

  /** Items of one batch that the client makes by itself. */
  get batchItems(): number {
    return Math.min(BATCH_ITEMS_MAX, this.most("batchItemsMax"));
  }

  /** What a refusal said. Of several nodes the one that takes the least counts. */
  onTold(told: LimitsTold): void {
    const untilMs = this.world.nowMs() + this.limits.refreshMs;
    for (const name of ["requestDeadlineMsMax", "batchItemsMax"] as const) {
      const value = told[name];
      if (typeof value === "number" && value >= 1)
        this.known.set(name, { most: Math.min(value, this.most(name)), untilMs });
    }
  }

  /** Whether a node was given more time than nodes take: then it refused for that alone, and may be asked again. */
  isTooLong(timeoutMs: number): boolean {
    return timeoutMs > this.most("requestDeadlineMsMax");
  }

  private most(name: Name): number {
    const known = this.known.get(name);
    return known !== undefined && this.world.nowMs() < known.untilMs ? known.most : Number.POSITIVE_INFINITY;
  }
}
