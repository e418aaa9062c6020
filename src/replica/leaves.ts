/**
 * Leaves: the sums of small stretches of tokens, and what is above them.
 *
 * Each partition is cut into 2^bits equal stretches, so many that a node's
 * leaves come to `treeLeavesMax` at most: with the default and the leaves of
 * 20 bytes that is 1.3 MB, and 150 rows a leaf at 10^7 rows. A row changes its
 * leaf, the root of its partition, and one sum per peer that owns the partition
 * too: constant time, no nodes between leaf and root. What is between is added
 * up when two replicas differ: at most all leaves of a node, a millisecond.
 *
 * A partition's leaves are made with its first row.
 */
import { assert } from "../base/assert.js";
import { equalBytes } from "../base/bytes.js";
import { wordAt } from "../base/short-bytes.js";
import type { Limits } from "../config.js";
import type { NodeId } from "../ports.js";
import type { TokenBlock } from "../wire/sync-messages.js";
import { partitionOfRow, placementOfRow, TOKEN_BITS, TOKEN_OFFSET } from "./rows.js";
import {
  addRecord,
  addSum,
  addSumAt,
  isNothing,
  newSum,
  SUM_WORDS,
  type Sum,
  subtractSum,
  takeRecord,
} from "./sums.js";
import type { Owners } from "./votes.js";

/** More for one partition would make the record of it on disk long. */
const LEAF_BITS_MAX = 12;

interface Partition {
  readonly root: Sum;
  leaves: Uint32Array | undefined;
  /** Of the peers that own it too: each one's sum over all that it shares with us. */
  readonly shared: readonly Sum[];
}

export class Leaves {
  /** All rows of this node. */
  readonly all = newSum();
  /** Bits of a token that name a leaf, behind those that name its partition. */
  private readonly bits: number;
  private readonly partitionBits: number;
  private readonly placements: Partition[][];
  private readonly peers = new Map<NodeId, Sum>();
  /** Of the row that comes or goes. */
  private readonly delta = newSum();

  /** `perPartition`: a power of two. */
  constructor(
    private readonly owners: Owners,
    /** How many leaves a partition has. */
    readonly perPartition: number,
  ) {
    this.bits = Math.log2(perPartition);
    this.partitionBits = Math.log2(owners.partitions);
    this.placements = placementsOf(owners).map((placement) =>
      Array.from({ length: owners.partitions }, (_, partition) => ({
        root: newSum(),
        leaves: undefined,
        shared: this.sharedSums(placement, partition),
      })),
    );
  }

  /** A row's record changed. Undefined: none. */
  change(row: Uint8Array, before: Uint8Array | undefined, after: Uint8Array | undefined): void {
    this.delta.fill(0);
    if (before !== undefined) takeRecord(this.delta, before);
    if (after !== undefined) addRecord(this.delta, after);
    const [placement, partition] = [placementOfRow(row), partitionOfRow(row, this.owners.partitions)];
    this.add(placement, partition, this.leafOfRow(row), this.delta);
  }

  /** Adds to one leaf, and so to all that is above it. */
  add(placement: number, partition: number, leaf: number, sum: Sum): void {
    const { root, shared } = this.at(placement, partition);
    addSumAt(this.leavesOf(placement, partition), leaf * SUM_WORDS, sum);
    addSum(root, sum);
    addSum(this.all, sum);
    for (const peer of shared) addSum(peer, sum);
  }

  /** Takes all rows out of some leaves of a partition. */
  clear(placement: number, partition: number, firstLeaf: number, endLeaf: number): void {
    const held = this.at(placement, partition);
    if (held.leaves === undefined) return;
    const sum = newSum();
    for (let leaf = firstLeaf; leaf < endLeaf; leaf++) addSum(sum, held.leaves, leaf * SUM_WORDS);
    held.leaves.fill(0, firstLeaf * SUM_WORDS, endLeaf * SUM_WORDS);
    for (const above of [held.root, this.all, ...held.shared]) subtractSum(above, sum);
  }

  root(placement: number, partition: number): Sum {
    return this.at(placement, partition).root;
  }

  /** All rows that this node and a peer should both hold. */
  sharedWith(peer: NodeId): Sum {
    return this.peers.get(peer) ?? newSum();
  }

  /** The words of a partition's leaves; they may be written to. */
  leavesOf(placement: number, partition: number): Uint32Array {
    const held = this.at(placement, partition);
    held.leaves ??= new Uint32Array(SUM_WORDS * this.perPartition);
    return held.leaves;
  }

