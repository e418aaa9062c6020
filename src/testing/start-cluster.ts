/**
 * `murmurdb/testing`: a real leaderless cluster on this machine, with faults on
 * command, for the tests of whoever uses MurmurDB.
 *
 * Each node is a process of its own that runs what production runs, on free
 * ports, in a temporary folder. Everything is gone after `stop`, and also when
 * the test forgets it or dies.
 */
import { TestCluster } from "./cluster.js";
import type { ClusterOptions } from "./options.js";

export type { TestCluster } from "./cluster.js";
export type { ClusterNode } from "./node.js";
export type { ClusterOptions } from "./options.js";

/** Somebody else may take a port between our look and its use. */
const ATTEMPTS_MAX = 3;
const PORT_TAKEN = /EADDRINUSE|the port is in use/;

/**
 * Starts a cluster and waits until all nodes see each other. Rejects with a
 * TypeError for options that make no sense, and with an Error that has the last
 * lines of its log when a node cannot start.
 */
export async function startCluster(options: ClusterOptions = {}): Promise<TestCluster> {
  for (let attempt = 1; ; attempt++) {
    const cluster = await TestCluster.create(options);
    try {
      await cluster.start();
      return cluster;
    } catch (error) {
      await cluster.stop();
      if (attempt === ATTEMPTS_MAX || !PORT_TAKEN.test((error as Error).message)) throw error;
    }
  }
}
