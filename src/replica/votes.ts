/**
 * Votes: in which of its partitions an owner counts.
 *
 * An owner that is new, wiped or in a new life is *rebuilding*: it takes Merge,
 * but counts toward no level, because a wiped owner that answers "absent" would
 * break R+W>N. It votes in a partition once it has synced with so many other
 * owners that every acknowledged write is among what they hold: N-W+1 of those
 * that vote, W being QUORUM, or all others there are (a cluster's first start is
 * such a sync among empty owners). The same count holds within the own
 * datacenter, where LOCAL_QUORUM must intersect too.
 *
 * A vote is persisted with the actor that earned it, before it counts, and
 * lapses with that actor.
 */
import { MalformedBytes, NO_BYTES, Reader, Writer } from "../base/bytes.js";
import { copyOf } from "../base/short-bytes.js";
import type { Limits } from "../config.js";
import type { Actor } from "../lattice/stamp.js";
import type { Cancel, NodeId, World, Write } from "../ports.js";
import { ownRecord, partitionOfRow, placementOfRow, readOwnRecord, SPACE } from "./rows.js";

const RECORD_KEY: Uint8Array = new Writer(8).u8(SPACE.self).text("votes").finish();
const RECORD_FORMAT = 1;
const NO_BITMAPS: readonly Uint8Array[] = [];

/** Who owns what, as the layout says; see membership/ring.ts. */
export interface Owners {
  readonly self: NodeId;
  readonly partitions: number;
  readonly placements: number;
  /** In preference order. */
  ownersOf(placement: number, partition: number): readonly NodeId[];
  /** The partitions of a placement that `node` owns, in ascending order. */
  ownedBy(node: NodeId, placement: number): readonly number[];
  datacenterOf(node: NodeId): string;
}

/** Whether the layout names a node an owner of a row, or of a position, whatever placement that claims. */
export function ownsAt(owners: Owners, row: Uint8Array, node = owners.self): boolean {
  const placement = placementOfRow(row);
  if (placement >= owners.placements) return false;
  return owners.ownersOf(placement, partitionOfRow(row, owners.partitions)).includes(node);
}

/** With whom a partition was synced in this life, and who of them voted at that time. */
export interface Progress {
  readonly synced: Set<NodeId>;
  readonly voters: Set<NodeId>;
}

export class Votes {
  /** This node ceases to vote in all that it owns, or does again. */
  onChanged: (isRebuilding: boolean) => void = () => {};
  /** Per placement, one bit per partition: granted, and granted durably. */
  private readonly granted: Uint8Array[];
  private durable: Uint8Array[];
  private readonly progress: Map<number, Progress>[];
  /** No vote is earned: the store may still lose rows. */
  isHeld = false;
  private cancelPersist: Cancel | undefined;
  private isStopped = false;
  private missing = 0;

  constructor(
    private readonly world: World,
    private readonly limits: Limits,
    private readonly owners: Owners,
    private readonly actor: () => Actor,
  ) {
    const blank = Array.from({ length: owners.placements }, () => new Uint8Array(Math.ceil(owners.partitions / 8)));
    this.progress = blank.map(() => new Map());
    this.granted = readRecord(readOwnRecord(world.storage, RECORD_KEY), actor(), blank) ?? blank;
    this.durable = this.granted.map((bits) => bits.slice());
    this.missing = this.countMissing();
    this.grantLoneOwners();
  }

  /** Whether this node's answers about the partition count. */
  has(placement: number, partition: number): boolean {
    return hasBit(this.durable[placement] ?? NO_BYTES, partition);
  }

  /** Owned partitions in which this node does not vote yet. */
  get rebuilding(): number {
    return this.missing;
  }

  /** For a Pong and a sync's answer: nothing while nothing rebuilds. */
  bitmaps(): readonly Uint8Array[] {
    return this.missing === 0 ? NO_BITMAPS : this.durable;
  }

  bitmap(placement: number): Uint8Array {
    return this.missing === 0 ? NO_BYTES : (this.durable[placement] ?? NO_BYTES);
  }

  /** The partition holds all that `peer` held when their sync began. */
  markSynced(placement: number, partition: number, peer: NodeId, peerVotes: boolean): void {
    if (this.isHeld || hasBit(this.granted[placement] as Uint8Array, partition)) return;
    const ofPlacement = this.progress[placement] as Map<number, Progress>;
    const progress = ofPlacement.get(partition) ?? { synced: new Set(), voters: new Set() };
    ofPlacement.set(partition, progress);
    progress.synced.add(peer);
    if (peerVotes) progress.voters.add(peer);
    if (!this.isCovered(placement, partition, progress)) return;
    ofPlacement.delete(partition);
    this.grant(placement, partition);
  }

  /** The operator vouches that the cluster is new: nothing can be missing. */
  grantAll(): void {
    this.forEachOwned((placement, partition) => this.grant(placement, partition));
  }

  /** A new life that vouches for the past keeps its votes: they go to the disk with its name (`record`), or a crash between would take them. */
  keep(): void {
    // What was on its way under the former name counts once it is durable under this one.
    this.schedulePersist(0);
  }

