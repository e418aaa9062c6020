/**
 * A store whose tree is broken, put together anew in a file of its own.
 *
 * A walk along the pages of SQLite's tree meets rows that no search finds; what
 * it cannot read is stepped over, from the other end and then by searches. All that
 * is found goes into `store.db.salvaged`, a fresh file: to mend the old one in place
 * would build on a free list and pages that may be shared. The copy is made by a
 * thread of its own, while nothing is written and reads go on from the old file. Then
 * the old one is closed, with its log folded and gone, and the new one is renamed
 * over it: a crash leaves one whole file or the other, never a log beside the wrong one.
 */
import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { Worker } from "node:worker_threads";
import type { Row } from "../ports.js";
import { ALL_ROWS, isSoundRecord } from "../replica/rows.js";
import { readSlice } from "../replica/slice.js";
import { errorCode } from "./storage-errors.js";
import { type Connection, connect, prepare, syncDirectory } from "./storage-open.js";
import { Table } from "./storage-table.js";

/** Rows copied, or why none were. */
export type Copied = { readonly rows: number } | { readonly error: string };

const STEP = { rowsMax: 256, bytesMax: 4 * 1024 * 1024 };

/** Copies in a thread. Nothing may be written meanwhile. */
export function copyInThread(file: string, onCopied: (copied: Copied) => void): void {
  const worker = new Worker(new URL("./storage-salvage-worker.js", import.meta.url), { workerData: file });
  let copied: Copied = { error: "the thread ended" };
  worker.on("message", (message: Copied) => {
    copied = message;
  });
  worker.on("error", (error) => {
    copied = { error: String(error) };
  });
  worker.on("exit", () => onCopied(copied));
}

/** Puts the copy in the place of the store, which nobody has open. False: somebody from outside still reads the old one. */
export function takeCopy(file: string): boolean {
  if (existsSync(`${file}-wal`)) return false;
  renameSync(copyOf(file), file);
  syncDirectory(dirname(file));
  return true;
}

/** Copies all rows that can be read; returns how many. */
export function copyRows(file: string): number {
  const target = copyOf(file);
  for (const suffix of ["", "-wal", "-shm"]) rmSync(target + suffix, { force: true });
  const from = connect(file);
  const to = connect(target);
  try {
    prepare(to, target);
    const copy = new Copy(to);
    to.exec("BEGIN IMMEDIATE");
    if (!copy.walk(from, "ASC")) {
      copy.walk(from, "DESC");
      copy.search(from);
    }
    to.exec("COMMIT");
    return copy.rows;
  } finally {
    to.close();
    from.close();
    syncFile(target);
  }
}

class Copy {
  rows = 0;
  private readonly insert;
  private readonly find;
  private readonly replace;

  constructor(connection: Connection) {
    this.insert = connection.prepare<[Uint8Array, Uint8Array]>("INSERT OR IGNORE INTO rows (key, value) VALUES (?, ?)");
    this.find = connection.prepare<[Uint8Array], Uint8Array>("SELECT value FROM rows WHERE key = ?").pluck();
    this.replace = connection.prepare<[Uint8Array, Uint8Array]>("UPDATE rows SET value = ?2 WHERE key = ?1");
  }

  /** Along the pages, from one end. False: not to the other end. */
  walk(from: Connection, direction: "ASC" | "DESC"): boolean {
    try {
      for (const row of from.prepare<[], Row>(`SELECT key, value FROM rows ORDER BY key ${direction}`).iterate()) {
        this.take(row);
      }
      return true;
    } catch (error) {
      if (!errorCode(error).startsWith("SQLITE_CORRUPT") && !errorCode(error).startsWith("SQLITE_IOERR")) throw error;
      return false;
    }
  }

  /** What lies between two pages that cannot be read. */
  search(connection: Connection): void {
    const table = new Table(connection);
    for (let from: Uint8Array | undefined = ALL_ROWS.from; from !== undefined; ) {
      const slice = readSlice(table, from, ALL_ROWS.to, STEP);
      for (const row of slice.rows) this.take(row);
      from = slice.next;
    }
  }

  /** Of two rows of one key, which a broken order allows, the one that is what was written. */
  private take({ key, value }: Row): void {
    if (!(key instanceof Uint8Array) || !(value instanceof Uint8Array)) return;
    if (this.insert.run(key, value).changes > 0) {
      this.rows++;
    } else if (isSoundRecord(key, value) && !isSoundRecord(key, this.find.get(key) as Uint8Array)) {
      this.replace.run(key, value);
    }
  }
}

function copyOf(file: string): string {
  return `${file}.salvaged`;
}

function syncFile(path: string): void {
  const file = openSync(path, "r+");
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
