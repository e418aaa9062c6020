/**
 * What is on the disks of a simulated cluster, whether its nodes run or not.
 */
import { type NodeId, type Row, StorageDamage } from "../ports.js";
import { ALL_ROWS } from "../replica/rows.js";
import type { SimCluster } from "./cluster.js";
import { differingRow } from "./replicas.js";

/** More than any script writes. */
export const SIM_ROWS_MAX = 1_000_000;

/** The rows of a node; undefined while one of them cannot be read. */
export function storedAt(cluster: SimCluster, node: NodeId): Row[] | undefined {
  try {
    return cluster.disk(node).scan(ALL_ROWS.from, ALL_ROWS.to, SIM_ROWS_MAX, Number.POSITIVE_INFINITY);
  } catch (error) {
    if (!(error instanceof StorageDamage)) throw error;
    return undefined;
  }
}

/** Whether all owners of every row hold the same, byte for byte. */
export function areEqual(cluster: SimCluster): boolean {
  const rows = new Map<NodeId, Row[]>();
  for (const node of cluster.ids) {
    const stored = storedAt(cluster, node);
    if (stored === undefined) return false;
    rows.set(node, stored);
  }
  return differingRow(rows, cluster.layout) === undefined;
}
