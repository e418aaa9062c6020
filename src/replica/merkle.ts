/**
 * Hash trees: the sums of all rows, kept with every write.
 *
 * The digest of a set of rows is the xor of their stored digests (sums.ts), so
 * a write changes it in constant time: its leaf, the root of its partition, and
 * one sum for each peer over all that both own, by which two nodes that agree
 * find out so with eight bytes (Merkle 1987 by way of Dynamo 4.7; the xor is
 * Riak's and Garage's way to keep a tree with each write).
 *
 * Every change of a row goes through here, so that no row and no sum can part.
 * The sums speak of the durable view: a failed commit leaves them as they were.
 * They live in memory (leaves.ts), are noted on disk at an orderly stop and
 * slowly between times (tree-records.ts), and what is not noted is summed up
 * after a start (summing.ts).
 */
import type { Limits } from "../config.js";
import { type Cancel, type NodeId, StorageDamage, type StorageError, type World, type Write } from "../ports.js";
import type { TokenBlock } from "../wire/sync-messages.js";
import { Leaves, leavesPerPartition, placementsOf } from "./leaves.js";
import { partitionOfRow, placementOfRow, TOKEN_MAX } from "./rows.js";
import { type Stretch, Summing } from "./summing.js";
import { addSum, countOf, digestOfSum, isNothing, newSum, type Sum } from "./sums.js";
import { ALL_TREES, putTree, readTrees, removeTree, type TreeShape } from "./tree-records.js";
import type { Owners } from "./votes.js";

type OnCommitted = (error?: StorageError) => void;

/** What is known of a partition's record on disk, and of its rows on their way there. */
interface Noted {
  /** A record may be there, true or not: the next row takes it away. */
  mayStand: boolean;
  /** It is there, and true. */
  stands: boolean;
  /** Seen on disk by this process. */
  isFound: boolean;
  pendingRows: number;
}

/** Records written in one turn: their leaves are put into bytes and hashed. */
const RECORDS_PER_TURN = 16;

export class Merkle {
  /** Changed here alone; others look. */
  readonly leaves: Leaves;
  private readonly summing: Summing;
  private readonly noted: Noted[][];
  private isStopped = false;
  private wasBuilt = false;
  private cancel: Cancel | undefined;

  constructor(
    private readonly world: World,
    private readonly limits: Limits,
    private readonly owners: Owners,
  ) {
    this.leaves = new Leaves(owners, leavesPerPartition(owners, limits));
    this.summing = new Summing(world, limits, owners.partitions, this.leaves);
    // As long as nobody has looked, there may be a record.
    this.noted = placementsOf(owners).map(() =>
      Array.from({ length: owners.partitions }, () => ({
        mayStand: true,
        stands: false,
        isFound: false,
        pendingRows: 0,
      })),
    );
  }

  /** Takes the trees from their records, sums up what has none, and notes them from time to time. */
  build(onBuilt: () => void): void {
    this.load(ALL_TREES.from, () => {
      for (const stretch of this.unknownStretches()) this.summing.add(stretch);
      this.summing.run(() => {
        this.wasBuilt = true;
        this.warnOfDamage();
        this.scheduleNotes();
        onBuilt();
      });
    });
  }

  /** The store was put together anew: nothing that was known of it holds. */
  rebuild(onBuilt: () => void): void {
    this.wasBuilt = false;
    const removals: Write[] = [];
    for (const [placement, partitions] of this.noted.entries()) {
      for (const [partition, noted] of partitions.entries()) {
        if (noted.mayStand) removals.push(removeTree(placement, partition));
        noted.stands = false;
      }
    }
    this.world.storage.commit(removals, () => {});
    for (const stretch of this.unknownStretches()) this.summing.add(stretch);
    this.summing.run(() => {
      this.wasBuilt = true;
      onBuilt();
    });
  }

