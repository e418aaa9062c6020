/**
 * Storage in virtual time, on a disk that outlives it.
 *
 * `SimDisk` is what a crash leaves: durable rows, damage and coming failures.
 * `SimStorage` is a process that has it open: what waits for the disk, and
 * what `latest` sees of it. Commits go to the disk in groups like the real
 * ones, so a run meets the same orders of events. It draws nothing at random:
 * faults are ordered by whoever drives the simulation.
 */
import { assert } from "../base/assert.js";
import { bytesToMapKey } from "../base/bytes.js";
import type { Clock, Row, Storage, StorageError, Write } from "../ports.js";
import { StorageDamage } from "../ports.js";
import { OrderedRows } from "./ordered.js";

/** A node's disk. Its faults may be ordered at any time, whether a storage has it open or not. */
export class SimDisk {
  private readonly rows = new OrderedRows();
  private readonly damaged = new Set<string>();
  private failing: { groups: number; kind: StorageError["kind"] } = { groups: 0, kind: "full" };
  /** One process at a time, as the lock of a data directory demands. */
  isOpen = false;

  /** The next `groups` commits that reach the disk fail, each with all that is pending. Zero heals it. */
  fail(groups: number, kind: StorageError["kind"]): void {
    this.failing = { groups, kind };
  }

  /** Reads of this key throw until it is written again. */
  damage(key: Uint8Array): void {
    this.damaged.add(bytesToMapKey(key));
  }

  /** One bit of a stored value turns round, and the disk does not notice. */
  flip(key: Uint8Array, bit: number): void {
    const row = this.rows.get(bytesToMapKey(key));
    assert(row !== undefined && row.value.length > 0, "there is something to flip");
    const value = Uint8Array.from(row.value);
    const index = Math.floor(bit / 8) % value.length;
    value[index] = (value[index] as number) ^ (1 << (bit % 8));
    this.rows.set(bytesToMapKey(key), { key: row.key, value });
  }

  /** The disk is replaced by an empty, sound one. Only while nobody has it open. */
  wipe(): void {
    assert(!this.isOpen, "a disk in use is not replaced");
    this.rows.clear();
    this.damaged.clear();
    this.fail(0, "full");
  }

  read(mapKey: string): Row | undefined {
    if (this.damaged.has(mapKey))
      throw new StorageDamage(`damaged row ${Buffer.from(mapKey, "latin1").toString("hex")}`);
    return this.rows.get(mapKey);
  }

  /** The keys of a range, readable or not. */
  keys(from: Uint8Array, to: Uint8Array, rowsMax: number): Uint8Array[] {
    const keys = this.rows.keys(bytesToMapKey(from), bytesToMapKey(to), rowsMax);
    return keys.map((mapKey) => (this.rows.get(mapKey) as Row).key);
  }

  scan(from: Uint8Array, to: Uint8Array, rowsMax: number, bytesMax: number): Row[] {
    const rows: Row[] = [];
    let bytes = 0;
    for (const mapKey of this.rows.keys(bytesToMapKey(from), bytesToMapKey(to), rowsMax)) {
      if (bytes >= bytesMax) break;
      const row = this.read(mapKey) as Row;
      rows.push(row);
      bytes += row.value.length;
    }
    return rows;
  }

  /** Puts a group on the disk, all or nothing. */
  write(rows: ReadonlyMap<string, Write>): StorageError | undefined {
    if (this.failing.groups > 0) {
      this.failing.groups -= 1;
      return { kind: this.failing.kind, detail: "simulated" };
    }
    for (const [mapKey, { key, value }] of rows) {
      this.damaged.delete(mapKey);
      if (value === undefined) this.rows.delete(mapKey);
      else this.rows.set(mapKey, { key, value });
    }
    return undefined;
  }
}

/** Commits that go to the disk together: the last write of each key, and who waits. */
interface Group {
  readonly rows: Map<string, Write>;
  readonly callbacks: Array<(error?: StorageError) => void>;
}

export class SimStorage implements Storage {
  /** The oldest first. */
  private groups: Group[] = [];
  /** Whether the first group is on its way to the disk. */
  private isWriting = false;
  private isCrashed = false;
  private readonly clock: Pick<Clock, "after">;
  private readonly disk: SimDisk;
  /** How long a group takes to become durable. May be changed: a disk may get slow. */
  commitMs: number;

  constructor(options: { clock: Pick<Clock, "after">; disk: SimDisk; commitMs: number }) {
    this.clock = options.clock;
    this.disk = options.disk;
    this.commitMs = options.commitMs;
    assert(!this.disk.isOpen, "a disk is open once");
    this.disk.isOpen = true;
  }

  latest(key: Uint8Array): Uint8Array | undefined {
    const mapKey = bytesToMapKey(key);
    for (let index = this.groups.length - 1; index >= 0; index--) {
      const write = this.groups[index]?.rows.get(mapKey);
      if (write !== undefined) return write.value;
    }
    return this.disk.read(mapKey)?.value;
  }

  durable(key: Uint8Array): Uint8Array | undefined {
    return this.disk.read(bytesToMapKey(key))?.value;
  }

  scan(from: Uint8Array, to: Uint8Array, rowsMax: number, bytesMax = Number.POSITIVE_INFINITY): Row[] {
    assert(Number.isSafeInteger(rowsMax) && rowsMax >= 0, "a scan has a limit");
    return this.disk.scan(from, to, rowsMax, bytesMax);
  }

  commit(batch: readonly Write[], onDone: (error?: StorageError) => void): void {
    assert(!this.isCrashed, "a dead process commits nothing");
    const group = this.groupFor(batch);
    for (const write of batch) group.rows.set(bytesToMapKey(write.key), write);
    group.callbacks.push(onDone);
  }

  release(): void {
    if (this.isWriting || this.groups.length === 0) return;
    this.isWriting = true;
    this.clock.after(this.commitMs, () => this.onWritten());
  }

  /**
   * The process dies: nobody is called back, and what was not durable is gone.
   * A group on its way may have reached the disk all the same: then it is `kept`.
   */
  crash(groupOnItsWay: "lost" | "kept" = "lost"): void {
    assert(!this.isCrashed, "a process dies once");
    const [first] = this.groups;
    if (groupOnItsWay === "kept" && this.isWriting && first !== undefined) this.disk.write(first.rows);
    this.isCrashed = true;
    this.groups = [];
    this.disk.isOpen = false;
  }

  private groupFor(batch: readonly Write[]): Group {
    const last = this.groups.at(-1);
    const isOnItsWay = this.isWriting && this.groups.length === 1;
    // A barrier adds nothing to write: it may even join the group that is under way.
    if (last !== undefined && (batch.length === 0 || !isOnItsWay)) return last;
    const group: Group = { rows: new Map(), callbacks: [] };
    this.groups.push(group);
    return group;
  }

  private onWritten(): void {
    const [first] = this.groups;
    if (this.isCrashed) return;
    assert(first !== undefined, "what was written is a group");
    const error = this.disk.write(first.rows);
    const done = this.groups.splice(0, error === undefined ? 1 : this.groups.length);
    this.isWriting = false;
    for (const { callbacks } of done) {
      for (const onDone of callbacks) if (!this.isCrashed) onDone(error);
    }
    this.release();
  }
}
