/** The rows of running nodes as their files have them, read from outside. */
import { createRequire } from "node:module";
import { join } from "node:path";
import type Sqlite from "better-sqlite3";
import { type NodeId, type Row, StorageDamage } from "../src/ports.js";
import { ALL_ROWS, stateOfRecord } from "../src/replica/rows.js";
import { differingRow } from "../src/sim/replicas.js";
import type { TorturedCluster } from "./cluster.js";

const require = createRequire(import.meta.url);

/** Why the replicas are not one; undefined when all owners hold the same bytes, and each row fits its checksum. */
export function apart(cluster: TorturedCluster): string | undefined {
  const stored = new Map<NodeId, readonly Row[]>();
  for (const id of cluster.ids) {
    const rows = readableRows(cluster.member(id).dataDir);
    if (rows === undefined || rows.some(isDamaged)) return `${id} still has a row that does not fit its checksum`;
    stored.set(id, rows);
  }
  return differingRow(stored, cluster.layout);
}

/** Whether the file of a running node has a row that is not what was written. */
export function isRotten(dataDir: string): boolean {
  const rows = readableRows(dataDir);
  return rows === undefined || rows.some(isDamaged);
}

/** Undefined when the file is so damaged that SQLite cannot walk through it. */
function readableRows(dataDir: string): Row[] | undefined {
  try {
    return rowsOf(dataDir);
  } catch (error) {
    if (error instanceof Error && "code" in error && String(error.code).startsWith("SQLITE_")) return undefined;
    throw error;
  }
}

function rowsOf(dataDir: string): Row[] {
  const Database = require("better-sqlite3") as typeof Sqlite;
  const database = new Database(join(dataDir, "store.db"), { readonly: true });
  try {
    const select = database.prepare<[Uint8Array, Uint8Array], Row>(
      "SELECT key, value FROM rows WHERE key >= ? AND key < ?",
    );
    return select.all(ALL_ROWS.from, ALL_ROWS.to);
  } finally {
    database.close();
  }
}

function isDamaged({ key, value }: Row): boolean {
  try {
    stateOfRecord(key, value);
    return false;
  } catch (error) {
    if (error instanceof StorageDamage) return true;
    throw error;
  }
}