  /** Notes all that is known and not noted yet, so that the next start need not sum up. Rows may still be merged. */
  stop(onStopped: () => void): void {
    this.isStopped = true;
    this.cancel?.();
    // What is pending has called back by then, and is in the sums.
    this.world.storage.commit([], () => {
      this.summing.stop();
      const notes = [...this.unnoted()].map(({ placement, partition }) => this.note(placement, partition));
      this.world.storage.commit(notes, () => onStopped());
    });
  }

  /** False until the sums speak of all rows that can be read. */
  get isBuilt(): boolean {
    return this.wasBuilt;
  }

  /** The sums speak of all that is durable, and not of something half summed up. */
  get isSettled(): boolean {
    return this.wasBuilt && this.summing.isIdle;
  }

  get rows(): number {
    return countOf(this.leaves.all);
  }

  /** How the leaves are cut. */
  get shape(): TreeShape {
    return { partitions: this.owners.partitions, leaves: this.leaves.perPartition };
  }

  /** Leaves in which there are rows that the disk cannot read. */
  get unreadableLeaves(): number {
    return this.summing.unreadableLeaves;
  }

  /**
   * Puts a row's record in the place of the latest one, or removes it. `before` is that latest record (undefined:
   * none), `after` the new one (undefined: none from now on).
   */
  commit(row: Uint8Array, before: Uint8Array | undefined, after: Uint8Array | undefined, onDone: OnCommitted): void {
    this.write(row, after, (error) => {
      if (error === undefined) this.summing.change(row, before, after);
      onDone(error);
    });
  }

  /** Puts a record in the place of one that cannot be read: what that one weighed is unknown. */
  replace(row: Uint8Array, after: Uint8Array | undefined, onDone: OnCommitted): void {
    this.write(row, after, (error) => {
      if (error === undefined) this.summing.again(row);
      onDone(error);
    });
  }

  /** Leaves that do not say what is stored are summed up anew; until then they look like no peer's. */
  recheck(stretch: Stretch): void {
    this.summing.againAll(stretch);
  }

  /** Eight bytes over all that this node and a peer both own. */
  digestWith(peer: NodeId): Uint8Array {
    return digestOfSum(this.leaves.sharedWith(peer));
  }

  /** The sum of a block over those of its partitions that count; undefined when the block is less than a leaf. */
  sumOf(placement: number, block: TokenBlock, counts: (partition: number) => boolean): Sum | undefined {
    return this.leaves.sumOf(placement, block, counts);
  }

  /** The sums themselves: for tree-check.ts. */
  get sums(): Pick<Leaves, "equals" | "dump"> {
    return this.leaves;
  }

  /** The record goes in the batch of the first row: whoever finds it later knows that no row came after it. */
  private write(row: Uint8Array, after: Uint8Array | undefined, onDone: OnCommitted): void {
    const [placement, partition] = [placementOfRow(row), partitionOfRow(row, this.owners.partitions)];
    const noted = this.notedAt(placement, partition);
    const batch: Write[] = [{ key: row, value: after }];
    const takesAway = noted.mayStand;
    if (takesAway) batch.push(removeTree(placement, partition));
    noted.pendingRows++;
    this.world.storage.commit(batch, (error) => {
      noted.pendingRows--;
      if (error === undefined && takesAway) [noted.mayStand, noted.stands] = [false, false];
      onDone(error);
    });
  }

  private load(from: Uint8Array, onLoaded: () => void): void {
    const { scanRowsMax: rowsMax, scanBytesMax: bytesMax } = this.limits;
    let next: Uint8Array | undefined;
    try {
      const found = readTrees(this.world.storage, from, this.shape, { rowsMax, bytesMax });
      for (const record of found.records) this.take(record.placement, record.partition, record.leaves);
      next = found.next;
    } catch (error) {
      if (!(error instanceof StorageDamage)) throw error;
      // Which records there are is not known: each partition is summed up, and its first row removes what may be there.
      return onLoaded();
    }
    if (next !== undefined) {
      const position = next;
      this.cancel = this.world.clock.after(0, () => this.load(position, onLoaded));
      return;
    }
    for (const noted of this.noted.flat()) noted.mayStand &&= noted.isFound;
    onLoaded();
  }

