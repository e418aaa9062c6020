/**
 * Settle: the fewest moves from the previous layout to one with given shares.
 *
 * Empty seats go to members below their share. Then members above theirs hand
 * over seats along shortest augmenting paths (Ford and Fulkerson 1956), nearly
 * always of a single step: almost nothing moves that need not.
 *
 * Invariant: a placement with exactly these shares exists (see seats.ts), hence
 * a path exists as long as anybody is above. A path may not cross racks in one
 * partition twice: each step is checked against the seats as they are, and two
 * steps into the same new rack would break the rule together. Nothing is lost,
 * as the first crossing reaches everybody whom the second could reach.
 */
import { assert } from "../base/assert.js";
import { type Random, shuffled } from "../base/random.js";
import { EMPTY, type Seats } from "./seats.js";

/** A member that a search has reached, and the seat that it would take over from the one before it. */
interface Reached {
  readonly member: number;
  readonly seat: number;
  readonly from: Reached | undefined;
}

/** One step of a path and the seats with which it can be repeated. */
interface Link {
  readonly giver: number;
  readonly taker: number;
  readonly seats: readonly number[];
  next: number;
}

/** Among how many needy members a taker is chosen: enough to serve the scarce racks first. */
const CHOICES = 8;

/** Fills the empty seats and brings every member to exactly its share. */
export function settle(seats: Seats, shares: readonly number[], random: Random): void {
  const settling = new Settling(seats, shares, random);
  settling.fill();
  for (let member = 0; member < shares.length; member++) settling.relieve(member);
}

class Settling {
  /** The seats of each member, the newest last. */
  private readonly held: Set<number>[];
  private readonly empty: number[] = [];
  /** Members below their share. */
  private readonly needy: number[] = [];
  /** By how much each rack is below the shares of its members. */
  private readonly rackNeeds: number[];
  private turn = 0;
  private search = 0;
  /** The last search that reached a member, and that crossed racks in a partition. */
  private readonly reachedIn: Uint32Array;
  private readonly crossedIn: Uint32Array;

  constructor(
    private readonly seats: Seats,
    private readonly shares: readonly number[],
    random: Random,
  ) {
    const { partitions, replicas, racks } = seats.group;
    this.held = shares.map(() => new Set());
    this.reachedIn = new Uint32Array(shares.length);
    this.crossedIn = new Uint32Array(partitions);
    const order = Array.from({ length: partitions }, (_, partition) => partition);
    // In random order, so that who takes over from many comes to share partitions with many.
    for (const partition of shuffled(random, order)) {
      for (let seat = partition * replicas; seat < (partition + 1) * replicas; seat++) {
        const member = seats.member(seat);
        if (member === EMPTY) this.empty.push(seat);
        else this.heldBy(member).add(seat);
      }
    }
    for (const member of shares.keys()) if (this.excess(member) < 0) this.needy.push(member);
    this.rackNeeds = racks.map((rack) => rack.reduce((needs, member) => needs - this.excess(member), 0));
  }

  fill(): void {
    for (const seat of this.empty) {
      const taker = this.needyFor(seat) ?? this.held.findIndex((_, member) => this.seats.fits(seat, member));
      assert(taker >= 0, "a partition has no more replicas than there are members");
      this.give(seat, taker);
    }
  }

  /** Hands over what a member has above its share: to whom it can directly, then along paths. */
  relieve(member: number): void {
    if (this.excess(member) <= 0) return;
    for (const seat of this.newestFirst(member)) {
      if (this.excess(member) === 0) return;
      const taker = this.needyFor(seat);
      if (taker !== undefined) this.give(seat, taker);
    }
    while (this.excess(member) > 0) this.pour(this.pathFrom(member));
  }

  /** Breadth first. The newest seats are tried first: what has moved already moves again for nothing. */
  private pathFrom(giver: number): Reached {
    this.search++;
    this.reachedIn[giver] = this.search;
    const queue: Reached[] = [{ member: giver, seat: EMPTY, from: undefined }];
    for (const from of queue) {
      const seats = this.newestFirst(from.member);
      for (const seat of seats) {
        const taker = this.needyFor(seat, (member) => this.mayCross(seat, member));
        if (taker !== undefined) return { member: taker, seat, from };
      }
      for (const seat of seats) {
        if (queue.length === this.held.length) break;
        this.reach(seat, from, queue);
      }
    }
    assert(false, "a placement with these shares exists");
  }

