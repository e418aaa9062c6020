/**
 * The engine that was not chosen: a thread commits each group at synchronous=FULL.
 *
 * Kept so that the choice can be measured again (bench/storage.ts). The event
 * loop packs a group into one buffer, hands it over, and reads through a
 * connection of its own that stands in the state of the last finished group.
 */
import { closeSync } from "node:fs";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { Reader, Writer } from "../src/base/bytes.js";
import type { Limits } from "../src/config.js";
import type { Row, StorageError, Write } from "../src/ports.js";
import type { StorageEngine } from "../src/real/storage-engine.js";
import { Folding, HELD_AT_LIMITS } from "../src/real/storage-fold.js";
import { connect, openFiles, type StoreFiles } from "../src/real/storage-open.js";
import { Table } from "../src/real/storage-table.js";

interface Answer {
  readonly error: StorageError | undefined;
  readonly frames: number;
}

export class ThreadEngine implements StorageEngine {
  private readonly files: StoreFiles;
  private readonly done: Table;
  private readonly folding: Folding;
  private readonly worker: Worker;
  private onDone: ((error?: StorageError) => void) | undefined;

  constructor(dir: string, limits: Limits) {
    this.files = openFiles(dir, HELD_AT_LIMITS * limits.walBytesMax);
    this.done = new Table(this.files.writer);
    this.done.open();
    this.folding = new Folding(this.files, limits.walBytesMax);
    this.worker = new Worker(new URL(import.meta.url), { workerData: this.files.file });
    this.worker.on("message", ({ error, frames }: Answer) => {
      this.done.open();
      this.folding.afterGroup(frames);
      this.onDone?.(error);
    });
  }

  read(key: Uint8Array): Uint8Array | undefined {
    return this.done.get(key);
  }

  scan(from: Uint8Array, to: Uint8Array, rowsMax: number, bytesMax: number): Row[] {
    return this.done.scan(from, to, rowsMax, bytesMax);
  }

  write(rows: Iterable<Write>, onDone: (error?: StorageError) => void): void {
    this.folding.beforeGroup(() => {
      // After a fold the same state is read from the database alone, and the log may start anew.
      this.done.open();
      const packed = new Writer(64 * 1024);
      for (const { key, value } of rows) {
        packed.long(key).u8(value === undefined ? 0 : 1);
        if (value !== undefined) packed.long(value);
      }
      const bytes = Uint8Array.prototype.slice.call(packed.finish());
      this.onDone = onDone;
      this.worker.postMessage(bytes, [bytes.buffer]);
    });
  }

  identity(): string {
    return this.files.identity;
  }

  logBytes(): number {
    return this.folding.logBytes();
  }

  setFull(): void {}

  close(onClosed: () => void): void {
    this.folding.close(() => {
      this.worker.once("exit", () => {
        this.done.close();
        this.files.writer.close();
        closeSync(this.files.logFile);
        closeSync(this.files.databaseFile);
        this.files.lock.close();
        onClosed();
      });
      this.worker.postMessage(undefined);
    });
  }
}

function unpack(bytes: Uint8Array): Write[] {
  const reader = new Reader(bytes);
  const rows: Write[] = [];
  while (reader.remaining > 0) {
    const key = reader.long();
    rows.push({ key, value: reader.u8() === 1 ? reader.long() : undefined });
  }
  return rows;
}

if (!isMainThread && parentPort !== null && typeof workerData === "string") {
  const port = parentPort;
  const connection = connect(workerData);
  connection.pragma("synchronous = FULL");
  const table = new Table(connection);
  port.on("message", (bytes: Uint8Array | undefined) => {
    if (bytes === undefined) {
      connection.close();
      port.close();
      return;
    }
    const error = table.apply(unpack(bytes));
    port.postMessage({ error, frames: table.logFrames() } satisfies Answer);
  });
}
