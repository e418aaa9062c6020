/** Clusters that forget within a second, for tests of what is forgotten and what comes back. */
import assert from "node:assert/strict";
import { utf8 } from "../../src/base/bytes.js";
import { DEFAULT_HEDGE } from "../../src/cluster-config.js";
import type { Level } from "../../src/config.js";
import { EMPTY_CONTEXT } from "../../src/lattice/context.js";
import type { Op } from "../../src/lattice/op.js";
import type { NodeId } from "../../src/ports.js";
import { ALL_ROWS } from "../../src/replica/rows.js";
import { SimCluster, type SimClusterOptions } from "../../src/sim/cluster.js";

/** Forgotten 700 ms after the first vote at the soonest: 500 for carriers, twice 100 for clocks. */
export const LIMITS = { carrierAgeMaxMs: 500, clockSkewMsMax: 100, reapIntervalMs: 50, settleMs: 100 } as const;
export const WAIT_MS = 700;

export function clusterOf(options: SimClusterOptions): SimCluster {
  const cluster = new SimCluster({ ...options, limits: { ...LIMITS, ...options.limits } });
  cluster.startAll();
  return cluster;
}

export function write(cluster: SimCluster, at: NodeId, key: string, op: Op, level: Level = "QUORUM") {
  return cluster.write(at, { bucket: "b", key: utf8(key), op, context: EMPTY_CONTEXT, level, deadlineMs: 5000 });
}

export function putOf(value: string, expiresAtMs?: number): Op {
  return { kind: "put", contentType: "", value: utf8(value), expiresAtMs };
}

export const DELETE: Op = { kind: "delete" };

export function readOf(cluster: SimCluster, at: NodeId, key: string, level: Level = "ALL"): string | undefined {
  const asked = { bucket: "b", key: utf8(key), level, deadlineMs: 1000, hedge: DEFAULT_HEDGE, mend: true } as const;
  const outcome = cluster.read(at, asked);
  assert.ok(outcome.ok, outcome.ok ? "" : outcome.failure.detail);
  const [content] = outcome.view.contents;
  return content === undefined ? undefined : Buffer.from(content.value).toString();
}

export function rowsOf(cluster: SimCluster, node: NodeId): number {
  const rows = cluster.disk(node).scan(ALL_ROWS.from, ALL_ROWS.to, 1_000_000, Number.POSITIVE_INFINITY).length;
  if (cluster.runs(node)) assert.equal(cluster.member(node).describe().rows, rows, "a tree counts other rows");
  return rows;
}

export function rowsOfAll(cluster: SimCluster): number[] {
  return cluster.ids.map((id) => rowsOf(cluster, id));
}
