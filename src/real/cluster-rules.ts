/**
 * What the parts of cluster.yaml mean together: names and ports that must be
 * distinct, replicas that must have a node each, levels that must be reachable.
 *
 * The rules look at what is left when everything of a wrong shape was cut out,
 * so that one run reports all mistakes.
 */
import { parseDurationMs } from "../base/duration.js";
import type { Replication } from "../cluster-config.js";
import { LIMITS } from "../config.js";
import { latticeNamed, ROW } from "../lattice/registry.js";
import { PLACEMENTS_MAX } from "../membership/layout.js";
import { replicationText } from "../membership/ring.js";
import {
  type BucketShape,
  type ClusterShape,
  didYouMean,
  type LevelWritten,
  NAME,
  NAME_EXPECTED,
} from "./cluster-schema.js";
import type { Path } from "./cluster-yaml.js";

/** A value of which any part may be missing. */
export type Draft<Type> = Type extends readonly (infer Item)[]
  ? readonly (Draft<Item> | undefined)[]
  : Type extends object
    ? { readonly [Key in keyof Type]?: Draft<Type[Key]> | undefined }
    : Type;

type ClusterDraft = Draft<ClusterShape>;
type NodeDraft = Draft<ClusterShape["nodes"][number]>;
type BucketDraft = Draft<BucketShape>;
type LimitsDraft = Draft<NonNullable<ClusterShape["limits"]>>;
type Refuse = (path: Path, sentence: string) => void;

/** Where mistakes go: about a value, or about the key itself. */
interface Refusals {
  refuse(path: Path, sentence: string): void;
  refuseKey(path: Path, sentence: string): void;
}

export const DEFAULT_DATACENTER = "dc1";
export const DEFAULT_LEVEL = "QUORUM";
const DEFAULT_REPLICATION = 3;

/** Three replicas, or as many as there are nodes. */
export function defaultReplication(nodes: number): number {
  return Math.min(DEFAULT_REPLICATION, nodes);
}

export function checkRules(cluster: ClusterDraft, refusals: Refusals): void {
  const refuse: Refuse = (path, sentence) => refusals.refuse(path, sentence);
  const nodes = cluster.nodes ?? [];
  checkIds(nodes, refuse);
  checkPorts(nodes, refuse);
  checkReplication(cluster.replication, nodes, ["replication"], refuse);
  checkLevels(cluster, undefined, ["consistency"], refuse);
  for (const name of Object.keys(cluster.buckets ?? {})) {
    if (NAME.test(name)) continue;
    refusals.refuseKey(["buckets", name], `expected a bucket name of ${NAME_EXPECTED}, found "${name}"`);
  }
  const buckets: [Path, BucketDraft | null | undefined][] = [
    ...Object.entries(cluster.buckets ?? {}).map(([name, bucket]): [Path, typeof bucket] => [
      ["buckets", name],
      bucket,
    ]),
    [["defaults"], cluster.defaults],
  ];
  for (const [path, bucket] of buckets) {
    if (!bucket) continue;
    checkReplication(bucket.replication, nodes, [...path, "replication"], refuse);
    checkLevels(cluster, bucket, path, refuse);
    checkUse(bucket, path, refuse);
    checkTtl(bucket, cluster.limits ?? {}, path, refuse);
    checkCoalesce(bucket, cluster.limits ?? {}, path, refuse);
  }
  checkPlacements(cluster, buckets, refuse);
  checkLimits(cluster.limits ?? {}, refuse);
}

function checkIds(nodes: readonly (NodeDraft | undefined)[], refuse: Refuse): void {
  const firstWith = new Map<string, number>();
  for (const [index, node] of nodes.entries()) {
    if (node?.id === undefined) continue;
    const first = firstWith.get(node.id);
    if (first === undefined) firstWith.set(node.id, index);
    else refuse(["nodes", index, "id"], `expected an id of its own, found "${node.id}", which nodes[${first}] has`);
  }
}

