/**
 * A real storage in a directory of its own, for the tests.
 *
 * A crash is made by copying the files as they are at that moment, which is
 * what kill -9 leaves, and opening the copy. The copy holds what was written
 * and not synced, as it does after kill -9.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Durability } from "../../src/cluster-config.js";
import { DEFAULT_LIMITS, type Limits } from "../../src/config.js";
import { openStorage, type SqliteStorage } from "../../src/real/storage.js";
import { barrier, type Harness } from "./storage-harness.js";

/** Small, so that groups are split and the log is folded within a short test. */
export const TIGHT_LIMITS: Limits = { ...DEFAULT_LIMITS, commitRowsMax: 5, walBytesMax: 256 * 1024 };

export function makeTemporaryDirectory(): string {
  return mkdtempSync(join(tmpdir(), "murmur-storage-"));
}

export function close(storage: SqliteStorage): Promise<void> {
  return new Promise((resolve) => storage.close(resolve));
}

/** What a killed process leaves in `dir`. The database is read first: a fold only copies into it what the log has. */
export function filesOf(dir: string): { database: Buffer; log: Buffer } {
  return { database: readFileSync(join(dir, "store.db")), log: readFileSync(join(dir, "store.db-wal")) };
}

export function writeFiles(dir: string, { database, log }: { database: Uint8Array; log: Uint8Array }): void {
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, "store.db"), database);
  writeFileSync(join(dir, "store.db-wal"), log);
}

export class RealHarness implements Harness {
  private readonly root = makeTemporaryDirectory();
  private readonly abandoned: SqliteStorage[] = [];
  private starts = 0;
  storage: SqliteStorage;

  /** `losesPower`: a crash also takes everything of the log that was not synced. */
  constructor(
    private readonly durability: Durability,
    private readonly losesPower = false,
  ) {
    this.storage = this.open();
  }

  get dir(): string {
    return join(this.root, `${this.starts}`);
  }

  begin = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  settle = (): Promise<void> => barrier(this.storage);

  crash(): void {
    const { database, log } = filesOf(this.dir);
    const synced = this.losesPower ? log.subarray(0, this.storage.walBytes()) : log;
    this.abandoned.push(this.storage);
    this.starts += 1;
    writeFiles(this.dir, { database, log: synced });
    this.storage = this.open();
  }

  setFull(isFull: boolean): void {
    this.storage.setFull(isFull);
  }

  async close(): Promise<void> {
    for (const storage of [...this.abandoned, this.storage]) await close(storage);
    rmSync(this.root, { recursive: true });
  }

  private open(): SqliteStorage {
    return openStorage({ dir: this.dir, durability: this.durability, limits: TIGHT_LIMITS });
  }
}
