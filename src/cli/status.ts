/**
 * `murmur status`, `ring` and `owners`: the cluster as one of its nodes sees it.
 */

import { authority } from "../base/authority.js";
import { ownersPath } from "../base/key-path.js";
import type { ClusterStatus, NodeStatus, OwnersStatus, RingStatus } from "../http/store.js";
import { checkBucket, checkKey } from "./addresses.js";
import { askJson, type ClusterOptions, openCluster } from "./cluster.js";
import { EXIT, type ExitCode, usage } from "./exit.js";
import { bar, counted, grouped, paint, print, printJson, shown, span, table } from "./terminal.js";

export async function status(options: ClusterOptions): Promise<ExitCode> {
  const cluster = await askJson<ClusterStatus>(await openCluster(options), "/v1/cluster");
  if (options.json) {
    printJson(cluster);
    return EXIT.ok;
  }
  const { nodes, layout } = cluster;
  const up = nodes.filter(({ state }) => state === "up").length;
  print(`${paint("bold", cluster.cluster)}: ${up} of ${nodes.length} nodes up, ${durabilityOf(cluster)}`);
  print(`${layoutOf(layout)}, ${counted(cluster.partitions, "partition")}`);
  print(
    `as ${cluster.self} sees it: version ${cluster.version}, up for ${span(cluster.uptimeMs)}, ${counted(cluster.rows, "row")}`,
  );
  if (cluster.refusing !== undefined) print(paint("red", `${cluster.self} coordinates nothing: ${cluster.refusing}`));
  const head = ["state", "node", "rack", "datacenter", "http", "peer", "partitions", "rebuilding", "clock"];
  print(`\n${table([head, ...nodes.map((node) => nodeRow(node, cluster.self))], [6, 7, 8])}`);
  for (const doubt of nodes.flatMap((node) => doubtOf(node, cluster.self))) print(paint("yellow", doubt));
  const buckets = cluster.buckets.map(({ bucket, type, replication }) => [bucket, type, replicationOf(replication)]);
  if (buckets.length > 0) print(`\n${table([["bucket", "type", "replication"], ...buckets])}`);
  return EXIT.ok;
}

function durabilityOf({ durability }: ClusterStatus): string {
  return durability === "group" ? "on disk before acknowledged (group)" : `durability ${durability}`;
}

/** Where the node that was asked and all together are of two minds. */
function doubtOf({ node, state, membership }: NodeStatus, self: string): string[] {
  if (state === "up" && membership === "suspect")
    return [`${node} is suspected: some of its peers hear no answer of it`];
  if (state === "down" && membership === "alive")
    return [`${node} answers its other peers, but not ${self}: look at the network between the two`];
  return [];
}

function nodeRow(node: NodeStatus, self: string): string[] {
  const offset = node.clockOffsetMs;
  return [
    node.state === "up" ? paint("green", "UP") : paint("red", "DOWN"),
    node.node,
    node.rack,
    node.datacenter,
    authority(node.host, node.http),
    authority(node.host, node.peer),
    grouped(node.partitions),
    node.rebuilding === undefined ? "?" : grouped(node.rebuilding),
    node.node === self ? "here" : offset == null ? "?" : `${offset < 0 ? "" : "+"}${offset.toFixed(1)} ms`,
  ];
}

/** The digest's beginning is enough to see whether two nodes agree. */
function layoutOf({ version, digest }: ClusterStatus["layout"]): string {
  return `layout ${version} (${digest.slice(0, 8)})`;
}

/** `3`, or `dc1: 3, dc2: 2`. */
function replicationOf(replication: unknown): string {
  if (typeof replication !== "object" || replication === null) return String(replication);
  return Object.entries(replication)
    .map(([datacenter, count]) => `${datacenter}: ${count}`)
    .join(", ");
}

const BAR_CELLS = 30;

export async function ring(options: ClusterOptions & { readonly partition?: string }): Promise<ExitCode> {
  const ring = await askJson<RingStatus>(await openCluster(options), "/v1/ring");
  if (options.partition !== undefined) return onePartition(ring, options.partition, options.json === true);
  if (options.json) {
    printJson(ring);
    return EXIT.ok;
  }
  print(`${counted(ring.partitions, "partition")}, ${layoutOf(ring.layout)}`);
  for (const { replication, owners } of ring.placements) {
    const loads = loadsOf(owners);
    const most = Math.max(...loads.map(({ owned }) => owned));
    const mean = loads.reduce((sum, { owned }) => sum + owned, 0) / loads.length;
    print(
      `\nreplication ${replicationOf(replication)}: the fullest node has ${(most / mean).toFixed(3)} times the mean`,
    );
    const rows = loads.map(({ node, owned, first }) => {
      return [
        `  ${node}`,
        grouped(owned),
        bar(owned / most, BAR_CELLS).padEnd(BAR_CELLS),
        `first for ${grouped(first)}`,
      ];
    });
    print(table(rows, [1]));
  }
  return EXIT.ok;
}

/** How many partitions each node owns, and of how many it is the first owner. */
function loadsOf(owners: readonly (readonly string[])[]): { node: string; owned: number; first: number }[] {
  const loads = new Map<string, { node: string; owned: number; first: number }>();
  for (const nodes of owners) {
    for (const [index, node] of nodes.entries()) {
      const load = loads.get(node) ?? { node, owned: 0, first: 0 };
      load.owned++;
      if (index === 0) load.first++;
      loads.set(node, load);
    }
  }
  return [...loads.values()].sort((a, b) => a.node.localeCompare(b.node, "en", { numeric: true }));
}

function onePartition(ring: RingStatus, given: string, json: boolean): ExitCode {
  const partition = /^\d+$/.test(given) ? Number(given) : -1;
  if (partition < 0 || partition >= ring.partitions) {
    throw usage(`--partition: expected a number from 0 to ${ring.partitions - 1}, found ${JSON.stringify(given)}`);
  }
  const placements = ring.placements.map(({ replication, owners }) => ({
    replication,
    owners: owners[partition] ?? [],
  }));
  if (json) printJson({ partition, placements });
  else {
    const rows = placements.map(({ replication, owners }) => [
      `replication ${replicationOf(replication)}:`,
      owners.join(", "),
    ]);
    print(`partition ${partition}, owners in the order of preference\n${table(rows)}`);
  }
  return EXIT.ok;
}

export async function owners(bucket: string, key: string, options: ClusterOptions): Promise<ExitCode> {
  checkBucket(bucket);
  checkKey(key);
  const found = await askJson<OwnersStatus>(await openCluster(options), ownersPath(bucket, key));
  if (options.json) {
    printJson(found);
    return EXIT.ok;
  }
  print(`${bucket}/${shown(key)}: token ${found.token}, partition ${found.partition}`);
  const rows = found.owners.map(({ node, rack, datacenter, state }, index) => {
    const colour = state === "up" ? "green" : state === "down" ? "red" : "yellow";
    return [String(index + 1), node, rack, datacenter, paint(colour, state)];
  });
  print(table([["", "owner", "rack", "datacenter", "state"], ...rows]));
  return EXIT.ok;
}
