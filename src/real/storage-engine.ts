/**
 * The engine: SQLite writes on the event loop, the sync of its log does not.
 *
 * A group is one transaction at synchronous=NORMAL, which only hands the bytes
 * to the operating system; then the log is synced in the thread pool, and when
 * that returns the group is durable. Meanwhile a second connection stands in
 * the state before the group: that is the durable view, without a copy of any
 * row. Keys that are not in the group are read through the writing connection,
 * whose page cache no group makes stale. With durability `os` nothing is
 * synced but what a fold needs, and a group is durable when it is written.
 *
 * The other way, a thread that commits at synchronous=FULL, costs more CPU a
 * row and answers later, as each group crosses to the thread and back and all
 * reads go through a connection whose cache every group empties. Thread / log,
 * rows of 100 B, 2 cores, Node 20: rows a second 0.71 (0.66 - 0.78) for one
 * writer, 0.84 for 16, 0.82 (0.72 - 0.85) for 64, 0.85 for 256; CPU a row 1.48,
 * 1.25, 1.27, 1.16. Its loop lags less with 256 writers, p99 5.1 ms to 7.5 ms.
 * Again: `npm run bench -- storage`.
 */
import { closeSync, fdatasync } from "node:fs";
import type { Durability } from "../cluster-config.js";
import type { Limits } from "../config.js";
import type { Row, StorageError, Write } from "../ports.js";
import { diskBroken } from "./storage-errors.js";
import { Folding, HELD_AT_LIMITS } from "./storage-fold.js";
import { connect, openFiles, type StoreFiles } from "./storage-open.js";
import { Table } from "./storage-table.js";

/** What keeps the rows. It knows one group at a time: queue, order and the latest view are its caller's. */
export interface StorageEngine {
  /** The durable value. `isPending`: a write of this key may be under way. */
  read(key: Uint8Array, isPending: boolean): Uint8Array | undefined;
  /** Durable rows, see `Storage.scan`. */
  scan(from: Uint8Array, to: Uint8Array, rowsMax: number, bytesMax: number): Row[];
  /** Makes the rows durable, all or none; one group at a time, keys distinct. */
  write(rows: Iterable<Write>, onDone: (error?: StorageError) => void): void;
  /** Names its file, see `Storage.identity`. */
  identity(): string;
  /** Bytes in the log. */
  logBytes(): number;
  /** The file grows no further, as on a full disk, until told otherwise. */
  setFull(isFull: boolean): void;
  /** Folds the log and closes the files. No group may be under way. */
  close(onClosed: () => void): void;
}

const PAGES_MAX = 0xfffffffe;
/** It is asked for few rows, and forgets its pages with every group. */
const BEFORE_CACHE_KIB = 1024;

export class SyncedLogEngine implements StorageEngine {
  private readonly files: StoreFiles;
  /** Writes, and reads all that is not being synced: its page cache stays warm. */
  private readonly written: Table;
  /** Stands in the state before the group that is being synced. */
  private readonly before: Table;
  private readonly folding: Folding;
  private isSyncing = false;

  constructor(
    dir: string,
    private readonly durability: Durability,
    limits: Limits,
  ) {
    this.files = openFiles(dir, HELD_AT_LIMITS * limits.walBytesMax);
    this.written = new Table(this.files.writer);
    const reader = connect(this.files.file);
    reader.pragma(`cache_size = -${BEFORE_CACHE_KIB}`);
    this.before = new Table(reader);
    this.folding = new Folding(this.files, limits.walBytesMax);
    // What a killed process left in the log was synced at opening, and may be long.
    this.folding.afterGroup(this.written.logFrames());
    this.written.open();
  }

  read(key: Uint8Array, isPending: boolean): Uint8Array | undefined {
    return (isPending && this.isSyncing ? this.before : this.written).get(key);
  }

  scan(from: Uint8Array, to: Uint8Array, rowsMax: number, bytesMax: number): Row[] {
    return (this.isSyncing ? this.before : this.written).scan(from, to, rowsMax, bytesMax);
  }

  write(rows: Iterable<Write>, onDone: (error?: StorageError) => void): void {
    this.folding.beforeGroup(() => this.writeGroup(rows, onDone));
  }

  identity(): string {
    return this.files.identity;
  }

  logBytes(): number {
    return this.folding.logBytes();
  }

  setFull(isFull: boolean): void {
    this.files.writer.pragma(`max_page_count = ${isFull ? 1 : PAGES_MAX}`);
  }

  close(onClosed: () => void): void {
    this.folding.close(() => {
      this.before.connection.close();
      this.written.close();
      // The last connection folds the log and removes it.
      this.files.writer.close();
      closeSync(this.files.logFile);
      closeSync(this.files.databaseFile);
      this.files.lock.close();
      onClosed();
    });
  }

  private writeGroup(rows: Iterable<Write>, onDone: (error?: StorageError) => void): void {
    const mustSync = this.durability === "group";
    if (mustSync) this.before.open();
    const error = this.written.apply(rows);
    const frames = this.written.logFrames();
    this.written.open();
    const end = () => {
      this.before.close();
      this.isSyncing = false;
      this.folding.afterGroup(frames);
      onDone(error);
    };
    if (error !== undefined || !mustSync) {
      end();
    } else {
      this.isSyncing = true;
      fdatasync(this.files.logFile, (failure) => {
        if (failure !== null) throw diskBroken(failure);
        end();
      });
    }
  }
}
