/**
 * The ring as a client learned it: who owns a key, and what is known of its
 * bucket. Made of what `/v1/cluster` and `/v1/ring` answered, and checked, as
 * anything from outside is. Pure.
 */

import { utf8 } from "../base/bytes.js";
import { tokenOf } from "../base/hash.js";
import { partitionOf } from "../membership/layout.js";

/** What a client needs of `/v1/cluster`. */
export interface ClusterFacts {
  readonly layout: LayoutName;
  readonly nodes: readonly NodeFacts[];
  readonly buckets: readonly BucketFacts[];
  /** Of buckets that are not named. */
  readonly defaults: Omit<BucketFacts, "bucket">;
}

export interface NodeFacts {
  readonly node: string;
  readonly host: string;
  readonly http: number;
  readonly datacenter?: string;
}

interface BucketFacts {
  readonly bucket: string;
  readonly type: string;
  readonly replication: unknown;
}

interface LayoutName {
  readonly digest: string;
}

/** What a client needs of `/v1/ring`. */
export interface RingFacts {
  readonly partitions: number;
  readonly layout: LayoutName;
  readonly placements: readonly {
    readonly replication: unknown;
    readonly owners: readonly (readonly string[])[];
  }[];
}

interface Bucket<Node> {
  readonly type: string;
  /** By partition, in preference order. */
  readonly owners: readonly (readonly Node[])[];
}

export class RingView<Node> {
  private readonly partitions: number;
  private readonly buckets: ReadonlyMap<string, Bucket<Node>>;
  private readonly defaults: Bucket<Node>;

  /** `nodeOf` is asked for members of the cluster only; whom it does not know is left out. Throws when the two do not fit together. */
  constructor(cluster: ClusterFacts, ring: RingFacts, nodeOf: (id: string) => Node | undefined) {
    if (cluster.layout.digest !== ring.layout.digest) throw new Error("the layout changed between two questions");
    this.partitions = ring.partitions;
    const members = new Map(cluster.nodes.map(({ node }) => [node, nodeOf(node)]));
    const placed = new Map(
      ring.placements.map(({ replication, owners }) => [
        canonical(replication),
        owners.map((row) => row.flatMap((id) => members.get(id) ?? [])),
      ]),
    );
    const bucketOf = ({ type, replication }: Omit<BucketFacts, "bucket">): Bucket<Node> => {
      const owners = placed.get(canonical(replication));
      if (owners?.length !== ring.partitions) throw new Error("a bucket has no placement");
      return { type, owners };
    };
    this.defaults = bucketOf(cluster.defaults);
    this.buckets = new Map(cluster.buckets.map((facts) => [facts.bucket, bucketOf(facts)]));
  }

  /** In preference order. */
  ownersOf(bucket: string, key: string): readonly Node[] {
    const { owners } = this.buckets.get(bucket) ?? this.defaults;
    return owners[partitionOf(this.partitions, tokenOf(utf8(key)))] ?? [];
  }

  typeOf(bucket: string): string {
    return (this.buckets.get(bucket) ?? this.defaults).type;
  }
}

/** The same text for the same replication, whatever the order of its datacenters. */
function canonical(replication: unknown): string {
  if (typeof replication !== "object" || replication === null) return String(replication);
  return JSON.stringify(Object.entries(replication).sort());
}