  /** All votes granted so far, under the name of the present life. */
  record(): Write {
    const writer = new Writer().u8(RECORD_FORMAT).u64(this.actor()).u8(this.granted.length);
    for (const bits of this.granted) writer.long(bits);
    return ownRecord(RECORD_KEY, writer.finish());
  }

  /** A new life that does not earns its votes anew. */
  lapse(): void {
    for (const bits of [...this.granted, ...this.durable]) bits.fill(0);
    for (const progress of this.progress) progress.clear();
    this.recount();
    this.grantLoneOwners();
  }

  /** Nothing is written any more: the store may be closed. */
  stop(): void {
    this.isStopped = true;
    this.cancelPersist?.();
  }

  /** Whether everything that this owner ever acknowledged is among what these others hold. */
  isCovered(placement: number, partition: number, progress: Progress): boolean {
    const { self } = this.owners;
    const owners = this.owners.ownersOf(placement, partition);
    if (owners.every((owner) => owner === self || progress.synced.has(owner))) return true;
    const home = this.owners.datacenterOf(self);
    const homeOwners = owners.filter((owner) => this.owners.datacenterOf(owner) === home);
    return [owners, homeOwners].every((group) => {
      const quorum = Math.floor(group.length / 2) + 1;
      const voters = group.filter((owner) => progress.voters.has(owner)).length;
      return voters >= Math.min(group.length - quorum + 1, group.length - 1);
    });
  }

  /**
   * Whether so many others vote there that all that was ever acknowledged is among what they hold. Undefined while that
   * is open, for not all have told where they vote (`told`: no bitmaps where in all that they own).
   */
  doOthersCover(row: Uint8Array, told: (node: NodeId) => readonly Uint8Array[] | undefined): boolean | undefined {
    const { owners } = this;
    const [placement, partition] = [placementOfRow(row), partitionOfRow(row, owners.partitions)];
    const others = owners.ownersOf(placement, partition).filter((owner) => owner !== owners.self);
    const bitmaps = new Map(others.map((owner) => [owner, told(owner)]));
    const votesThere = (each: readonly Uint8Array[] | undefined) =>
      each !== undefined && (each.length === 0 || hasBit(each[placement] ?? NO_BYTES, partition));
    const voters = new Set(others.filter((owner) => votesThere(bitmaps.get(owner))));
    if (this.isCovered(placement, partition, { synced: new Set(), voters })) return true;
    return [...bitmaps.values()].includes(undefined) ? undefined : false;
  }

  private grantLoneOwners(): void {
    this.forEachOwned((placement, partition) => {
      if (this.owners.ownersOf(placement, partition).length === 1) this.grant(placement, partition);
    });
  }

  private forEachOwned(visit: (placement: number, partition: number) => void): void {
    for (let placement = 0; placement < this.owners.placements; placement++) {
      for (const partition of this.owners.ownedBy(this.owners.self, placement)) visit(placement, partition);
    }
  }

  private grant(placement: number, partition: number): void {
    setBit(this.granted[placement] as Uint8Array, partition);
    // The rest of this turn's grants travel with the first: the record is made when the commit is due.
    this.schedulePersist(0);
  }

  private schedulePersist(delayMs: number): void {
    if (!this.isStopped) this.cancelPersist ??= this.world.clock.after(delayMs, () => this.persist());
  }

  private persist(): void {
    this.cancelPersist = undefined;
    const actor = this.actor();
    const bits = this.granted.map((each) => each.slice());
    this.world.storage.commit([this.record()], (error) => {
      if (actor !== this.actor()) return;
      // Nothing counts before it is durable; a disk that was full may have room later.
      if (error !== undefined) return this.schedulePersist(this.limits.syncRetryMs);
      this.durable = bits;
      this.recount();
    });
  }

  private recount(): void {
    const wasRebuilding = this.missing > 0;
    this.missing = this.countMissing();
    if (this.missing > 0 !== wasRebuilding) this.onChanged(!wasRebuilding);
  }

  private countMissing(): number {
    let missing = 0;
    this.forEachOwned((placement, partition) => {
      if (!this.has(placement, partition)) missing++;
    });
    return missing;
  }
}

export function hasBit(bits: Uint8Array, index: number): boolean {
  return ((bits[index >>> 3] ?? 0) & (1 << (index & 7))) !== 0;
}

function setBit(bits: Uint8Array, index: number): void {
  bits[index >>> 3] = (bits[index >>> 3] ?? 0) | (1 << (index & 7));
}

function readRecord(bytes: Uint8Array | undefined, actor: Actor, blank: Uint8Array[]): Uint8Array[] | undefined {
  if (bytes === undefined) return undefined;
  const reader = new Reader(bytes);
  if (reader.u8() !== RECORD_FORMAT) throw new MalformedBytes("the record of votes is of another format");
  if (reader.u64() !== actor || reader.u8() !== blank.length) return undefined;
  return blank.map(() => copyOf(reader.long()));
}
