/**
 * Opening a data directory: made if it is missing, locked, and known to be ours.
 *
 *     <dir>/store.db       rows(key, value), in WAL mode
 *     <dir>/store.db-wal   the log: what was committed since it was last folded into store.db
 *     <dir>/lock.db        an empty database, locked as long as the process lives
 *
 * The lock is one of the kernel's, taken by SQLite, so it dies with its
 * process: kill -9 leaves none behind. It has a file of its own because any
 * exclusive lock of store.db would shut out our own second connection.
 *
 * What a killed process left in the log is read as committed, though nobody
 * may ever have synced it. So the log is synced here, before the first answer
 * rests on it. The directory is synced too: a file whose name is lost is lost.
 */
import {
  accessSync,
  closeSync,
  constants,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  statSync,
} from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import type Sqlite from "better-sqlite3";
import { openErrorOf, StorageOpenError } from "./storage-errors.js";

export type Connection = Sqlite.Database;

/** An open data directory. */
export interface StoreFiles {
  /** The path of store.db. */
  readonly file: string;
  /** Holds the directory's lock until it is closed. */
  readonly lock: Connection;
  /** The only connection that writes. */
  readonly writer: Connection;
  /** A file descriptor of the log, to sync it. The log keeps its inode as long as a connection is open. */
  readonly logFile: number;
  /**
   * A file descriptor of store.db, to sync it. Closed after all connections only:
   * to close any descriptor of a file gives up all locks that this process has on it.
   */
  readonly databaseFile: number;
  /** See `Storage.identity`. */
  readonly identity: string;
}

/** "MURM": tells our files from those of other programs. */
const APPLICATION_ID = 0x4d55524d;
/** Raised with every change of the format that an older version cannot read. */
const FORMAT = 1;
/** A row of 1 KiB fits; in SQLite's 4 KiB it would spill into a page of its own, at half the speed. */
export const PAGE_BYTES = 8192;
/** Nobody else uses our files, and waiting would stop the event loop. */
const BUSY_MS_MAX = 50;

const require = createRequire(import.meta.url);

/** Opens `dir`; the file of the log is never shrunk to less than `logFileBytes`. Throws `StorageOpenError`. */
export function openFiles(dir: string, logFileBytes: number): StoreFiles {
  const path = resolve(dir);
  const undo: Array<() => void> = [];
  try {
    makeDirectory(path);
    const lock = connect(join(path, "lock.db"));
    undo.push(() => lock.close());
    lock.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
    const file = join(path, "store.db");
    const writer = connect(file);
    undo.push(() => writer.close());
    prepare(writer, file);
    writer.pragma(`journal_size_limit = ${logFileBytes}`);
    const logFile = openSync(`${file}-wal`, "r+");
    undo.push(() => closeSync(logFile));
    fdatasyncSync(logFile);
    syncDirectory(path);
    const databaseFile = openSync(file, "r+");
    return { file, lock, writer, logFile, databaseFile, identity: identityOf(databaseFile) };
  } catch (error) {
    for (const step of undo.reverse()) step();
    throw openErrorOf(path, error);
  }
}

/**
 * One more connection to a file of ours.
 *
 * NORMAL means that SQLite syncs where a power cut could tear the database,
 * that is around a fold and when the log starts anew (half a millisecond once
 * in `walBytesMax`), and not at commits: those are synced by the engine. No
 * connection folds by itself: that would stop the event loop.
 */
export function connect(file: string): Connection {
  // Loaded late: without its native part it throws here, and we can say what to do.
  const Database = require("better-sqlite3") as typeof Sqlite;
  const connection = new Database(file, { timeout: BUSY_MS_MAX });
  connection.pragma("synchronous = NORMAL");
  connection.pragma("wal_autocheckpoint = 0");
  return connection;
}

/** Makes a new file ours, and refuses one that is not. */
export function prepare(writer: Connection, file: string): void {
  const application = writer.pragma("application_id", { simple: true });
  const format = writer.pragma("user_version", { simple: true });
  const tables = writer.prepare<[], number>("SELECT count(*) FROM sqlite_schema").pluck().get();
  const isNew = application === 0 && format === 0 && tables === 0;
  if (!isNew && application !== APPLICATION_ID) {
    throw new StorageOpenError(`${file} belongs to another program: name another data directory, or move it away`);
  }
  if (!isNew && format !== FORMAT) {
    throw new StorageOpenError(
      `${file} has format ${String(format)}, this version reads ${FORMAT}: start the version of MurmurDB that wrote it`,
    );
  }
  if (isNew) writer.pragma(`page_size = ${PAGE_BYTES}`);
  if (writer.pragma("journal_mode = WAL", { simple: true }) !== "wal") {
    throw new StorageOpenError(
      `${file} lies on a file system without shared memory: name a data directory on a local disk`,
    );
  }
  writer.pragma("cell_size_check = ON");
  if (isNew) {
    writer.exec(`BEGIN IMMEDIATE;
      CREATE TABLE rows (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
      PRAGMA application_id = ${APPLICATION_ID};
      PRAGMA user_version = ${FORMAT};
      COMMIT`);
  }
}

/** No tool that copies files can give a copy both: an inode is often used again, the time of birth is the kernel's. */
function identityOf(file: number): string {
  const { ino, birthtimeNs } = fstatSync(file, { bigint: true });
  return `${ino} ${birthtimeNs}`;
}

/**
 * Makes the directory and syncs the names of all directories it had to make.
 * One level at a time: Node's own recursion never ends where nothing can be made, as in /proc.
 */
function makeDirectory(path: string): void {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) makeDirectory(dirname(path));
  try {
    if (found?.isDirectory() !== true) mkdirSync(path);
  } catch (error) {
    // Another node of this machine may just have made their common parent.
    if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) throw error;
  }
  if (found === undefined) syncDirectory(dirname(path));
  // SQLite would say that it cannot open a file, and not why.
  accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
}

export function syncDirectory(path: string): void {
  const directory = openSync(path, "r");
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}
