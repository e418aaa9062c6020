/**
 * Placing: the owners of every partition under one replication setting.
 *
 * Replication by datacenter is several placements side by side, each among the
 * members of its datacenter. N replicas anywhere is one among all members. A
 * rack belongs to its datacenter: two racks of the same name elsewhere differ.
 */
import type { Random } from "../base/random.js";
import type { Replication } from "../cluster-config.js";
import { type OwnerRows, Seats } from "./seats.js";
import { settle } from "./settle.js";
import { type Group, sharesOf } from "./shares.js";

interface Located {
  readonly rack: string;
  readonly datacenter: string;
  readonly capacity: number;
}

/** The replicas in each datacenter, in order of names. */
export function byDatacenter(replication: Readonly<Record<string, number>>): [datacenter: string, replicas: number][] {
  return Object.entries(replication).sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Who shares out how many replicas among themselves: a datacenter, or without a name all members. */
function quotasOf(replication: Replication): [datacenter: string | undefined, replicas: number][] {
  return typeof replication === "number" ? [[undefined, replication]] : byDatacenter(replication);
}

/** Why these members cannot hold so many replicas, if they cannot. */
export function refusalOfReplication(members: readonly Located[], replication: Replication): string | undefined {
  const quotas = quotasOf(replication);
  if (quotas.length === 0) return "a replication by datacenter names at least one datacenter";
  for (const [datacenter, replicas] of quotas) {
    const where = datacenter === undefined ? "" : ` in datacenter ${datacenter}`;
    const isCount = Number.isInteger(replicas) && replicas >= 1;
    if (!isCount) return `the number of replicas${where} is at least 1, not ${replicas}`;
    const { length } = presentIn(members, datacenter);
    if (length === 0 && datacenter !== undefined) return `no member is in datacenter ${datacenter}`;
    if (length < replicas) return `${replicas} replicas${where} need ${replicas} members, and there are ${length}`;
  }
  return undefined;
}

/** Places anew when there are no previous owners, and otherwise with the fewest moves. */
export function place(
  members: readonly Located[],
  replication: Replication,
  partitions: number,
  previous: OwnerRows | undefined,
  random: Random,
): number[][] {
  const owners = Array.from({ length: partitions }, (): number[] => []);
  for (const [datacenter, replicas] of quotasOf(replication)) {
    const present = presentIn(members, datacenter);
    const group = groupOf(
      present.map((index) => members[index] as Located),
      replicas,
      partitions,
    );
    const localOf = new Map(present.map((index, local) => [index, local]));
    const before = previous?.map((row) => row.flatMap((index) => localOf.get(index) ?? []));
    const seats = seatsOf(group, before, random);
    for (let seat = 0; seat < seats.count; seat++) {
      owners[Math.floor(seat / replicas)]?.push(present[seats.member(seat)] as number);
    }
  }
  return owners;
}

/** The members of a datacenter, or all of them, as indexes. */
function presentIn(members: readonly Located[], datacenter: string | undefined): number[] {
  const all = [...members.keys()];
  return datacenter === undefined ? all : all.filter((index) => members[index]?.datacenter === datacenter);
}

function groupOf(members: readonly Located[], replicas: number, partitions: number): Group {
  const numbers = new Map<string, number>();
  const racks: number[][] = [];
  const rackOf = members.map(({ datacenter, rack }, member) => {
    const name = JSON.stringify([datacenter, rack]);
    const number = numbers.get(name) ?? racks.push([]) - 1;
    numbers.set(name, number);
    racks[number]?.push(member);
    return number;
  });
  return { partitions, replicas, capacities: members.map((member) => member.capacity), rackOf, racks };
}

function seatsOf(group: Group, before: OwnerRows | undefined, random: Random): Seats {
  const seats = new Seats(group);
  const held = group.capacities.map(() => 0);
  for (const row of before ?? []) for (const member of row) held[member] = (held[member] as number) + 1;
  const shares = sharesOf(group, held);
  if (before === undefined) {
    seats.deal(shares);
    seats.mix(random);
  } else {
    seats.keep(before, shares, held);
    settle(seats, shares, before, random);
  }
  return seats;
}
