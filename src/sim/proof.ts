/**
 * What must hold of a simulated cluster: at any time that nothing outgrows its
 * bounds, and in the end that all replicas are one.
 */

import type { NodeId, Row } from "../ports.js";
import type { SimCluster } from "./cluster.js";
import { deadRow } from "./forgetting.js";
import { differingRow } from "./replicas.js";
import { storedAt } from "./stored.js";

/** Which node holds more in memory than it may, or undefined. */
export function overBound(cluster: SimCluster): string | undefined {
  for (const node of cluster.ids) {
    if (!cluster.runs(node)) continue;
    const over = cluster
      .member(node)
      .held()
      .find(({ amount, most }) => amount > most);
    if (over !== undefined) return `${node} holds ${over.amount} ${over.name}, and ${over.most} are the most`;
  }
  return undefined;
}

/** Why the replicas are not yet one, or undefined. */
export function apart(cluster: SimCluster): string | undefined {
  const rows = new Map<NodeId, Row[]>();
  for (const node of cluster.ids) {
    const missed = cluster.ids.find((other) => !cluster.member(node).opinionOf(other).alive);
    if (missed !== undefined) return `${node} takes ${missed} for down`;
    const kept = cluster
      .member(node)
      .hints()
      .find(({ hints }) => hints > 0);
    if (kept !== undefined) return `${node} still keeps ${kept.hints} hints for ${kept.node}`;
    const { rebuilding, refusing, rows: counted } = cluster.member(node).describe();
    if (refusing !== undefined) return `${node} refuses: ${refusing}`;
    if (rebuilding > 0) return `${node} still rebuilds ${rebuilding} partitions`;
    const stored = storedAt(cluster, node);
    if (stored === undefined) return `${node} still has a row that cannot be read`;
    if (stored.length !== counted) return `${node} holds ${stored.length} rows and counts ${counted}`;
    rows.set(node, stored);
  }
  return differingRow(rows, cluster.layout) ?? wrongTree(cluster);
}

/** Who has not forgotten what is dead, or undefined. */
export function deadRowOf(cluster: SimCluster): string | undefined {
  const wallMs = cluster.clock.wallMs();
  for (const node of cluster.ids) {
    const dead = deadRow(node, storedAt(cluster, node) ?? [], wallMs);
    if (dead !== undefined) return dead;
  }
  return undefined;
}

/** A hash tree that says something else than its rows. */
function wrongTree(cluster: SimCluster): string | undefined {
  for (const node of cluster.ids) {
    const fault = cluster.member(node).treeFault();
    if (fault !== undefined) return `${node}: ${fault}`;
  }
  return undefined;
}
