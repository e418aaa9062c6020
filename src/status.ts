/**
 * What a node tells of itself and its cluster: the answers behind /v1/cluster,
 * /v1/ring and /v1/owners, put together from the member and its configuration.
 */
import { tokenOf } from "./base/hash.js";
import type { ClusterConfig } from "./cluster-config.js";
import { hedgePolicyText } from "./coordinator/hedge-policy.js";
import type { Overwrite } from "./coordinator/overwrites.js";
import type {
  ClusterStatus,
  ConflictsReport,
  LatencyReport,
  NodeStatus,
  OwnersStatus,
  RingStatus,
  StampReport,
  Store,
  TopReport,
} from "./http/store.js";
import type { Member } from "./node.js";
import type { NodeId } from "./ports.js";
import { hasBit } from "./replica/votes.js";

/** The node as its HTTP edge sees it. */
export function storeOf(member: Member, config: ClusterConfig, self: NodeId, version: string): Store {
  const startedMs = performance.now();
  return {
    self,
    read: (request, done) => member.read(request, done),
    write: (request, done) => member.write(request, done),
    batch: (request, done) => member.batch(request, done),
    list: (request, done) => member.list(request, done),
    range: (request, done) => member.range(request, done),
    latestContextMs: () => member.describe().latestSaneMs,
    cluster: () => clusterStatus(member, config, self, version, performance.now() - startedMs),
    ring: () => ringStatus(member),
    owners: (bucket, key) => ownersStatus(member, config, bucket, key),
    latency: () => latencyReport(member, config, self),
    conflicts: (bucket, itemsMax) => conflictsReport(member, self, bucket, itemsMax),
    hints: () => ({ node: self, targets: member.hints() }),
    flushHints: (timeoutMs, done) => member.flushHints(timeoutMs, done),
    repair: (order) => member.repair(order),
    repairStatus: () => member.repairStatus(),
    top: () => topReport(member, self),
    condition: () => member.describe(),
    followMembers: (onChange) => {
      member.onMemberChange = onChange;
    },
  };
}

function clusterStatus(
  member: Member,
  config: ClusterConfig,
  self: NodeId,
  version: string,
  uptimeMs: number,
): ClusterStatus {
  const { rows, incarnation, refusing } = member.describe();
  const { version: layoutVersion, digest } = member.ring.layout;
  return {
    cluster: config.cluster,
    self,
    version,
    partitions: config.partitions,
    layout: { version: layoutVersion, digest },
    durability: config.durability,
    uptimeMs: Math.round(uptimeMs),
    rows,
    incarnation,
    refusing,
    nodes: config.nodes.map((node) => nodeStatus(member, node)),
    buckets: [...config.buckets].map(([bucket, { type, replication }]) => ({ bucket, type, replication })),
    defaults: { type: config.defaults.type, replication: config.defaults.replication },
  };
}

function nodeStatus(member: Member, node: ClusterConfig["nodes"][number]): NodeStatus {
  const { id, host, http, peer, rack, datacenter } = node;
  const { alive, membership, clockOffsetMs } = member.opinionOf(id);
  return {
    node: id,
    state: alive ? "up" : "down",
    membership,
    ...{ host, http, peer, rack, datacenter },
    partitions: ownedPartitions(member, id).length,
    rebuilding: rebuildingOf(member, id),
    clockOffsetMs: clockOffsetMs === undefined ? undefined : Math.round(clockOffsetMs * 10) / 10,
  };
}

function ringStatus(member: Member): RingStatus {
  const { partitions, version, digest, placements, owners } = member.ring.layout;
  return {
    partitions,
    layout: { version, digest },
    placements: placements.map(({ replication }, index) => ({ replication, owners: owners[index] ?? [] })),
  };
}

function latencyReport(member: Member, config: ClusterConfig, self: NodeId): LatencyReport {
  const { after, budgetPercent } = config.defaults.hedge;
  const { tokens, peers } = member.latency();
  const hedge = { after: hedgePolicyText(after), budgetPercent, tokens: rounded(tokens) as number };
  return { node: self, hedge, peers: peers.map((peer) => ({ ...peer, ...timesOf(peer) })) };
}