  private take(placement: number, partition: number, words: Uint32Array | undefined): void {
    const noted = this.noted[placement]?.[partition];
    if (noted === undefined) return;
    noted.isFound = true;
    if (words === undefined) return;
    noted.stands = true;
    const sum = newSum();
    for (let leaf = 0; leaf < this.leaves.perPartition; leaf++) {
      if (isNothing(words, leaf * sum.length)) continue;
      sum.fill(0);
      addSum(sum, words, leaf * sum.length);
      this.leaves.add(placement, partition, leaf, sum);
    }
  }

  /** The partitions without a record that is true, neighbours together. */
  private unknownStretches(): { placement: number; first: number; end: number }[] {
    const { perPartition } = this.leaves;
    return this.noted.flatMap((partitions, placement) => {
      const stretches: { placement: number; first: number; end: number }[] = [];
      for (const [partition, noted] of partitions.entries()) {
        if (noted.stands) continue;
        const first = partition * perPartition;
        const last = stretches.at(-1);
        if (last?.end === first) last.end += perPartition;
        else stretches.push({ placement, first, end: first + perPartition });
      }
      return stretches;
    });
  }

  private scheduleNotes(): void {
    if (this.isStopped) return;
    this.cancel = this.world.clock.after(this.limits.treeNoteIntervalMs, () => this.noteSome());
  }

  private noteSome(): void {
    const due: Write[] = [];
    for (const { placement, partition } of this.unnoted()) {
      due.push(this.note(placement, partition));
      if (due.length === RECORDS_PER_TURN) break;
    }
    if (due.length > 0) this.world.storage.commit(due, () => {});
    if (due.length < RECORDS_PER_TURN) this.scheduleNotes();
    else if (!this.isStopped) this.cancel = this.world.clock.after(NOTE_PAUSE_MS, () => this.noteSome());
  }

  /** Partitions whose sums are known and say all that is durable and pending. */
  private *unnoted(): Iterable<{ placement: number; partition: number }> {
    if (!this.wasBuilt) return;
    for (const [placement, partitions] of this.noted.entries()) {
      for (const [partition, { stands, pendingRows }] of partitions.entries()) {
        if (stands || pendingRows > 0 || !this.summing.isKnown(placement, partition)) continue;
        yield { placement, partition };
      }
    }
  }

  /** From now on the next row takes the record away again, also when it is written before the record is durable. */
  private note(placement: number, partition: number): Write {
    Object.assign(this.notedAt(placement, partition), { mayStand: true, stands: true });
    const isEmpty = countOf(this.leaves.root(placement, partition)) === 0;
    return putTree(placement, partition, this.shape, isEmpty ? undefined : this.leaves.leavesOf(placement, partition));
  }

  private warnOfDamage(): void {
    if (this.summing.unreadableLeaves === 0) return;
    this.world.meter.count("murmur_damaged_rows_total");
    this.world.log.warn(
      "some rows of the store cannot be read: they are fetched anew from the other owners; if this is said again at the next start, stop this node, move its folder away and start it: it rebuilds from its peers",
      { leaves: this.summing.unreadableLeaves },
    );
  }

  private notedAt(placement: number, partition: number): Noted {
    return this.noted[placement]?.[partition] as Noted;
  }
}

/** The tokens of one partition. */
export function partitionTokens(partitions: number, partition: number): { from: bigint; to: bigint } {
  const size = (TOKEN_MAX + 1n) / BigInt(partitions);
  const from = BigInt(partition) * size;
  return { from, to: from + size - 1n };
}

const NOTE_PAUSE_MS = 10;
