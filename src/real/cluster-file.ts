/**
 * cluster.yaml to ClusterConfig: the file read, every mistake found in one go,
 * every default filled in. Nobody else reads the file, and nobody behind this
 * module asks whether a setting makes sense.
 */
import { readFileSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { z } from "zod";
import { textOf } from "../base/bytes.js";
import { parseDurationMs } from "../base/duration.js";
import {
  type BucketConfig,
  type ClusterConfig,
  type Consistency,
  DEFAULT_HEDGE,
  type Hedge,
  type NodeConfig,
} from "../cluster-config.js";
import { DEFAULT_LIMITS, type Level, type Limits } from "../config.js";
import { parseHedgePolicy } from "../coordinator/hedge-policy.js";
import { ROW } from "../lattice/registry.js";
import { checkRules, DEFAULT_DATACENTER, DEFAULT_LEVEL, type Draft, defaultReplication } from "./cluster-rules.js";
import { type BucketShape, type ClusterShape, clusterShape, didYouMean, type KnownKeys } from "./cluster-schema.js";
import { type ConfigMistake, type Path, YamlFile } from "./cluster-yaml.js";
import type { MergeRefusal } from "./mergers.js";

const FILE_BYTES_MAX = 1024 * 1024;
const SECRET_BYTES_MIN = 16;
const DEFAULT_PARTITIONS = 1024;

/** Reads and checks one file. The mistakes come in the order of the file. */
export function loadClusterFile(path: string): ClusterConfig | ConfigMistake[] {
  const problem = (sentence: string, line = 1, column = 1): ConfigMistake[] => [
    { file: path, line, column, key: "the file", sentence },
  ];
  let bytes: Uint8Array;
  try {
    const { size } = statSync(path);
    if (size > FILE_BYTES_MAX) return problem(`expected at most ${FILE_BYTES_MAX} bytes, found ${size}`);
    bytes = readFileSync(path);
  } catch (error) {
    return problem(`expected a readable file, found ${reasonOf(error)}`);
  }
  const text = textOf(bytes);
  if (text !== undefined) return parseClusterFile(text, path);
  const before = Buffer.from(bytes).toString("utf8").split("\ufffd", 1).join().split("\n");
  return problem(
    "expected UTF-8, found other bytes; save it as UTF-8",
    before.length,
    (before.at(-1)?.length ?? 0) + 1,
  );
}

/** Checks the text of a file. `path` names it in mistakes, and its folder is where relative paths begin. */
export function parseClusterFile(text: string, path: string): ClusterConfig | ConfigMistake[] {
  const file = new YamlFile(path, text);
  if (file.value === undefined) return file.sortedMistakes();
  if (file.value === null) {
    file.refuse([], "expected a map with at least cluster and nodes, found an empty file");
    return file.sortedMistakes();
  }
  const shape = clusterShape.safeParse(file.value);
  for (const issue of shape.error?.issues ?? []) refuseIssue(file, issue);
  const cluster = (shape.success ? shape.data : pruned(file.value, shape.error.issues)) as Draft<ClusterShape>;
  checkRules(cluster, file);
  checkMergeFiles(cluster, file);
  const secret = readSecret(cluster.security?.secretFile, file);
  const mistakes = file.sortedMistakes();
  return mistakes.length === 0 ? filledIn(cluster as ClusterShape, secret, path) : mistakes;
}

/** What the schema found, told where it stands: about the key itself when that is what is wrong. */
function refuseIssue(file: YamlFile, issue: z.core.$ZodIssue): void {
  const path = issue.path as Path;
  const key = String(path.at(-1));
  const known = issue.code === "custom" ? (issue.params as { known?: KnownKeys } | undefined)?.known : undefined;
  if (known === undefined) file.refuse(path, issue.message);
  else file.refuseKey(path, unknownKey(key, known));
}

function unknownKey(key: string, { names, planned }: KnownKeys): string {
  if (planned.includes(key)) return `${key} is not built yet; remove the line`;
  const nearest = didYouMean(key, names);
  return nearest === undefined
    ? `expected one of ${names.join(", ")}, found "${key}"; remove it`
    : `expected a known key, found "${key}"; ${nearest}`;
}

/** The value without the parts that are wrong, so that the rules can look at the rest. */
function pruned(value: unknown, issues: readonly z.core.$ZodIssue[]): unknown {
  for (const { path } of issues) {
    const last = path.at(-1);
    if (last === undefined) return {};
    let parent = value;
    for (const step of path.slice(0, -1)) parent = childOf(parent, step);
    if (Array.isArray(parent)) parent[Number(last)] = undefined;
    else if (typeof parent === "object" && parent !== null) Reflect.deleteProperty(parent, last);
  }
  return value;
}

function childOf(value: unknown, step: PropertyKey): unknown {
  return typeof value === "object" && value !== null ? (value as Record<PropertyKey, unknown>)[step] : undefined;
}

/** The shared secret, without the newline that editors leave. */
function readSecret(secretFile: string | undefined, file: YamlFile): Uint8Array | undefined {
  if (secretFile === undefined) return undefined;
  const at = ["security", "secretFile"];
  try {
    const secret = withoutNewline(readFileSync(resolve(dirname(file.path), secretFile)));
    if (secret.length >= SECRET_BYTES_MIN) return secret;
    file.refuse(at, `expected at least ${SECRET_BYTES_MIN} bytes in it, found ${secret.length}; make it longer`);
  } catch (error) {
    file.refuse(at, `expected a readable file, found ${reasonOf(error)}`);
  }
  return undefined;
}

/** That they are there; what is in them is seen by whoever runs them. */
function checkMergeFiles(cluster: Draft<ClusterShape>, file: YamlFile): void {
  for (const { at, merge } of mergesOf(cluster, file.path)) {
    try {
      readFileSync(merge);
    } catch (error) {
      file.refuse(at, `expected a readable file, found ${reasonOf(error)}`);
    }
  }
}

/** What whoever ran the merge functions of a good file found wrong with them, told where the file names them. */
export function mergeMistakes(path: string, refusals: readonly MergeRefusal[]): ConfigMistake[] {
  const file = new YamlFile(path, readFileSync(path, "utf8"));
  const sentences = new Map(refusals.map((refusal) => [refusal.file, refusal.sentence]));
  for (const { at, merge } of mergesOf(file.value as ClusterShape, path)) {
    const sentence = sentences.get(merge);
    if (sentence !== undefined) file.refuse(at, sentence);
  }
  return file.sortedMistakes();
}

/** Where a file names merge functions, and their own files. */
function mergesOf({ buckets, defaults }: Draft<ClusterShape>, path: string): { at: Path; merge: string }[] {
  const named = Object.entries(buckets ?? {}).map(([name, bucket]) => ({ at: ["buckets", name], bucket }));
  return [...named, { at: ["defaults"], bucket: defaults }].flatMap(({ at, bucket }) =>
    bucket?.merge ? { at: [...at, "merge"], merge: resolve(dirname(path), bucket.merge) } : [],
  );
}

function withoutNewline(bytes: Buffer): Uint8Array {
  const end = bytes.at(-1) === 10 ? (bytes.at(-2) === 13 ? -2 : -1) : bytes.length;
  return bytes.subarray(0, end);
}

function reasonOf(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code;
  const known: Readonly<Record<string, string>> = {
    ENOENT: "none of that name",
    EISDIR: "a folder",
    EACCES: "one that may not be read",
    EPERM: "one that may not be read",
  };
  return known[code ?? ""] ?? `an error (${code ?? String(error)})`;
}

function filledIn(cluster: ClusterShape, secret: Uint8Array | undefined, path: string): ClusterConfig {
  const replication = cluster.replication ?? defaultReplication(cluster.nodes.length);
  const consistency = levels(cluster.consistency, { read: DEFAULT_LEVEL, write: DEFAULT_LEVEL });
  const hedge = hedgeOf(cluster.hedge, DEFAULT_HEDGE);
  const bucket = (shape: BucketShape | null | undefined): BucketConfig => ({
    type: shape?.type ?? "register",
    cells: shape?.type === ROW ? (shape.cells ?? "register") : undefined,
    replication: shape?.replication ?? replication,
    consistency: levels(shape?.consistency, consistency),
    hedge: hedgeOf(shape?.hedge, hedge),
    ttlMs: shape?.ttl === undefined ? undefined : parseDurationMs(shape.ttl),
    clientStamps: shape?.clientStamps ?? false,
    mergeFile: shape?.merge === undefined ? undefined : resolve(dirname(path), shape.merge),
    coalesceMs: shape?.coalesce === undefined ? undefined : parseDurationMs(shape.coalesce),
  });
  return {
    cluster: cluster.cluster,
    partitions: cluster.partitions ?? DEFAULT_PARTITIONS,
    data: resolve(dirname(path), cluster.data ?? "./data"),
    durability: cluster.durability ?? "group",
    nodes: cluster.nodes.map(nodeConfig),
    buckets: new Map(Object.entries(cluster.buckets ?? {}).map(([name, shape]) => [name, bucket(shape)])),
    defaults: bucket(cluster.defaults),
    limits: { ...DEFAULT_LIMITS, ...cluster.limits } as Limits,
    security: {
      secret,
      allowedHosts: cluster.security?.allowedHosts ?? [],
      allowedOrigins: cluster.security?.allowedOrigins ?? [],
    },
  };
}

/** Without a rack each node is its own rack: then replicas are spread over nodes. */
function nodeConfig(node: ClusterShape["nodes"][number]): NodeConfig {
  return {
    ...node,
    bind: node.bind ?? node.host,
    rack: node.rack ?? node.id,
    datacenter: node.datacenter ?? DEFAULT_DATACENTER,
  };
}

function levels(written: ClusterShape["consistency"], otherwise: Consistency): Consistency {
  return {
    read: written?.read === undefined ? otherwise.read : levelOf(written.read),
    write: written?.write === undefined ? otherwise.write : levelOf(written.write),
  };
}

function hedgeOf(written: ClusterShape["hedge"], otherwise: Hedge): Hedge {
  const after = written?.after === undefined ? undefined : parseHedgePolicy(written.after);
  return { after: after ?? otherwise.after, budgetPercent: written?.budgetPercent ?? otherwise.budgetPercent };
}

function levelOf(written: string | number): Level {
  return (typeof written === "string" ? written.toUpperCase() : written) as Level;
}
