/**
 * The local replica: read and merge, the only two things done to rows.
 *
 * A merge joins the incoming state with the latest one and commits the result;
 * it is acknowledged when that is durable. A merge that adds nothing still
 * waits for what is pending, because "nothing new" is not "nothing pending". Reads show the
 * durable state alone, and never wait: nothing leaves a node that a crash
 * could take back.
 */
import { MalformedBytes } from "../base/bytes.js";
import type { Limits } from "../config.js";
import { StateInBytes } from "../lattice/in-bytes.js";
import type { AnyLattice } from "../lattice/registry.js";
import type { Stamp } from "../lattice/stamp.js";
import { StorageDamage, type StorageError, type World } from "../ports.js";
import type { Cause, Entry, MergeResult, MergeStatus, RowAnswer } from "../wire/messages.js";
import type { Carriers } from "./carriers.js";
import type { Forgotten } from "./forgotten.js";
import type { Merkle } from "./merkle.js";
import type { Mint } from "./mint.js";
import {
  bucketOfRow,
  encodeRecord,
  isRow,
  isSoundRecord,
  partitionOfRow,
  placementOfRow,
  stateOfRecord,
} from "./rows.js";
import { isBeaten, lostUnseen } from "./unseen.js";
import { type Owners, ownsAt, type Votes } from "./votes.js";

export interface ReplicaParts {
  readonly world: World;
  readonly limits: Limits;
  readonly owners: Owners;
  readonly latticeOf: (bucket: string) => AnyLattice;
  readonly mint: Mint;
  readonly carriers: Carriers;
  readonly forgotten: Forgotten;
  readonly votes: Votes;
  readonly merkle: Merkle;
  /** Whether other owners that vote hold all of a row that was ever acknowledged; undefined while that is open. */
  readonly doOthersCover: (row: Uint8Array) => boolean | undefined;
}

const NOT_MINE: RowAnswer = { status: "absent", votes: false, state: undefined };

/** What became of a damaged row. lost: what was written is not what is found. */
export type Replaced = "healed" | "failed" | "lost";

/** A row as it is stored: undefined where there is none. */
export interface Held {
  readonly record: Uint8Array | undefined;
  readonly state: Uint8Array | undefined;
}

type OnResult = (status: MergeStatus, stamp?: Stamp) => void;

export class Replica {
  private pendingBytes = 0;

  /** Told of each damaged row that somebody met; see upkeep/heal.ts. */
  onDamaged: (row: Uint8Array) => void = () => {};
  /** Told of each row that could be read: what is answered or acknowledged of it may be news to all others. */
  onSound: (row: Uint8Array) => void = () => {};

  constructor(private readonly parts: ReplicaParts) {}

  /** Bytes that wait for the disk. */
  get pending(): number {
    return this.pendingBytes;
  }

  /** The durable states of these rows, or of so many of the first as fit into one message. */
  read(rows: readonly Uint8Array[]): RowAnswer[] {
    const answers: RowAnswer[] = [];
    for (let bytes = 0; answers.length < rows.length && bytes < this.parts.limits.syncBatchBytesMax; ) {
      const answer = this.readRow(rows[answers.length] as Uint8Array);
      bytes += answer.state?.length ?? 0;
      answers.push(answer);
    }
    return answers;
  }

  /** Merges each entry; `onDone` comes when the last of them is durable or refused. */
  merge(cause: Cause, entries: readonly Entry[], onDone: (results: MergeResult[]) => void): void {
    const results: MergeResult[] = new Array(entries.length);
    let left = entries.length;
    if (left === 0) onDone(results);
    entries.forEach((entry, index) => {
      this.mergeEntry(cause, entry, (status, stamp) => {
        results[index] = { status, votes: this.counts(entry.row), stamp };
        left--;
        if (left === 0) onDone(results);
      });
    });
  }

  /** Whether this node owns a row, and its answers about it count. */
  counts(row: Uint8Array): boolean {
    return this.owns(row) && this.votesFor(row);
  }

  hasRoomFor(bytes: number): boolean {
    return this.pendingBytes + bytes <= this.parts.limits.pendingCommitBytesMax;
  }

