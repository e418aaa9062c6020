/**
 * A consistency level as a client writes it: a name in any case, or a number of owners.
 */
import type { Replication } from "../cluster-config.js";
import { LEVEL_NAMES, type Level } from "../config.js";

const BY_NAME: ReadonlyMap<string, Level> = new Map(LEVEL_NAMES.map((name) => [name, name]));

/** How many owners a key has: no number beyond it is a level. */
export function ownersCount(replication: Replication): number {
  if (typeof replication === "number") return replication;
  return Object.values(replication).reduce((sum, count) => sum + count, 0);
}

/** The level that `text` means among `owners` owners, or undefined. */
export function parseLevel(text: string, owners: number): Level | undefined {
  const named = BY_NAME.get(text) ?? BY_NAME.get(text.toUpperCase());
  if (named !== undefined) return named;
  const count = Number(text);
  return Number.isInteger(count) && count >= 1 && count <= owners && String(count) === text ? count : undefined;
}
