/**
 * A node's disk, on which everything can go wrong, in the order that whoever drives the simulation says.
 *
 * It outlives the processes that have it open. What a process has handed over
 * survives the process; under `durability: os` it survives a loss of power only
 * once the kernel has written it, so the disk knows what its last groups replaced.
 */
import { assert } from "../base/assert.js";
import { bytesToMapKey } from "../base/bytes.js";
import { happens, type Random } from "../base/random.js";
import { type Row, StorageDamage, type StorageError, type Write } from "../ports.js";
import { OrderedRows } from "./ordered.js";

/** What becomes of the group that is on its way to the disk when its process dies. */
export type Tail = "lost" | "kept" | "torn";

/** How an operator copied a store, and puts it back. */
export type CopyKind = "files" | "snapshot";

/** What a group replaced: the row before, or undefined where there was none. */
type Undo = ReadonlyMap<string, Row | undefined>;

/** A kernel writes back within seconds; no more groups than this are ever at stake. */
const UNSYNCED_GROUPS_MAX = 64;
/** The end of every key, as a map key. */
const LAST_KEY = "\u0100";

export class SimDisk {
  private readonly rows = new OrderedRows();
  private readonly damaged = new Set<string>();
  private failing: { groups: number; kind: StorageError["kind"] } = { groups: 0, kind: "full" };
  private reading: { failRate: number; random: Random } | undefined;
  /** The last groups that the kernel may not have written; the oldest first. */
  private unsynced: Undo[] = [];
  private backup: readonly Row[] | undefined;
  /** How often other files took the place of those that were there. */
  private replacements = 0;
  /** One process at a time, as the lock of a data directory demands. */
  isOpen = false;

  /** `isLazy`: groups are handed to the kernel and not synced. */
  constructor(private readonly isLazy = false) {}

  /** The next `groups` commits that reach the disk fail, each with all that is pending. Zero heals it. */
  fail(groups: number, kind: StorageError["kind"]): void {
    this.failing = { groups, kind };
  }

  /** Such a share of the reads of single rows fails. Zero heals it. */
  failReads(failRate: number, random: Random): void {
    this.reading = failRate === 0 ? undefined : { failRate, random };
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

  /** One bit of a stored key turns round: its record is found under another one. Returns that. */
  flipKey(key: Uint8Array, bit: number): Uint8Array {
    const row = this.rows.get(bytesToMapKey(key));
    assert(row !== undefined, "there is something to flip");
    const flipped = Uint8Array.from(key);
    const index = Math.floor(bit / 8) % key.length;
    flipped[index] = (flipped[index] as number) ^ (1 << (bit % 8));
    this.rows.delete(bytesToMapKey(key));
    this.rows.set(bytesToMapKey(flipped), { key: flipped, value: row.value });
    return flipped;
  }

  get size(): number {
    return this.rows.size;
  }

  /** The disk is replaced by an empty, sound one. Only while nobody has it open. */
  wipe(): void {
    assert(!this.isOpen, "a disk in use is not replaced");
    this.rows.clear();
    this.damaged.clear();
    this.unsynced = [];
    this.fail(0, "full");
    this.replacements++;
  }

  /** See `Storage.identity`. */
  identity(): string {
    return `files ${this.replacements}`;
  }

  /** An operator copies all that is durable. */
  copy(): void {
    this.backup = this.rows.range("", LAST_KEY, Number.POSITIVE_INFINITY).map(({ row }) => row);
  }

  get hasCopy(): boolean {
    return this.backup !== undefined;
  }

  /** The copy takes the place of what is there: as files, or as a snapshot of the volume, which nobody can tell from it. */
  restore(as: CopyKind): void {
    assert(this.backup !== undefined, "there is a copy");
    const { replacements } = this;
    this.wipe();
    if (as === "snapshot") this.replacements = replacements;
    for (const row of this.backup) this.rows.set(bytesToMapKey(row.key), row);
  }

  /** All that was handed over is written. */
  sync(): void {
    this.unsynced = [];
  }

  /** The power fails: so many of the last groups were never written, as far as they were not synced. Returns their number. */
  losePower(groupsMax: number): number {
    const lost = this.unsynced.splice(Math.max(0, this.unsynced.length - groupsMax)).reverse();
    for (const undo of lost) for (const [mapKey, row] of undo) this.put(mapKey, row);
    this.unsynced = [];
    return lost.length;
  }

  read(mapKey: string): Row | undefined {
    const row = this.readable(mapKey);
    if (row !== undefined) this.mayFail();
    return row;
  }

  /** The keys of a range, readable or not. */
  keys(from: Uint8Array, to: Uint8Array, rowsMax: number): Uint8Array[] {
    return this.rows.range(bytesToMapKey(from), bytesToMapKey(to), rowsMax).map(({ row }) => row.key);
  }

  scan(from: Uint8Array, to: Uint8Array, rowsMax: number, bytesMax: number): Row[] {
    const rows: Row[] = [];
    let bytes = 0;
    for (const { mapKey, row } of this.rows.range(bytesToMapKey(from), bytesToMapKey(to), rowsMax)) {
      if (bytes >= bytesMax) break;
      this.failIfDamaged(mapKey);
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
    if (this.isLazy) this.noteUndo(rows);
    for (const [mapKey, { key, value }] of rows) {
      this.damaged.delete(mapKey);
      this.put(mapKey, value === undefined ? undefined : { key, value });
    }
    return undefined;
  }

  private noteUndo(rows: ReadonlyMap<string, Write>): void {
    this.unsynced.push(new Map([...rows.keys()].map((mapKey) => [mapKey, this.rows.get(mapKey)])));
    if (this.unsynced.length > UNSYNCED_GROUPS_MAX) this.unsynced.shift();
  }

  private put(mapKey: string, row: Row | undefined): void {
    if (row === undefined) this.rows.delete(mapKey);
    else this.rows.set(mapKey, row);
  }

  private readable(mapKey: string): Row | undefined {
    this.failIfDamaged(mapKey);
    return this.rows.get(mapKey);
  }

  private failIfDamaged(mapKey: string): void {
    if (this.damaged.size === 0 || !this.damaged.has(mapKey)) return;
    throw new StorageDamage(`damaged row ${Buffer.from(mapKey, "latin1").toString("hex")}`);
  }

  private mayFail(): void {
    if (this.reading === undefined || !happens(this.reading.random, this.reading.failRate)) return;
    throw new StorageDamage("a read that failed");
  }
}