  /** What a row of ours holds, what is on its way to the disk included; undefined when it cannot be read. */
  heldLatest(row: Uint8Array): Held | undefined {
    try {
      const record = this.parts.world.storage.latest(row);
      return { record, state: record === undefined ? undefined : stateOfRecord(row, record) };
    } catch (error) {
      this.onDamage(row, error);
      return undefined;
    }
  }

  /**
   * Puts an encoded state in the place of what is held. Without one there is nothing new, and `onCommitted` waits for
   * what is pending: what is held may still be on its way to the disk.
   */
  commit(
    row: Uint8Array,
    { record: before }: Pick<Held, "record">,
    state: Uint8Array | undefined,
    onCommitted: (error?: StorageError) => void,
  ): void {
    const onDone = (error?: StorageError) => {
      if (error === undefined) this.onSound(row);
      onCommitted(error);
    };
    if (state === undefined) return this.parts.world.storage.commit([], onDone);
    const record = encodeRecord(row, state);
    this.pendingBytes += record.length;
    this.parts.merkle.commit(row, before, record, (error) => {
      this.pendingBytes -= record.length;
      onDone(error);
    });
  }

  /** Puts a sound entry, or nothing, in the place of a damaged row. */
  replaceDamaged(row: Uint8Array, entry: Entry | undefined, onDone: (outcome: Replaced) => void): void {
    // A write on its way to the disk has replaced the damage already, and may be newer than what the others hold.
    if (this.soundness(row, "latest") === "sound") {
      const entries = entry === undefined ? [] : [entry];
      this.merge("sync", entries, (results) =>
        onDone(results.every(({ status }) => status === "ok") ? "healed" : "failed"),
      );
      return;
    }
    const record = entry === undefined ? undefined : encodeRecord(row, entry.state);
    this.parts.merkle.replace(row, record, (error) => {
      if (error !== undefined) return onDone("failed");
      // The disk has taken the row, and gives another one under its key: the order of its keys is broken.
      onDone(this.soundness(row, "durable") === "rotten" ? "lost" : "healed");
    });
  }

  /** rotten: there is a record, and it is not what was written here. unreadable: the disk gives none. */
  private soundness(row: Uint8Array, view: "latest" | "durable"): "sound" | "rotten" | "unreadable" {
    let record: Uint8Array | undefined;
    try {
      record = this.parts.world.storage[view](row);
    } catch (error) {
      if (!(error instanceof StorageDamage)) throw error;
      return "unreadable";
    }
    return record === undefined || isSoundRecord(row, record) ? "sound" : "rotten";
  }

  private readRow(row: Uint8Array): RowAnswer {
    if (!this.owns(row)) return NOT_MINE;
    const votes = this.votesFor(row);
    try {
      const record = this.parts.world.storage.durable(row);
      const state = record === undefined ? undefined : stateOfRecord(row, record);
      this.onSound(row);
      return { status: state === undefined ? "absent" : "found", votes, state };
    } catch (error) {
      this.onDamage(row, error);
      return { status: "damaged", votes, state: undefined };
    }
  }

  private mergeEntry(cause: Cause, entry: Entry, onResult: OnResult): void {
    const { world, carriers, forgotten } = this.parts;
    if (!this.owns(entry.row)) return onResult("refused");
    if (carriers.refuses(entry.bornAtUs)) return onResult("stale");
    if (!this.hasRoomFor(entry.state.length)) return onResult("overloaded");
    try {
      const before = world.storage.latest(entry.row);
      if (before === undefined && forgotten.has(entry.row, entry.state)) return onResult("ok");
      this.join(cause, entry, before, onResult);
    } catch (error) {
      if (error instanceof MalformedBytes) return onResult("refused");
      this.onDamage(entry.row, error);
      onResult("damaged");
    }
  }