/** Two listeners on one address cannot both start; and who dials one must not reach the other. */
function checkPorts(nodes: readonly (NodeDraft | undefined)[], refuse: Refuse): void {
  const owners = new Map<string, string>();
  for (const [index, node] of nodes.entries()) {
    if (node?.host === undefined) continue;
    for (const use of ["http", "peer"] as const) {
      const port = node[use];
      if (port === undefined) continue;
      const addresses = [...new Set([node.host, node.bind ?? node.host])].map((host) => `${sameHost(host)} ${port}`);
      const taken = addresses.find((address) => owners.has(address));
      const path = ["nodes", index, use];
      if (taken !== undefined) {
        refuse(path, `expected a port of its own on ${node.host}, found ${port}, which ${owners.get(taken)} has`);
      }
      for (const address of addresses) if (!owners.has(address)) owners.set(address, `nodes[${index}].${use}`);
    }
  }
}

function sameHost(host: string): string {
  return host === "localhost" ? "127.0.0.1" : host;
}

function checkReplication(
  replication: Draft<Replication> | undefined,
  nodes: readonly (NodeDraft | undefined)[],
  path: Path,
  refuse: Refuse,
): void {
  if (replication === undefined || nodes.length === 0) return;
  if (typeof replication === "number") {
    if (replication > nodes.length) {
      refuse(
        path,
        `expected at most ${nodes.length}, the number of nodes, found ${replication}; lower it or add nodes`,
      );
    }
    return;
  }
  const sizes = new Map<string, number>();
  for (const node of nodes) {
    const datacenter = node?.datacenter ?? DEFAULT_DATACENTER;
    sizes.set(datacenter, (sizes.get(datacenter) ?? 0) + 1);
  }
  if (Object.keys(replication).length === 0) refuse(path, "expected at least one datacenter, found none");
  for (const [datacenter, replicas = 0] of Object.entries(replication)) {
    const size = sizes.get(datacenter);
    if (size === undefined) {
      const names = [...sizes.keys()];
      const nearest = didYouMean(datacenter, names);
      const remedy = nearest === undefined ? "" : `; ${nearest}`;
      refuse(
        [...path, datacenter],
        `expected a datacenter of the nodes (${names.join(", ")}), found "${datacenter}"${remedy}`,
      );
    } else if (replicas > size) {
      refuse(
        [...path, datacenter],
        `expected at most ${size}, the nodes of ${datacenter}, found ${replicas}; lower it or add nodes`,
      );
    }
  }
}

/** Each different replication is a placement of its own: told at the first bucket that is one too many. */
function checkPlacements(
  cluster: ClusterDraft,
  buckets: readonly (readonly [Path, BucketDraft | null | undefined])[],
  refuse: Refuse,
): void {
  const replications = [cluster.defaults, ...buckets.map(([, bucket]) => bucket)].map(
    (bucket) => bucket?.replication ?? cluster.replication ?? defaultReplication(cluster.nodes?.length ?? 0),
  );
  const texts = new Set<string>();
  for (const [index, replication] of replications.entries()) {
    texts.add(replicationText(replication as Replication));
    if (texts.size <= PLACEMENTS_MAX) continue;
    const [path] = buckets[index - 1] as (typeof buckets)[number];
    refuse(
      [...path, "replication"],
      `expected at most ${PLACEMENTS_MAX} different replications in all, found one more; give the bucket one of the others`,
    );
    return;
  }
}

/** A level that asks for more replicas than there are could never be met. `bucket` undefined: the file's own levels. */
function checkLevels(cluster: ClusterDraft, bucket: BucketDraft | undefined, path: Path, refuse: Refuse): void {
  const replication = bucket?.replication ?? cluster.replication ?? defaultReplication(cluster.nodes?.length ?? 0);
  const replicas = replicasOf(replication);
  for (const use of ["read", "write"] as const) {
    const own = bucket === undefined ? cluster.consistency?.[use] : bucket.consistency?.[use];
    const inherited = bucket?.replication === undefined ? undefined : cluster.consistency?.[use];
    const level = own ?? inherited;
    if (level === undefined || replicas === 0 || replicasFor(level) <= replicas) continue;
    const sentence = `expected at most ${replicas}, the replication, found ${level}`;
    if (own === undefined) {
      const remedy = `give the bucket a consistency of its own`;
      refuse(
        [...path, "replication"],
        `consistency.${use} asks for ${level} and here are ${replicas} replicas; ${remedy}`,
      );
    } else {
      refuse(
        bucket === undefined ? [...path, use] : [...path, "consistency", use],
        `${sentence}; use ALL or a smaller one`,
      );
    }
  }
}