  /** The sum of a block over those of its partitions that count; undefined when it is a part of a leaf. */
  sumOf(placement: number, block: TokenBlock, counts: (partition: number) => boolean): Sum | undefined {
    const unitBits = this.partitionBits + this.bits;
    if (block.bits > unitBits) return undefined;
    const sum = newSum();
    const first = Number(block.from >> BigInt(TOKEN_BITS - this.partitionBits));
    if (block.bits <= this.partitionBits) {
      const end = first + 2 ** (this.partitionBits - block.bits);
      for (let partition = first; partition < end; partition++) {
        if (counts(partition)) addSum(sum, this.root(placement, partition));
      }
      return sum;
    }
    const { leaves } = this.at(placement, first);
    if (!counts(first) || leaves === undefined) return sum;
    const unit = Number(block.from >> BigInt(TOKEN_BITS - unitBits));
    const leaf = unit % this.perPartition;
    const end = leaf + 2 ** (unitBits - block.bits);
    for (let index = leaf; index < end; index++) addSum(sum, leaves, index * SUM_WORDS);
    return sum;
  }

  /** The first of a placement's leaves `first` to `end` - 1 that is not as given (none given: empty). */
  firstOther(placement: number, first: number, end: number, sums: ReadonlyMap<number, Sum>): number | undefined {
    const { perPartition } = this;
    for (let leaf = first; leaf < end; ) {
      const partition = Math.floor(leaf / perPartition);
      const { leaves } = this.at(placement, partition);
      const base = partition * perPartition;
      for (const until = Math.min(end, base + perPartition); leaf < until; leaf++) {
        if (!isSum(sums.get(leaf), leaves, (leaf - base) * SUM_WORDS)) return leaf;
      }
    }
    return undefined;
  }

  /** Which leaf of its partition a row, or a position, belongs to. */
  leafOfRow(row: Uint8Array): number {
    if (this.bits === 0) return 0;
    const high = wordAt(row, TOKEN_OFFSET);
    return ((high << this.partitionBits) >>> 0) >>> (32 - this.bits);
  }

  /** Whether all sums are the same, those of one layout being cut alike. */
  equals(other: Leaves): boolean {
    for (const [peer, sum] of this.peers) if (!equalWords(sum, other.sharedWith(peer))) return false;
    return this.placements.every((partitions, placement) =>
      partitions.every(({ root, leaves }, partition) => {
        const theirs = other.at(placement, partition);
        return equalWords(root, theirs.root) && equalWords(leaves, theirs.leaves);
      }),
    );
  }

  /** Every sum that is not zero, as text. */
  dump(): string[] {
    const sums: [name: string, sum: Sum][] = [...this.peers].map(([peer, sum]) => [`with ${peer}`, sum]);
    for (const [placement, partitions] of this.placements.entries()) {
      for (const [partition, { root, leaves }] of partitions.entries()) {
        sums.push([`${placement}/${partition}`, root]);
        for (let leaf = 0; leaves !== undefined && leaf < this.perPartition; leaf++) {
          sums.push([`${placement}/${partition}/${leaf}`, leaves.subarray(leaf * SUM_WORDS, (leaf + 1) * SUM_WORDS)]);
        }
      }
    }
    return sums.flatMap(([name, sum]) => (sum.every((word) => word === 0) ? [] : `${name}: ${sum.join(" ")}`));
  }

  private at(placement: number, partition: number): Partition {
    const held = this.placements[placement]?.[partition];
    assert(held !== undefined, "a stored row lies in a placement of this layout");
    return held;
  }

  private sharedSums(placement: number, partition: number): Sum[] {
    const owners = this.owners.ownersOf(placement, partition);
    if (!owners.includes(this.owners.self)) return [];
    return owners.filter((owner) => owner !== this.owners.self).map((owner) => this.sumFor(owner));
  }

  private sumFor(peer: NodeId): Sum {
    const known = this.peers.get(peer);
    if (known !== undefined) return known;
    const sum = newSum();
    this.peers.set(peer, sum);
    return sum;
  }
}

/** Whether the words of a leaf that begin at `at` are such a sum; what is not there is the sum of no rows. */
function isSum(given: Sum | undefined, leaves: Uint32Array | undefined, at: number): boolean {
  if (given === undefined) return leaves === undefined || isNothing(leaves, at);
  for (let word = 0; word < SUM_WORDS; word++) if ((leaves?.[at + word] ?? 0) !== given[word]) return false;
  return true;
}

/** Words that are not there are zeros. */
function equalWords(a: Uint32Array | undefined, b: Uint32Array | undefined): boolean {
  if (a === undefined || b === undefined) return (a ?? b)?.every((word) => word === 0) ?? true;
  return equalBytes(new Uint8Array(a.buffer), new Uint8Array(b.buffer));
}

/** So many that a node has at most `treeLeavesMax`: two nodes need not agree in this. */
export function leavesPerPartition(owners: Owners, { treeLeavesMax }: Pick<Limits, "treeLeavesMax">): number {
  const owned = placementsOf(owners).reduce((sum, placement) => sum + owners.ownedBy(owners.self, placement).length, 0);
  const affordable = Math.floor(Math.log2(treeLeavesMax / Math.max(1, owned)));
  return 2 ** Math.min(LEAF_BITS_MAX, Math.max(0, affordable));
}

export function placementsOf(owners: Owners): number[] {
  return Array.from({ length: owners.placements }, (_, placement) => placement);
}
