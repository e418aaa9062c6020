/** What a TypeScript project says of each way into the package; .ci/smoke has it checked against the packed one. */
import {
  type ClusterConfig,
  type ConfigMistake,
  DEFAULT_LIMITS,
  loadClusterFile,
  type RunningNode,
  startNode,
} from "murmurdb";
import {
  type ChangeResult,
  type GetResult,
  type MapFields,
  MurmurClient,
  type ReadResult,
  SiblingsError,
  TimeoutError,
  UnavailableError,
} from "murmurdb/client";
import { type ClusterNode, type ClusterOptions, startCluster, type TestCluster } from "murmurdb/testing";

export function start(config: ClusterConfig, onRunning: (running: RunningNode) => void): void {
  const log = { info: (_sentence: string) => {}, warn: (_sentence: string, _facts?: Record<string, unknown>) => {} };
  const limits = { ...DEFAULT_LIMITS, valueBytesMax: 100 };
  const options = { config: { ...config, limits }, id: "n1", dataDir: "./data/n1", newCluster: true, log };
  startNode(options, (outcome) => {
    if (outcome.ok) onRunning(outcome.running);
    else log.warn(outcome.message);
  });
}

export function load(path: string): ClusterConfig {
  const config = loadClusterFile(path);
  if (!Array.isArray(config)) return config;
  throw new Error(config.map(mistakeText).join("\n"));
}

function mistakeText({ line, column, key, sentence }: ConfigMistake): string {
  return `${line}:${column}: ${key}: ${sentence}`;
}

const options: ClusterOptions = {
  nodes: [{ id: "a", rack: "r1" }, { id: "b" }],
  replication: 2,
  consistency: { read: "ONE", write: 2 },
  buckets: { sessions: { ttl: "60s" } },
  limits: { valueBytesMax: 100 },
};

export async function breakOne(use: (cluster: TestCluster) => Promise<void>): Promise<readonly string[]> {
  await using cluster = await startCluster(options);
  await use(cluster);
  await cluster.slow("a", { percent: 2, delayMs: 100 });
  await cluster.cut("a", ["b"]);
  await cluster.heal();
  const node: ClusterNode = cluster.node("a");
  return [node.url, node.state, ...cluster.urls];
}

interface User {
  readonly name: string;
}

export async function store(nodes: readonly string[], signal: AbortSignal): Promise<string | undefined> {
  const db = new MurmurClient({ nodes, timeoutMs: 500 });
  const users = db.bucket("users");
  try {
    const { context } = await users.put("ada", { name: "Ada" } satisfies User, { consistency: "QUORUM", ttl: "60s" });
    await users.put("ada", new Uint8Array([1]), { context, contentType: "image/png", signal });
    const found: GetResult<User> = await users.get<User>("ada", { consistency: "ONE", hedge: "p95" });
    await users.delete("ada", { context: found.context });
    return found.value?.name;
  } catch (error) {
    if (error instanceof TimeoutError) return error.mayHaveApplied ? "perhaps" : "no";
    if (error instanceof UnavailableError) return `${error.alive} of ${error.required}`;
    if (error instanceof SiblingsError) return error.siblings.map(({ contentType }) => contentType).join();
    throw error;
  } finally {
    await db.close();
  }
}

export async function change(db: MurmurClient): Promise<number> {
  const added: ChangeResult<number> = await db.bucket("visits").add("home", -5, { consistency: "ONE" });
  const { value: tags } = await db.bucket("tags").editSet("ada", { add: ["a"], remove: ["b"] });
  const edit = { set: { name: "Ada" }, sets: { tags: { add: tags } }, maps: { home: { counters: { keys: 2 } } } };
  const { context } = await db.bucket("profiles").editMap("ada", edit);
  const read: ReadResult<MapFields> = await db.bucket("profiles").fields("ada");
  await db.batch({ writes: [{ bucket: "visits", key: "home", op: { add: 1 }, context }] });
  return added.value + Object.keys(read.value).length;
}
