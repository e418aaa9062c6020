/**
 * What a test cluster and the processes of its nodes say to each other over
 * IPC. Every command is acknowledged by its number, so that whoever waits for
 * the acknowledgement knows that it has taken effect.
 */
import type { ClusterConfig } from "../cluster-config.js";
import type { NodeId } from "../ports.js";
import type { Faults } from "./fault-transport.js";

/** The first message to a node's process. */
export interface StartMessage {
  readonly config: ClusterConfig;
  readonly id: NodeId;
  readonly dataDir: string;
  readonly faults: Faults;
}

/** Of whom a node thinks what. */
export interface View {
  readonly node: NodeId;
  readonly state: "up" | "down";
  /** Owned partitions in which it does not vote yet; undefined while unknown. */
  readonly rebuilding?: number;
}

export type Command =
  | { readonly kind: "fault"; readonly faults: Faults }
  /** Whom do you see? */
  | { readonly kind: "look" }
  /** Finish what you are at, and end. The end of the process is the acknowledgement. */
  | { readonly kind: "drain" };

export type Numbered = Command & { readonly number: number };

/** Its first word is ready or failed; acknowledgements follow. */
export type NodeMessage =
  | { readonly kind: "ready" }
  | { readonly kind: "failed"; readonly message: string }
  | { readonly kind: "done"; readonly number: number; readonly views?: readonly View[] };
