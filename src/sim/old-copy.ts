/**
 * A disk that was set back to an old snapshot, for as long as that can do harm.
 *
 * Its node votes as if it had lost nothing, until a peer tells it that it
 * remembers more (replica/mint.ts). A peer that was started since, or was cut
 * off before, remembers nothing and lets it pass. Then what this node
 * acknowledged after the copy was made is on one disk less than all believe.
 */
import type { NodeId } from "../ports.js";
import type { SimCluster } from "./cluster.js";
import { areEqual } from "./stored.js";

export class OldCopy {
  private readonly lives: number;
  /** Who has run ever since. */
  private readonly witnesses: Set<NodeId>;
  private hasCaughtUp = false;

  /** It was put back just now. */
  constructor(
    private readonly cluster: SimCluster,
    readonly node: NodeId,
  ) {
    this.lives = this.livesBegun;
    this.witnesses = new Set(cluster.ids.filter((id) => id !== node));
  }

  /** It may lack something, and its node does not know; until it is found out, or lacks nothing. */
  get isUnnoticed(): boolean {
    this.hasCaughtUp ||= this.isFoundOut || areEqual(this.cluster);
    return !this.hasCaughtUp;
  }

  /** Whether nobody else could tell that it is an old copy; if somebody could, this node is no witness any more. */
  isLastWitness(node: NodeId): boolean {
    if (this.isFoundOut || !this.witnesses.has(node)) return false;
    return this.witnesses.size === 1 || !this.witnesses.delete(node);
  }

  /** A new life of the store: it earns its votes anew. */
  private get isFoundOut(): boolean {
    return this.livesBegun > this.lives;
  }

  private get livesBegun(): number {
    return this.cluster.meter(this.node).sum("murmur_incarnations_total");
  }
}
