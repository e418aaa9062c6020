/**
 * Storage in virtual time, on a disk that outlives it (disk.ts).
 *
 * This is a process that has it open: what waits for the disk, and what
 * `latest` sees of it. Commits go to the disk in groups like the real
 * ones, so a run meets the same orders of events. It draws nothing at random:
 * faults are ordered by whoever drives the simulation.
 */
import { assert } from "../base/assert.js";
import { bytesToMapKey } from "../base/bytes.js";
import type { Clock, Row, Storage, StorageError, Write } from "../ports.js";
import type { SimDisk, Tail } from "./disk.js";

/** Commits that go to the disk together: the last write of each key, and who waits. */
interface Group {
  readonly rows: Map<string, Write>;
  /** As they were called: a torn log ends between two of them. */
  readonly batches: Array<readonly Write[]>;
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
    group.batches.push(batch);
    group.callbacks.push(onDone);
  }

  release(): void {
    if (this.isWriting || this.groups.length === 0) return;
    this.isWriting = true;
    this.clock.after(this.commitMs, () => this.onWritten());
  }

  /** The rows are in order always; as on a real disk, they are counted after what is committed now. */
  salvage(onDone: (rows: number | undefined) => void): void {
    this.commit([], () => onDone(this.disk.size));
  }

  identity(): string {
    return this.disk.identity();
  }

  /**
   * The process dies: nobody is called back, and what was not durable is gone.
   * A group on its way may have reached the disk all the same, or the first of its batches: then it is `kept`, or `torn`.
   */
  crash(tail: Tail = "lost"): void {
    assert(!this.isCrashed, "a process dies once");
    const [first] = this.groups;
    if (tail !== "lost" && this.isWriting && first !== undefined) {
      const kept = tail === "kept" ? first.batches : first.batches.slice(0, first.batches.length >> 1);
      this.disk.write(new Map(kept.flat().map((write) => [bytesToMapKey(write.key), write])));
    }
    this.isCrashed = true;
    this.groups = [];
    this.disk.isOpen = false;
  }

  private groupFor(batch: readonly Write[]): Group {
    const last = this.groups.at(-1);
    const isOnItsWay = this.isWriting && this.groups.length === 1;
    // A barrier adds nothing to write: it may even join the group that is under way.
    if (last !== undefined && (batch.length === 0 || !isOnItsWay)) return last;
    const group: Group = { rows: new Map(), batches: [], callbacks: [] };
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
