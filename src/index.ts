/**
 * The package `murmurdb`: run a node inside your own process.
 *
 *     const config = loadClusterFile('cluster.yaml')
 *     startNode({ config, id: 'n1', … }, (outcome) => …)
 *
 * The command `murmur` does the same from a shell.
 */
export type { ClusterConfig, NodeConfig } from "./cluster-config.js";
export type { Level, Limits } from "./config.js";
export { DEFAULT_LIMITS } from "./config.js";
export type { Log } from "./ports.js";
export { loadClusterFile } from "./real/cluster-file.js";
export type { MergedKey, MergeFunction, Sibling } from "./real/merge-function.js";
export { type RunningNode, type StartOptions, type StartOutcome, startNode } from "./start-node.js";
