/**
 * The ring as one node sees it: the agreed layout, asked from where it stands.
 *
 * Buckets with the same replication share a placement: one layout of owners and
 * one set of hash trees. Placements are numbered in the order of their canonical
 * text, so that every node of one cluster.yaml numbers them alike.
 */
import { assert } from "../base/assert.js";
import type { ClusterConfig, Replication } from "../cluster-config.js";
import type { NodeId } from "../ports.js";
import { type Layout, type LayoutMember, type LayoutSpec, partitionOf } from "./layout.js";

/** What the layout is computed from: all of it is in cluster.yaml. */
export function layoutSpecOf(config: ClusterConfig): LayoutSpec {
  const members: LayoutMember[] = config.nodes.map(({ id, rack, datacenter }) => ({
    id,
    rack,
    datacenter,
    capacity: 1,
  }));
  const placements = [config.defaults, ...config.buckets.values()].map(({ replication }) => ({ replication }));
  return { partitions: config.partitions, members, placements };
}

/** The canonical text of a replication setting: `3`, or `dc1:3,dc2:2`. */
export function replicationText(replication: Replication): string {
  if (typeof replication === "number") return String(replication);
  return Object.entries(replication)
    .map(([datacenter, count]) => `${datacenter}:${count}`)
    .sort()
    .join(",");
}

/** The partitions that two nodes both own, in ascending order. */
export interface Shared {
  readonly byPlacement: readonly ReadonlySet<number>[];
  readonly all: readonly (readonly [placement: number, partition: number])[];
}

export class Ring {
  private readonly placementBySetting: ReadonlyMap<Replication, number | undefined>;
  private readonly datacenters: ReadonlyMap<NodeId, string>;
  private readonly shared = new Map<NodeId, Shared>();
  /** By node, then by placement. */
  private readonly owned: ReadonlyMap<NodeId, readonly number[][]>;

  constructor(
    readonly layout: Layout,
    readonly self: NodeId,
    private readonly config: Pick<ClusterConfig, "buckets" | "defaults">,
  ) {
    const { placements, members } = layout;
    const placementByText = new Map(placements.map(({ replication }, index) => [replicationText(replication), index]));
    this.placementBySetting = new Map(
      [config.defaults, ...config.buckets.values()].map(({ replication }) => [
        replication,
        placementByText.get(replicationText(replication)),
      ]),
    );
    this.datacenters = new Map(members.map(({ id, datacenter }) => [id, datacenter]));
    const owned = new Map(members.map(({ id }) => [id, placements.map((): number[] => [])]));
    for (const [placement, partitions] of layout.owners.entries()) {
      for (const [partition, owners] of partitions.entries()) {
        for (const owner of owners) owned.get(owner)?.[placement]?.push(partition);
      }
    }
    this.owned = owned;
  }

  get partitions(): number {
    return this.layout.partitions;
  }

  get placements(): number {
    return this.layout.placements.length;
  }

  /** The partition of a signed token. */
  partitionOf(token: bigint): number {
    return partitionOf(this.layout.partitions, token);
  }

  placementOf(bucket: string): number {
    const { replication } = this.config.buckets.get(bucket) ?? this.config.defaults;
    const placement = this.placementBySetting.get(replication);
    assert(placement !== undefined, "every bucket's replication has a placement");
    return placement;
  }

  ownersOf(placement: number, partition: number): readonly NodeId[] {
    return this.layout.owners[placement]?.[partition] ?? [];
  }

  /**
   * The members beyond the owners, beginning elsewhere for each partition: the rest of its preference list.
   * So all coordinators let the same node stand in, and what it keeps coalesces; and every node has its share.
   */
  *othersThan(placement: number, partition: number): Iterable<NodeId> {
    const { members } = this.layout;
    const owners = this.ownersOf(placement, partition);
    for (let step = 0; step < members.length; step++) {
      const { id } = members[(partition + step) % members.length] as LayoutMember;
      if (!owners.includes(id)) yield id;
    }
  }

  ownedBy(node: NodeId, placement: number): readonly number[] {
    return this.owned.get(node)?.[placement] ?? [];
  }

  /** What this node and a peer both own. */
  sharedWith(peer: NodeId): Shared {
    const known = this.shared.get(peer);
    if (known !== undefined) return known;
    const byPlacement = this.layout.placements.map((_, placement) => {
      const theirs = new Set(this.ownedBy(peer, placement));
      return new Set(this.ownedBy(this.self, placement).filter((partition) => theirs.has(partition)));
    });
    const all = byPlacement.flatMap((partitions, placement) =>
      [...partitions].map((partition) => [placement, partition] as const),
    );
    const shared = { byPlacement, all };
    this.shared.set(peer, shared);
    return shared;
  }

  datacenterOf(node: NodeId): string {
    return this.datacenters.get(node) ?? "";
  }
}
