/**
 * Where the owners of a key are.
 */
import { tokenOf } from "../base/hash.js";
import { partitionOf } from "../membership/layout.js";
import { keyOf } from "./cells.js";
import type { SimCluster } from "./cluster.js";

/** How many owners a key has in each datacenter. */
export function datacentersOf({ layout }: SimCluster, key: number): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  const owners = layout.owners[0]?.[partitionOf(layout.partitions, tokenOf(keyOf({ key })))] ?? [];
  for (const owner of owners) {
    const datacenter = layout.members.find(({ id }) => id === owner)?.datacenter ?? "";
    counts.set(datacenter, (counts.get(datacenter) ?? 0) + 1);
  }
  return counts;
}
