/**
 * Settle: from the previous layout to one with given shares, moving next to
 * nothing that need not move.
 *
 * Empty seats go to members below their share. Then members above theirs hand
 * over seats along augmenting paths (Ford and Fulkerson 1956), nearly always of
 * a single step; otherwise the cheapest first, where a step is free if it brings
 * a member back to a partition that it owned before, or moves on what has moved
 * already.
 *
 * Invariant: a placement with exactly these shares exists (see seats.ts), hence
 * a path exists as long as anybody is above. A path may not cross racks in one
 * partition twice: each step is checked against the seats as they are, and two
 * steps into the same new rack would break the rule together.
 */
import { assert } from "../base/assert.js";
import { type Random, shuffled } from "../base/random.js";
import { EMPTY, type OwnerRows, type Seats } from "./seats.js";

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

/** Fills the empty seats and brings every member to exactly its share. `before` says who owned each partition. */
export function settle(seats: Seats, shares: readonly number[], before: OwnerRows, random: Random): void {
  const settling = new Settling(seats, shares, before, random);
  settling.fill();
  for (const member of shares.keys()) settling.handOver(member, (seat, taker) => settling.isFree(seat, taker));
  for (const member of shares.keys()) {
    settling.handOver(member);
    settling.handAlong(member);
  }
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

  constructor(
    private readonly seats: Seats,
    private readonly shares: readonly number[],
    private readonly before: OwnerRows,
    random: Random,
  ) {
    const { partitions, replicas, racks } = seats.group;
    this.held = shares.map(() => new Set());
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

  /** Whether no more moves if the taker sits here: it did before, or who sits here now did not. */
  isFree(seat: number, taker: number): boolean {
    const before = this.before[this.partitionOf(seat)] ?? [];
    return before.includes(taker) || !before.includes(this.seats.member(seat));
  }

  /** Hands over seats that a member has above its share, where members below theirs fit. */
  handOver(member: number, may: (seat: number, taker: number) => boolean = () => true): void {
    if (this.excess(member) <= 0) return;
    for (const seat of this.newestFirst(member)) {
      if (this.excess(member) === 0) return;
      const taker = this.needyFor(seat, (needy) => may(seat, needy));
      if (taker !== undefined) this.give(seat, taker);
    }
  }

  /** Hands over the rest along paths. */
  handAlong(member: number): void {
    while (this.excess(member) > 0) this.pour(this.pathFrom(member));
  }

  /**
   * Breadth first, and first along steps that are free. Whoever is reached once needs no second path, not even
   * where the first one may not go on: what it would cross into again, it could reach when it first crossed.
   */
  private pathFrom(giver: number): Reached {
    const reached = new Set([giver]);
    let frontier: Reached[] = [{ member: giver, seat: EMPTY, from: undefined }];
    while (frontier.length > 0) {
      for (const from of frontier) {
        for (const seat of this.newestFirst(from.member)) {
          const taker = this.needyFor(seat, (member) => this.mayStep(from, seat, member));
          if (taker !== undefined) return { member: taker, seat, from };
        }
        frontier.push(...this.stepsFrom(from, reached, (seat, member) => this.isFree(seat, member)));
      }
      frontier = frontier.flatMap((from) => this.stepsFrom(from, reached, () => true));
    }
    assert(false, "a placement with these shares exists");
  }

  /** One step to everybody who can take over from a member and was not reached yet. */
  private stepsFrom(from: Reached, reached: Set<number>, may: (seat: number, member: number) => boolean): Reached[] {
    const steps: Reached[] = [];
    for (const seat of this.newestFirst(from.member)) {
      if (reached.size === this.held.length) break;
      for (let member = 0; member < this.held.length; member++) {
        if (reached.has(member) || !may(seat, member) || !this.seats.fits(seat, member)) continue;
        if (!this.mayStep(from, seat, member)) continue;
        reached.add(member);
        steps.push({ member, seat, from });
      }
    }
    return steps;
  }

  /** Whether a step does not cross racks in a partition where its path has crossed before. */
  private mayStep(path: Reached, seat: number, member: number): boolean {
    if (!this.isCrossing(seat, member)) return true;
    const partition = this.partitionOf(seat);
    for (let step = path; step.from !== undefined; step = step.from) {
      if (this.partitionOf(step.seat) === partition && this.isCrossing(step.seat, step.member)) return false;
    }
    return true;
  }

  private isCrossing(seat: number, taker: number): boolean {
    const { rackOf } = this.seats.group;
    return rackOf[this.seats.member(seat)] !== rackOf[taker];
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
