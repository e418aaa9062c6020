/**
 * One member in this process: its world opened, its node joined to it, its
 * HTTP edge listening.
 */
import type { ClusterConfig } from "../config.js";
import type { Log } from "../ports.js";

export interface StartOptions {
  readonly config: ClusterConfig;
  /** Which of the config's nodes this is. */
  readonly id: string;
  /** The folder of this node alone. */
  readonly dataDir: string;
  /** Vouches that the cluster is new: nothing is waited for from owners that are not up. */
  readonly newCluster: boolean;
  readonly log: Log;
}

export interface RunningNode {
  readonly httpUrl: string;
  readonly peerPort: number;
  /** Drains and stops, then calls back once. */
  stop(onStopped: () => void): void;
  /** Called at most once, when the node cannot go on. */
  onFatal(fn: (message: string) => void): void;
}

export type StartOutcome =
  | { readonly ok: true; readonly running: RunningNode }
  | { readonly ok: false; readonly message: string };

export function startNode(_options: StartOptions, onOutcome: (outcome: StartOutcome) => void): void {
  setImmediate(onOutcome, { ok: false, message: "not joined yet" });
}
