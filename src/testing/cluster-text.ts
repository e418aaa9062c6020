/**
 * The options of a test cluster as a cluster file: what users may say of it is
 * thereby what cluster.yaml may say, checked by the same rules and refused in
 * the same words.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ClusterConfig, Durability, Replication } from "../cluster-config.js";
import type { Level, Limits } from "../config.js";
import { loadClusterFile } from "../real/cluster-file.js";

/** One node, for clusters of several racks or datacenters. */
export interface TestNodeOptions {
  readonly id: string;
  readonly rack?: string;
  readonly datacenter?: string;
}

interface LevelOptions {
  readonly read?: Level;
  readonly write?: Level;
}

interface HedgeOptions {
  /** Such as "max(p95,2ms)" or "never". */
  readonly after?: string;
  readonly budgetPercent?: number;
}

export interface TestBucketOptions {
  readonly type?: string;
  /** Of a row: the type of its cells. */
  readonly cells?: string;
  readonly replication?: Replication;
  readonly consistency?: LevelOptions;
  readonly hedge?: HedgeOptions;
  /** Such as "60s". */
  readonly ttl?: string;
  /** Of a register: clients may stamp their writes. */
  readonly clientStamps?: boolean;
  /** Of siblings: the absolute path of a merge function. */
  readonly merge?: string;
  /** Of a counter: such as "5ms". */
  readonly coalesce?: string;
}

/** What a cluster file says, by the same names. */
export interface ClusterSettings {
  readonly replication?: Replication;
  /** 64 by default. */
  readonly partitions?: number;
  readonly consistency?: LevelOptions;
  readonly hedge?: HedgeOptions;
  readonly buckets?: Readonly<Record<string, TestBucketOptions>>;
  /** For buckets not named in `buckets`. */
  readonly defaults?: TestBucketOptions;
  /** "os" by default, which is quicker; a kill -9 loses nothing under either. */
  readonly durability?: Durability;
  /** Beside those of a test cluster, which notices sooner who is down and who is back. */
  readonly limits?: Partial<Limits>;
}

/** Sooner than in production, where a false alarm costs more than a second of patience. */
const TEST_LIMITS: Partial<Limits> = {
  pingIntervalMs: 100,
  peerSilenceMsMax: 1000,
  dialRetryMsMax: 200,
  syncIntervalMs: 500,
  settleMs: 500,
};
const TEST_PARTITIONS = 64;

/** Each node's id, and rack and datacenter where given. */
export function nodeOptions(nodes: number | readonly TestNodeOptions[]): readonly TestNodeOptions[] {
  if (typeof nodes !== "number") return nodes;
  return Array.from({ length: nodes }, (_, index) => ({ id: `n${index + 1}` }));
}

/** Writes the file into `folder` and reads it back. `ports` are two for each node: for clients, for peers. */
export function writeClusterFile(
  folder: string,
  nodes: readonly TestNodeOptions[],
  ports: readonly number[],
  settings: ClusterSettings,
): { readonly file: string; readonly config: ClusterConfig } {
  const file = join(folder, "cluster.yaml");
  const cluster = {
    cluster: "test",
    partitions: TEST_PARTITIONS,
    durability: "os",
    data: join(folder, "data"),
    ...settings,
    limits: { ...TEST_LIMITS, ...settings.limits },
    nodes: nodes.map((node, index) => {
      const [http, peer] = [ports[2 * index], ports[2 * index + 1]];
      return { ...node, host: "127.0.0.1", http, peer };
    }),
  };
  // JSON is YAML. What it would leave out is written, to be refused.
  const written = (_: string, value: unknown) => (typeof value === "function" ? String(value) : value);
  writeFileSync(file, `${JSON.stringify(cluster, written, 2)}\n`);
  const config = loadClusterFile(file);
  if (!Array.isArray(config)) return { file, config };
  const mistakes = config.map(({ key, sentence }) => `${key}: ${sentence}`);
  throw new TypeError(`the options of startCluster do not make sense\n${mistakes.join("\n")}`);
}
