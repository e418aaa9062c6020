/**
 * Which owners must have met: what so many of them acknowledged is seen by whoever asks so many of them
 * (R + W > N: Gifford 1979), among all owners of a key and among those in each datacenter.
 *
 * It counts for itself: arithmetic shared with what it checks would err with it.
 */
import type { Replication } from "../cluster-config.js";
import type { Level } from "../config.js";

/** So many of the owners in a datacenter, or of all. */
export interface Part {
  readonly among: string;
  readonly count: number;
}

/** Among all owners, whatever their datacenter. */
export const ALL = "";
/** One owner, whichever it is. */
export const ONE_OWNER: readonly Part[] = [{ among: ALL, count: 1 }];
const NO_DATACENTERS: ReadonlyMap<string, number> = new Map();

export class Owners {
  /** All hints have arrived and all replicas are equal: what hints alone had to keep is held by every owner now. */
  areHintsDelivered = false;
  /** Owners that may have lost rows and not know it, as when a bit of a key is flipped: what begins now may meet them. */
  blind = 0;
  /** How many owners a key has. */
  readonly number: number;
  private readonly groups = new Map<number, ReadonlyMap<string, number>>();
  private readonly parts = new Map<string, readonly Part[]>();

  /** `losesCopies`: disks are wiped or rot, so that only what a majority held must survive. */
  constructor(
    private readonly replication: Replication,
    private readonly losesCopies: boolean,
    /** How many owners a key has in each datacenter; nothing is expected of them while it is unknown. */
    private readonly datacentersOf: (key: number) => ReadonlyMap<string, number> = () => NO_DATACENTERS,
  ) {
    this.number = ownersOf(replication);
  }

  /** All owners of a key, and those of each datacenter by its name. */
  groupsOf(key: number): ReadonlyMap<string, number> {
    let groups = this.groups.get(key);
    if (groups === undefined) {
      groups = new Map([[ALL, this.number], ...this.datacentersOf(key)]);
      this.groups.set(key, groups);
    }
    return groups;
  }

  /** Of whom a level means how many, asked of a node in this datacenter. The same question has the same answer ITSELF. */
  partsOf(key: number, level: Level, datacenter: string | undefined): readonly Part[] {
    const question = `${key}/${level}/${datacenter ?? ""}`;
    let parts = this.parts.get(question);
    if (parts === undefined) {
      const local = this.localPartsOf(key, level, datacenter);
      // Whoever holds it in some datacenter holds it among all.
      const inAll = local.reduce((sum, { count }) => sum + count, 0);
      parts = [{ among: ALL, count: Math.max(inAll, countOf(level, this.replication)) }, ...local];
      this.parts.set(question, parts);
    }
    return parts;
  }

  /** How many owners must hold something so that whoever asks this part meets it; undefined: it may be lost with one disk. */
  leastHolders(key: number, { among, count }: Part): number | undefined {
    const number = this.groupsOf(key).get(among) as number;
    // The only owner in a datacenter takes with it what nobody else was asked to hold.
    if (this.losesCopies && number === 1 && among !== ALL) return undefined;
    const least = number - count + 1 + this.blind;
    return this.losesCopies ? Math.max(least, majorityOf(number)) : least;
  }

  /** Whether what was acknowledged by those must be seen by whoever asks these. */
  mustMeet(key: number, held: readonly Part[], asked: readonly Part[]): boolean {
    return asked.some((part) => this.meets(key, held, part));
  }

  /** Those parts of `held` of whom whoever asks these must meet somebody. */
  metOf(key: number, held: readonly Part[], asked: readonly Part[]): readonly Part[] {
    return held.filter(({ among }) => asked.some((part) => part.among === among && this.meets(key, held, part)));
  }

  private meets(key: number, held: readonly Part[], part: Part): boolean {
    const least = this.leastHolders(key, part);
    const holders = held.find(({ among }) => among === part.among)?.count;
    if (least === undefined || holders === undefined) return false;
    return (this.areHintsDelivered && holders === 0 ? this.number : holders) >= least;
  }

  private localPartsOf(key: number, level: Level, datacenter: string | undefined): Part[] {
    const parts: Part[] = [];
    for (const [name, number] of this.groupsOf(key)) {
      const isHome = name === datacenter;
      if (name === ALL) continue;
      if (level === "ALL") parts.push({ among: name, count: number });
      if (level === "EACH_QUORUM" || (level === "LOCAL_QUORUM" && isHome))
        parts.push({ among: name, count: majorityOf(number) });
      if (level === "LOCAL_ONE" && isHome) parts.push({ among: name, count: 1 });
    }
    return parts;
  }
}

/** Held by both together, as far as either is known. */
export function heldByMore(held: readonly Part[], more: readonly Part[]): readonly Part[] {
  const counts = new Map(held.map(({ among, count }) => [among, count]));
  for (const { among, count } of more) counts.set(among, Math.max(count, counts.get(among) ?? 0));
  return [...counts].map(([among, count]) => ({ among, count }));
}

function ownersOf(replication: Replication): number {
  return typeof replication === "number" ? replication : Object.values(replication).reduce((sum, count) => sum + count);
}

/** More than half. */
function majorityOf(owners: number): number {
  return (owners >> 1) + 1;
}

/** How many owners a level means at the least, wherever they are. */
function countOf(level: Level, replication: Replication): number {
  const owners = ownersOf(replication);
  if (typeof level === "number") return Math.min(level, owners);
  switch (level) {
    case "ALL":
      return owners;
    case "THREE":
      return Math.min(3, owners);
    case "TWO":
      return Math.min(2, owners);
    // The sum of the majorities is never less than the majority of the sum.
    case "QUORUM":
    case "EACH_QUORUM":
      return majorityOf(owners);
    // A hint is held by no owner, until it is delivered.
    case "ANY":
      return 0;
    default:
      return 1;
  }
}