  private join(cause: Cause, entry: Entry, before: Uint8Array | undefined, onResult: OnResult): void {
    const { mint, latticeOf } = this.parts;
    const lattice = latticeOf(bucketOfRow(entry.row));
    const held = { record: before, state: before === undefined ? undefined : stateOfRecord(entry.row, before) };
    if (!lattice.blind && this.votesFor(entry.row)) return this.joinInBytes(lattice, entry, held, onResult);
    const incoming = lattice.decode(entry.state);
    const stored = held.state === undefined ? lattice.bottom : lattice.decode(held.state);
    const isVouched = isVouchedFor(cause, entry, lattice.lastStamp(incoming));
    const isDoubtful = isVouched && this.mayBeForgotten(entry.row, lattice, stored);
    const givesWay = isDoubtful ? this.parts.doOthersCover(entry.row) : false;
    if (givesWay === undefined) return onResult("overloaded");
    const present = givesWay ? lattice.bottom : stored;
    mint.observe(lattice.lastStamp(incoming));
    const merged = lattice.merge(present, incoming);
    const isClients = lattice.blind && cause === "write";
    const beaten = isClients && isBeaten(lattice, present, incoming, mint.nowMs());
    const replaces = isClients && !beaten && merged !== present;
    const lost = replaces ? lostUnseen(lattice, present, incoming, entry.seen, mint.nowMs()) : undefined;
    const onCommitted = (error?: StorageError) => {
      if (error !== undefined) onResult(statusOf(error));
      else if (beaten) onResult("beaten", lattice.lastStamp(present));
      else onResult("ok", lost);
    };
    if (merged === present) this.commit(entry.row, held, undefined, onCommitted);
    else this.commit(entry.row, held, merged === incoming ? entry.state : lattice.encode(merged), onCommitted);
  }

  /** Where nothing has to be known of either but what both come to. */
  private joinInBytes(lattice: AnyLattice, entry: Entry, held: Held, onResult: OnResult): void {
    const stored = StateInBytes.of(lattice, held.state);
    const { both, theirLast } = stored.merge(StateInBytes.of(lattice, entry.state));
    this.parts.mint.observe(theirLast);
    this.commit(entry.row, held, both === stored ? undefined : both.bytes, (error) => {
      if (error === undefined) onResult("ok");
      else onResult(statusOf(error));
    });
  }

  /**
   * Before it votes again, an owner's disk may be an old copy, and hold what all others have forgotten. Joined with
   * something new that would pass for new, and count again. So what is too old to be taken by anybody gives way to what
   * an owner that votes has answered or minted, as if the disk had been wiped: where those that vote hold all that was
   * acknowledged. Where they do not, this may be the only copy of it, and is joined; until that is known, nothing
   * is taken. A register does that by its stamps.
   */
  private mayBeForgotten(row: Uint8Array, lattice: AnyLattice, stored: unknown): boolean {
    if (lattice.blind || this.votesFor(row)) return false;
    return this.parts.carriers.isOld(lattice.lastStamp(stored)?.timeUs ?? Number.POSITIVE_INFINITY);
  }

  /** Of a row that is ours. */
  private votesFor(row: Uint8Array): boolean {
    return this.parts.votes.has(placementOfRow(row), partitionOfRow(row, this.parts.owners.partitions));
  }

  private owns(row: Uint8Array): boolean {
    return isRow(row) && ownsAt(this.parts.owners, row);
  }

  /** An unreadable row is an error, never "absent". */
  private onDamage(row: Uint8Array, error: unknown): void {
    if (!(error instanceof StorageDamage) && !(error instanceof MalformedBytes)) throw error;
    this.onDamaged(row);
    this.parts.world.meter.count("murmur_damaged_rows_total");
    this.parts.world.log.warn(
      "a stored row is damaged; it is an error until it was fetched anew from the other owners",
    );
  }
}

function statusOf({ kind }: StorageError): MergeStatus {
  return kind === "full" ? "disk-full" : "damaged";
}

/** Whether an owner that votes has made or answered it, as far as is known. */
function isVouchedFor(cause: Cause, { bornAtUs }: Entry, last: Stamp | undefined): boolean {
  // What clients write is made by who votes, and is kept as a hint.
  if (cause === "write" || cause === "hint") return true;
  return cause !== "hand-off" && bornAtUs > (last?.timeUs ?? 0);
}
