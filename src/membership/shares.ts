/**
 * Shares: how many partitions each member of a group should own.
 *
 * Loads are equal in proportion to capacity, as far as the racks allow: water
 * is poured over all members at once, and the level at which they hold it all
 * is the load per unit of capacity. Racks bound it. With no more replicas than
 * racks a rack holds at most one replica of a partition, so it is full at
 * `partitions`; with more replicas than racks it holds at least one of each, so
 * it is filled up to `partitions` even above the common level.
 *
 * Shares are whole numbers, each the exact share rounded down or up. Who
 * already owns more than the lower number is rounded up first, so that nothing
 * moves for the sake of a fraction.
 *
 * Invariants: shares add up to partitions times replicas; no member's exceeds
 * `partitions`; a rack's sum stays within its bound. Hence a placement with
 * exactly these loads exists (see seats.ts).
 */
import { assert } from "../base/assert.js";

/** Members among which the replicas of every partition are distributed: all of a cluster, or of one datacenter. */
export interface Group {
  readonly partitions: number;
  /** Owners of each partition, all distinct. */
  readonly replicas: number;
  readonly capacities: readonly number[];
  /** For each member the number of its rack, from 0. */
  readonly rackOf: readonly number[];
  /** The members of each rack. */
  readonly racks: readonly (readonly number[])[];
}

/** A share this close to a whole number is that number: what is missing is a rounding error. */
const WHOLE = 1e-7;

/** The number of partitions that each member should own, when it owns `held` now. */
export function sharesOf(group: Group, held: readonly number[]): number[] {
  const exact = exactShares(group);
  const rackShares = group.racks.map((rack) => withinRack(group, sum(rack.map((member) => exact[member] as number))));
  const rackHeld = group.racks.map((rack) => sum(rack.map((member) => held[member] as number)));
  const rackTotals = rounded(rackShares, rackHeld, group.partitions * group.replicas);
  const shares = new Array<number>(exact.length).fill(0);
  for (const [number, rack] of group.racks.entries()) {
    const wholes = rounded(
      rack.map((member) => exact[member] as number),
      rack.map((member) => held[member] as number),
      rackTotals[number] as number,
    );
    for (const [index, member] of rack.entries()) shares[member] = wholes[index] as number;
  }
  return shares;
}

function exactShares(group: Group): number[] {
  const { partitions, replicas, capacities, racks } = group;
  const highest = partitions / Math.min(...capacities);
  const share = (member: number, level: number) => Math.min(partitions, level * (capacities[member] as number));
  const volume = (rack: readonly number[], level: number) => sum(rack.map((member) => share(member, level)));
  const common = levelFor(partitions * replicas, highest, (level) =>
    sum(racks.map((rack) => withinRack(group, volume(rack, level)))),
  );
  const exact = new Array<number>(capacities.length).fill(0);
  for (const rack of racks) {
    const total = withinRack(group, volume(rack, common));
    const level = levelFor(total, highest, (tried) => volume(rack, tried));
    for (const member of rack) exact[member] = snapped(share(member, level));
  }
  return exact;
}

/** The load of a rack, bounded by the rule that replicas of a partition lie in as many racks as possible. */
function withinRack(group: Group, load: number): number {
  const isSpread = group.replicas <= group.racks.length;
  return snapped(isSpread ? Math.min(group.partitions, load) : Math.max(group.partitions, load));
}

/** The lowest level at which the volume, which never falls as the level rises, reaches the total. */
function levelFor(total: number, highest: number, volume: (level: number) => number): number {
  let low = 0;
  let high = highest;
  for (;;) {
    const middle = (low + high) / 2;
    if (middle <= low || middle >= high) return high;
    if (volume(middle) < total) low = middle;
    else high = middle;
  }
}

/** Each share rounded down or up, so that they add up to the total. */
function rounded(shares: readonly number[], held: readonly number[], total: number): number[] {
  const wholes = shares.map(Math.floor);
  const owns = (index: number) => ((held[index] as number) > (wholes[index] as number) ? 1 : 0);
  const fraction = (index: number) => (shares[index] as number) - (wholes[index] as number);
  const fractional = shares.flatMap((_, index) => (fraction(index) > 0 ? [index] : []));
  fractional.sort((a, b) => owns(b) - owns(a) || fraction(b) - fraction(a) || a - b);
  const missing = total - sum(wholes);
  assert(missing >= 0 && missing <= fractional.length, "shares can be rounded to their total");
  for (const index of fractional.slice(0, missing)) wholes[index] = (wholes[index] as number) + 1;
  return wholes;
}

function snapped(share: number): number {
  const whole = Math.round(share);
  return Math.abs(share - whole) < WHOLE ? whole : share;
}

function sum(numbers: readonly number[]): number {
  let total = 0;
  for (const number of numbers) total += number;
  return total;
}
