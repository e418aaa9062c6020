/**
 * Storage on SQLite: the two views, and commits in groups.
 *
 * Commits called while the disk is busy gather into the next group, one
 * transaction and one sync for all of them, so the cost of a sync is shared by
 * more writers the more there are. Within a group only the last write of a key
 * is kept: the group is atomic, so nobody can see the others.
 *
 * - `latest` looks through the groups, the newest first, then asks the engine.
 * - `durable` and `scan` ask the engine alone. They move by whole groups, just
 *   before the first callback of the group.
 * - When a group fails, all groups fail, and with them goes what `latest` saw.
 */
import { join } from "node:path";
import { assert } from "../base/assert.js";
import { bytesToMapKey } from "../base/bytes.js";
import type { Durability } from "../cluster-config.js";
import type { Limits } from "../config.js";
import type { Row, Storage, StorageError, Write } from "../ports.js";
import { type StorageEngine, SyncedLogEngine } from "./storage-engine.js";
import { copyInThread, takeCopy } from "./storage-salvage.js";

/** A group's share of the log, so that one group can neither fill the log nor stop the event loop for long. */
const GROUP_PART_OF_LOG = 1 / 8;

/** Opens, or makes, the store in `dir` and locks it. Throws `StorageOpenError`. */
export function openStorage(options: { dir: string; durability: Durability; limits: Limits }): SqliteStorage {
  const open = () => new SyncedLogEngine(options.dir, options.durability, options.limits);
  return new SqliteStorage(open(), options.limits, { file: join(options.dir, "store.db"), open });
}

/** Where the engine keeps its rows, and how it is opened again. */
interface Store {
  readonly file: string;
  readonly open: () => StorageEngine;
}

/** Commits that go to the disk together. */
class Group {
  /** The last write of each key, by `bytesToMapKey`. */
  readonly rows = new Map<string, Write>();
  readonly callbacks: Array<(error?: StorageError) => void> = [];
  bytes = 0;

  add(write: Write): void {
    const mapKey = bytesToMapKey(write.key);
    const replaced = this.rows.get(mapKey);
    if (replaced !== undefined) this.bytes -= bytesOf(replaced);
    this.rows.set(mapKey, write);
    this.bytes += bytesOf(write);
  }
}

export class SqliteStorage implements Storage {
  /** The oldest first. Only the first may be with the engine. */
  private groups: Group[] = [];
  /** due: the engine gets the first group when the present inputs have been run. */
  private phase: "idle" | "due" | "writing" | "salvaging" | "closed" = "idle";
  private onClosed: (() => void) | undefined;
  private onSalvaged: ((rows: number | undefined) => void) | undefined;

  /** Without a `store` nothing can be salvaged. */
  constructor(
    private engine: StorageEngine,
    private readonly limits: Limits,
    private readonly store?: Store,
  ) {}

  latest(key: Uint8Array): Uint8Array | undefined {
    if (this.groups.length > 0) {
      const mapKey = bytesToMapKey(key);
      for (let index = this.groups.length - 1; index >= 0; index--) {
        const write = this.groups[index]?.rows.get(mapKey);
        if (write !== undefined) return write.value;
      }
    }
    return this.engine.read(key, false);
  }

  durable(key: Uint8Array): Uint8Array | undefined {
    const isPending = this.phase === "writing" && this.groups[0]?.rows.has(bytesToMapKey(key));
    return this.engine.read(key, isPending === true);
  }

  scan(from: Uint8Array, to: Uint8Array, rowsMax: number, bytesMax = Number.POSITIVE_INFINITY): Row[] {
    assert(Number.isSafeInteger(rowsMax) && rowsMax >= 0, "a scan has a limit");
    return this.engine.scan(from, to, rowsMax, bytesMax);
  }

  commit(batch: readonly Write[], onDone: (error?: StorageError) => void): void {
    assert(this.phase !== "closed", "a closed storage commits nothing");
    const group = this.groupFor(batch);
    for (const write of batch) group.add(write);
    group.callbacks.push(onDone);
  }

  release(): void {
    if (this.phase !== "idle") return;
    if (this.onSalvaged !== undefined) return this.beginSalvage(this.onSalvaged);
    if (this.groups.length === 0) return;
    this.phase = "due";
    // Turns of other sockets that are ready now still join this group.
    setImmediate(() => this.writeFirst());
  }

  salvage(onDone: (rows: number | undefined) => void): void {
    assert(this.onSalvaged === undefined, "a storage is salvaged once at a time");
    this.onSalvaged = onDone;
  }

  identity(): string {
    return this.engine.identity();
  }

  /** Bytes of keys and values that wait for the disk. The node refuses writes beyond `pendingCommitBytesMax`. */
  pendingBytes(): number {
    return this.groups.reduce((sum, group) => sum + group.bytes, 0);
  }

  /** Bytes of the log that were not folded into the database file yet. */
  walBytes(): number {
    return this.engine.logBytes();
  }

  /** Finishes what is pending, folds the log, closes the files and gives up the lock. `onClosed` comes later. */
  close(onClosed: () => void): void {
    assert(this.onClosed === undefined, "a storage is closed once");
    this.onClosed = onClosed;
    // A barrier ends after all that is pending, and after nothing at once.
    this.commit([], () => {});
    this.release();
  }

  /** For tests: the file grows no further, as on a full disk, until told otherwise. */
  setFull(isFull: boolean): void {
    this.engine.setFull(isFull);
  }

  private groupFor(batch: readonly Write[]): Group {
    const last = this.groups.at(-1);
    // A barrier adds nothing to write: it may even join the group that is under way.
    if (last !== undefined && batch.length === 0) return last;
    const isOpen = last !== undefined && !(this.phase === "writing" && this.groups.length === 1);
    if (isOpen && this.hasRoom(last, batch)) return last;
    const group = new Group();
    this.groups.push(group);
    return group;
  }

  private hasRoom(group: Group, batch: readonly Write[]): boolean {
    return (
      group.rows.size + batch.length <= this.limits.commitRowsMax &&
      group.bytes < this.limits.walBytesMax * GROUP_PART_OF_LOG
    );
  }

  private writeFirst(): void {
    const group = this.groups[0];
    assert(group !== undefined, "a due storage has a group");
    this.phase = "writing";
    if (group.rows.size === 0) this.onWritten(undefined);
    else this.engine.write(group.rows.values(), (error) => this.onWritten(error));
  }

  private onWritten(error: StorageError | undefined): void {
    const done = error === undefined ? this.groups.splice(0, 1) : this.groups.splice(0);
    this.phase = "idle";
    for (const group of done) for (const onDone of group.callbacks) onDone(error);
    this.release();
    if (this.groups.length === 0 && this.onClosed !== undefined) this.finish(this.onClosed);
  }

  private beginSalvage(onDone: (rows: number | undefined) => void): void {
    const { store } = this;
    this.phase = "salvaging";
    const end = (rows: number | undefined) => {
      this.onSalvaged = undefined;
      this.phase = "idle";
      onDone(rows);
      this.release();
    };
    if (store === undefined) {
      setImmediate(() => end(undefined));
      return;
    }
    copyInThread(store.file, (copied) => {
      if ("error" in copied) return end(undefined);
      this.engine.close(() => {
        const isTaken = takeCopy(store.file);
        this.engine = store.open();
        end(isTaken ? copied.rows : undefined);
      });
    });
  }

  private finish(onClosed: () => void): void {
    this.phase = "closed";
    this.engine.close(onClosed);
  }
}

function bytesOf({ key, value }: Write): number {
  return key.length + (value?.length ?? 0);
}