function conflictsReport(member: Member, self: NodeId, bucket: string | undefined, itemsMax: number): ConflictsReport {
  const conflicts = member.overwrites(bucket, itemsMax).map(({ key, sort, atMs, lost, kept, ...named }) => ({
    ...{ ...named, key: Buffer.from(key).toString("utf8") },
    ...(sort.length === 0 ? {} : { sort: Buffer.from(sort).toString("utf8") }),
    ...{ at: new Date(atMs).toISOString() },
    ...{ lost: stampReport(lost), kept: stampReport(kept) },
  }));
  return { node: self, conflicts };
}

function stampReport({ stamp, node }: Overwrite["lost"]): StampReport {
  const { timeUs, actor } = stamp;
  const microseconds = String(timeUs % 1000).padStart(3, "0");
  const time = new Date(Math.floor(timeUs / 1000)).toISOString().replace("Z", `${microseconds}Z`);
  return { time, timeUs, actor: actor.toString(16).padStart(16, "0"), node };
}

/** Beyond these a sketch has little to say. */
const TOP_KEYS = 100;

function topReport(member: Member, self: NodeId): TopReport {
  const keys = member.hotKeys(TOP_KEYS).map(({ bucket, key, ...rates }) => ({
    ...{ bucket, key: Buffer.from(key).toString("utf8") },
    readsPerSecond: rounded(rates.readsPerSecond) as number,
    writesPerSecond: rounded(rates.writesPerSecond) as number,
    errorPerSecond: rounded(rates.errorPerSecond) as number,
  }));
  return { node: self, keys };
}

type LatencyTimes = Pick<LatencyReport["peers"][number], "p50Ms" | "p95Ms" | "p99Ms" | "hedgeAfterMs">;

function timesOf({ p50Ms, p95Ms, p99Ms, hedgeAfterMs }: LatencyTimes): LatencyTimes {
  const times = { p50Ms: rounded(p50Ms), p95Ms: rounded(p95Ms), p99Ms: rounded(p99Ms) };
  return { ...times, hedgeAfterMs: rounded(hedgeAfterMs) };
}

/** To three digits behind the point. */
function rounded(value: number | undefined): number | undefined {
  return value === undefined ? undefined : Math.round(value * 1000) / 1000;
}

function ownersStatus(member: Member, config: ClusterConfig, bucket: string, key: Uint8Array): OwnersStatus {
  const { ring } = member;
  const token = tokenOf(key);
  const placement = ring.placementOf(bucket);
  const partition = ring.partitionOf(token);
  const owners = ring.ownersOf(placement, partition).map((node) => {
    const rack = config.nodes.find(({ id }) => id === node)?.rack ?? "";
    return { node, datacenter: ring.datacenterOf(node), rack, state: ownerState(member, node, placement, partition) };
  });
  return { token: String(token), partition, owners };
}

function ownerState(
  member: Member,
  node: NodeId,
  placement: number,
  partition: number,
): OwnersStatus["owners"][number]["state"] {
  if (!member.opinionOf(node).alive) return "down";
  const votes = member.votesOf(node);
  if (votes === undefined || votes.length === 0) return "up";
  return hasBit(votes[placement] as Uint8Array, partition) ? "up" : "rebuilding";
}

function rebuildingOf(member: Member, node: NodeId): number | undefined {
  const votes = member.votesOf(node);
  if (votes === undefined) return undefined;
  if (votes.length === 0) return 0;
  return ownedPartitions(member, node).filter(
    ({ placement, partition }) => !hasBit(votes[placement] as Uint8Array, partition),
  ).length;
}

function ownedPartitions(member: Member, node: NodeId): { placement: number; partition: number }[] {
  const { ring } = member;
  return Array.from({ length: ring.placements }, (_, placement) =>
    ring.ownedBy(node, placement).map((partition) => ({ placement, partition })),
  ).flat();
}
