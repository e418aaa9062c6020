/**
 * Every limit there is, and the levels.
 *
 * Everything in MurmurDB is bounded, and every bound has its name, unit and
 * reason here. A `cluster.yaml` may set each of them by that name under
 * `limits:`. Full means refuse early, never grow.
 */
import { CORE_LIMITS } from "./limits-core.js";
import { EDGE_LIMITS } from "./limits-edge.js";
import { MERGE_LIMITS } from "./limits-merge.js";
import { RELAY_LIMITS } from "./limits-relay.js";

/** Name, default, permitted range and reason of every limit. */
export const LIMITS = { ...EDGE_LIMITS, ...CORE_LIMITS, ...RELAY_LIMITS, ...MERGE_LIMITS } as const;

/** The limits a node runs with, by name. */
export type Limits = { readonly [Name in keyof typeof LIMITS]: number };

export const DEFAULT_LIMITS: Limits = Object.fromEntries(
  Object.entries(LIMITS).map(([name, { value }]) => [name, value]),
) as Limits;

/** How many answers a request needs, before N and the datacenters are known. A number is a count of owners. */
export type Level =
  | "ANY"
  | "ONE"
  | "TWO"
  | "THREE"
  | "QUORUM"
  | "ALL"
  | "LOCAL_ONE"
  | "LOCAL_QUORUM"
  | "EACH_QUORUM"
  | number;

export const LEVEL_NAMES = [
  "ANY",
  "ONE",
  "TWO",
  "THREE",
  "QUORUM",
  "ALL",
  "LOCAL_ONE",
  "LOCAL_QUORUM",
  "EACH_QUORUM",
] as const;

/** A read has no use for ANY: a hint is nobody's answer. */
export const READ_LEVEL_NAMES: readonly (typeof LEVEL_NAMES)[number][] = LEVEL_NAMES.filter((name) => name !== "ANY");
