/**
 * Seats: which members own which partitions (Dynamo 6.2, strategy 3: equal
 * partitions, which are placed apart from how keys are cut into them).
 *
 * Every partition has one seat per replica. Two rules are never broken: no
 * member sits twice in a partition, and its owners lie in as many racks as
 * there can be. One rule says the latter for few and for many racks: at most
 * `repeatsMax` owners sit in a rack that another owner of the partition is in.
 *
 * A first layout is dealt by McNaughton's wrap-around rule (1959), which gives
 * everybody exactly the given share. Then it is mixed by swaps that keep to the
 * rules, so that the partitions of a member that dies are shared with many.
 */
import { below, type Random } from "../base/random.js";
import type { Group } from "./shares.js";

/** For each partition its owners, as indexes of members. */
export type OwnerRows = readonly (readonly number[])[];

/** Nobody sits here yet. */
export const EMPTY = -1;

/** Swaps tried per seat when a first layout is mixed. */
const SWAPS_PER_SEAT = 4;

export class Seats {
  /** The member in each seat. The seats of a partition lie together. */
  private readonly seats: Int32Array;
  private readonly repeatsMax: number;

  constructor(readonly group: Group) {
    this.seats = new Int32Array(group.partitions * group.replicas).fill(EMPTY);
    this.repeatsMax = group.replicas - Math.min(group.replicas, group.racks.length);
  }

  get count(): number {
    return this.seats.length;
  }

  member(seat: number): number {
    return this.seats[seat] as number;
  }

  take(seat: number, member: number): void {
    this.seats[seat] = member;
  }

  /** Whether the member may sit here in place of who does now. */
  fits(seat: number, member: number): boolean {
    const { seats, group } = this;
    const first = seat - (seat % group.replicas);
    let repeats = 0;
    for (let at = first; at < first + group.replicas; at++) {
      if (seats[at] === member) return false;
      const rack = this.rackWith(at, seat, member);
      for (let before = first; rack !== EMPTY && before < at; before++) {
        if (this.rackWith(before, seat, member) !== rack) continue;
        repeats++;
        break;
      }
    }
    return repeats <= this.repeatsMax;
  }

  /**
   * Writes down all members rack by rack, each as often as its share, on a line that wraps around the
   * partitions. No share exceeds one turn, so that nobody meets himself. A rack of at most (at least) one
   * turn comes at most (at least) once to every partition.
   */
  deal(shares: readonly number[]): void {
    const { partitions, replicas, racks } = this.group;
    let dealt = 0;
    for (const member of racks.flat()) {
      for (let count = shares[member] as number; count > 0; count--) {
        this.seats[(dealt % partitions) * replicas + Math.floor(dealt / partitions)] = member;
        dealt++;
      }
    }
  }

  mix(random: Random): void {
    const { seats } = this;
    for (let swap = seats.length * SWAPS_PER_SEAT; swap > 0; swap--) {
      const one = below(random, seats.length);
      const other = below(random, seats.length);
      const member = seats[one] as number;
      const partner = seats[other] as number;
      if (!this.fits(one, partner) || !this.fits(other, member)) continue;
      seats[one] = partner;
      seats[other] = member;
    }
  }

  /**
   * Seats those who owned a partition before. Where the rules forbid that all stay, those furthest below their
   * share do. `held` says how many partitions each owned, and in the end how many it kept.
   */
  keep(before: OwnerRows, shares: readonly number[], held: number[]): void {
    const excess = (member: number) => (held[member] as number) - (shares[member] as number);
    for (const [partition, row] of before.entries()) {
      let seat = partition * this.group.replicas;
      const end = seat + this.group.replicas;
      for (const member of [...row].sort((a, b) => excess(a) - excess(b))) {
        if (seat < end && this.fits(seat, member)) this.seats[seat++] = member;
        else held[member] = (held[member] as number) - 1;
      }
    }
  }

  /** The rack of who sits at `at`, if `member` sat at `seat`. */
  private rackWith(at: number, seat: number, member: number): number {
    const owner = at === seat ? member : (this.seats[at] as number);
    return owner === EMPTY ? EMPTY : (this.group.rackOf[owner] as number);
  }
}