  /** Puts everybody into the queue who can take over this seat and was not reached yet. */
  private reach(seat: number, from: Reached, queue: Reached[]): void {
    const { rackOf } = this.seats.group;
    let isCrossed = false;
    for (let member = 0; member < rackOf.length; member++) {
      if (this.reachedIn[member] === this.search || !this.mayCross(seat, member)) continue;
      if (!this.seats.fits(seat, member)) continue;
      this.reachedIn[member] = this.search;
      isCrossed ||= rackOf[member] !== rackOf[from.member];
      queue.push({ member, seat, from });
    }
    if (isCrossed) this.crossedIn[this.partitionOf(seat)] = this.search;
  }

  /** Whether this search may still bring the member here: from the rack of who sits here always, from another once. */
  private mayCross(seat: number, member: number): boolean {
    const { rackOf } = this.seats.group;
    if (rackOf[this.seats.member(seat)] === rackOf[member]) return true;
    return this.crossedIn[this.partitionOf(seat)] !== this.search;
  }

  /** Hands seats over along a path, and as long as it can along the same members with further seats. */
  private pour(end: Reached): void {
    const links: Link[] = [];
    let start = end;
    for (; start.from !== undefined; start = start.from) {
      const seats = this.newestFirst(start.from.member);
      links.push({ giver: start.from.member, taker: start.member, seats, next: seats.indexOf(start.seat) });
    }
    do {
      for (const { seats, next, taker } of links) this.give(seats[next] as number, taker);
      if (!this.advance(links)) return;
    } while (this.excess(start.member) > 0 && this.excess(end.member) < 0);
  }

  /** Finds the next seat for every link, each in a partition of its own. */
  private advance(links: readonly Link[]): boolean {
    const used = new Set<number>();
    for (const link of links) {
      do {
        if (++link.next >= link.seats.length) return false;
      } while (used.has(this.partitionOf(link.seats[link.next] as number)) || !this.isOpen(link));
      used.add(this.partitionOf(link.seats[link.next] as number));
    }
    return true;
  }

  private isOpen({ giver, taker, seats, next }: Link): boolean {
    const seat = seats[next] as number;
    return this.seats.member(seat) === giver && this.seats.fits(seat, taker);
  }

  /** Of the first few needy members in turn who fit here, one whose rack is furthest below its share. */
  private needyFor(seat: number, may: (member: number) => boolean = () => true): number | undefined {
    let best: number | undefined;
    let choices = 0;
    for (let tried = this.needy.length; tried > 0 && choices < CHOICES; tried--) {
      this.turn = (this.turn + 1) % this.needy.length;
      const member = this.needy[this.turn] as number;
      if (!this.seats.fits(seat, member) || !may(member)) continue;
      choices++;
      if (best === undefined || this.rackNeed(member) > this.rackNeed(best)) best = member;
    }
    return best;
  }

  private give(seat: number, taker: number): void {
    const { rackOf } = this.seats.group;
    const giver = this.seats.member(seat);
    if (giver !== EMPTY) {
      this.heldBy(giver).delete(seat);
      this.rackNeeds[rackOf[giver] as number] = this.rackNeed(giver) + 1;
    }
    this.seats.take(seat, taker);
    this.heldBy(taker).add(seat);
    this.rackNeeds[rackOf[taker] as number] = this.rackNeed(taker) - 1;
    const index = this.excess(taker) < 0 ? -1 : this.needy.indexOf(taker);
    if (index >= 0) this.needy.splice(index, 1);
  }

  private newestFirst(member: number): number[] {
    return [...this.heldBy(member)].reverse();
  }

  private heldBy(member: number): Set<number> {
    return this.held[member] as Set<number>;
  }

  private partitionOf(seat: number): number {
    return Math.floor(seat / this.seats.group.replicas);
  }

  private rackNeed(member: number): number {
    return this.rackNeeds[this.seats.group.rackOf[member] as number] as number;
  }

  /** How many partitions a member has above its share. */
  private excess(member: number): number {
    return this.heldBy(member).size - (this.shares[member] as number);
  }
}