/** Stamps of clients decide among values of which one is kept, and a merge function where several are. */
function checkUse(bucket: BucketDraft, path: Path, refuse: Refuse): void {
  const { type = "register", cells, clientStamps, merge, ttl } = bucket;
  const expect = (key: string, needed: string) =>
    refuse([...path, key], `expected a bucket of type ${needed}, found ${type}; remove the line`);
  if (cells !== undefined && type !== ROW) expect("cells", ROW);
  if (clientStamps === true && type !== "register") expect("clientStamps", "register");
  if (merge !== undefined && type !== "siblings") expect("merge", "siblings");
  // What is not put as a whole has no age.
  if (ttl !== undefined && latticeNamed(type === ROW ? (cells ?? "register") : type)?.accepts("put") === false)
    expect("ttl", "register or siblings");
}

/** A bucket's own may be no longer than a client's. */
function checkTtl(
  { ttl }: BucketDraft,
  { ttlMsMax: mostMs = LIMITS.ttlMsMax.value }: LimitsDraft,
  path: Path,
  refuse: Refuse,
): void {
  if (ttl === undefined || (parseDurationMs(ttl) ?? 0) <= mostMs) return;
  refuse([...path, "ttl"], `expected at most ${mostMs}ms, found ${ttl}; lower it or raise limits.ttlMsMax`);
}

/** Only what is summed can be merged before it is written; and no increment waits for long. */
function checkCoalesce(
  { type = "register", coalesce }: BucketDraft,
  { coalesceMsMax: mostMs = LIMITS.coalesceMsMax.value }: LimitsDraft,
  path: Path,
  refuse: Refuse,
): void {
  if (coalesce === undefined) return;
  const at = [...path, "coalesce"];
  if (type !== "counter") refuse(at, `expected a bucket of type counter, found ${type}; remove the line`);
  else if ((parseDurationMs(coalesce) ?? 0) > mostMs) {
    refuse(at, `expected at most ${mostMs}ms, found ${coalesce}; every increment waits for it (limits.coalesceMsMax)`);
  }
}

/** All replicas, over all datacenters. */
function replicasOf(replication: Draft<Replication>): number {
  if (typeof replication === "number") return replication;
  return Object.values(replication).reduce<number>((sum, replicas) => sum + (replicas ?? 0), 0);
}

const REPLICAS_FOR: Readonly<Record<string, number>> = { TWO: 2, THREE: 3 };

function replicasFor(level: LevelWritten): number {
  return typeof level === "number" ? level : (REPLICAS_FOR[level.toUpperCase()] ?? 1);
}

/** Limits of which one must leave room for the other: [smaller, larger, how many times, why]. */
export const LIMIT_PAIRS: readonly (readonly [keyof typeof LIMITS, keyof typeof LIMITS, number, string])[] = [
  ["requestDeadlineMs", "requestDeadlineMsMax", 1, "no request may take longer"],
  ["dialRetryMsMin", "dialRetryMsMax", 1, "waits only grow"],
  ["pingIntervalMs", "peerSilenceMsMax", 2, "one lost ping is no silence"],
  ["clockSkewMsMax", "carrierAgeMaxMs", 3, "a fresh write must not look old to a node whose clock is ahead"],
  ["hintAgeMsMax", "carrierAgeMaxMs", 1, "an owner refuses hints that are older"],
  ["valueBytesMax", "frameBytesMax", 2, "a frame carries a value and more"],
  ["valueBytesMax", "batchAnswerBytesMax", 1, "a listing reads in batches what owners differ on"],
];

function checkLimits(limits: LimitsDraft, refuse: Refuse): void {
  for (const [smaller, larger, times, why] of LIMIT_PAIRS) {
    const least = (limits[smaller] ?? LIMITS[smaller].value) * times;
    const value = limits[larger] ?? LIMITS[larger].value;
    if (value >= least) continue;
    const factor = times === 1 ? "" : `${times} times `;
    const sentence = `expected at least ${least}, ${factor}${smaller}, found ${value}; ${why}`;
    if (limits[larger] !== undefined) refuse(["limits", larger], sentence);
    else
      refuse(
        ["limits", smaller],
        `expected at most ${Math.floor(value / times)}, as ${larger} is ${value}, found ${limits[smaller]}; ${why}`,
      );
  }
}
