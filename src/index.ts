/**
 * The package `murmurdb`: run a node inside your own process.
 *
 *     const config = loadClusterFile('cluster.yaml')    // or the mistakes found in it
 *     if (!Array.isArray(config)) startNode({ config, id: 'n1', dataDir: './data/n1', newCluster: false, log }, (outcome) => …)
 *
 * The command `murmur` does the same from a shell.
 */
export type { ClusterConfig, NodeConfig } from "./cluster-config.js";
export type { Level, Limits } from "./config.js";
export { DEFAULT_LIMITS } from "./config.js";
export type { Log } from "./ports.js";
export { loadClusterFile } from "./real/cluster-file.js";
export type { ConfigMistake } from "./real/cluster-yaml.js";
export type { MergedKey, MergeFunction, Sibling } from "./real/merge-function.js";
export { type RunningNode, type StartOptions, type StartOutcome, startNode } from "./start-node.js";
