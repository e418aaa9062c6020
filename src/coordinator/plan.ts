/**
 * Plan: whom a level needs, decided before anything is sent.
 *
 * A level becomes groups of owners with a number needed of each: one group for
 * QUORUM, the own datacenter's for LOCAL_QUORUM, one per datacenter for
 * EACH_QUORUM. R+W>N holds because both sides count owners of the same groups,
 * and only owners (Gifford 1979; Dynamo 4.5). Too few reachable is
 * `unavailable`, and then nothing has been sent. Only ANY takes hints, and so
 * may be planned with every owner down. Pure.
 */
import { unreachable } from "../base/assert.js";
import type { Level } from "../config.js";
import type { NodeId } from "../ports.js";

/** An owner of the key, in preference order. */
export interface Owner {
  readonly node: NodeId;
  readonly datacenter: string;
  readonly alive: boolean;
  /** Overdue, or much slower than its neighbours: others are asked first. */
  readonly avoided: boolean;
}

export interface Group {
  /** Whom to ask first comes first: oneself, then the near, the far, whoever is avoided, the dead last. */
  readonly owners: readonly Owner[];
  readonly needed: number;
}

export interface Plan {
  readonly ok: true;
  readonly groups: readonly Group[];
  /** All answers needed, and owners of these groups that seem alive. */
  readonly required: number;
  readonly alive: number;
  /** ANY alone: a hint will do in place of an owner. */
  readonly takesHints: boolean;
}

export interface NoPlan {
  readonly ok: false;
  readonly kind: "unavailable" | "bad-level";
  readonly detail: string;
  readonly required: number;
  /** Of the owners required, those that seem alive. */
  readonly alive: number;
}

export interface Here {
  readonly self: NodeId;
  readonly datacenter: string;
}

/** More than half. */
export function quorumOf(count: number): number {
  return Math.floor(count / 2) + 1;
}

export function planFor(level: Level, owners: readonly Owner[], here: Here): Plan | NoPlan {
  const groups = groupsFor(level, owners, here);
  if (typeof groups === "string") return { ok: false, kind: "bad-level", detail: groups, required: 0, alive: 0 };
  const required = groups.reduce((sum, group) => sum + group.needed, 0);
  const alive = groups.reduce((sum, group) => sum + countAlive(group.owners), 0);
  const takesHints = level === "ANY";
  const short = groups.find((group) => countAlive(group.owners) < group.needed);
  if (short === undefined || takesHints) return { ok: true, groups, required, alive, takesHints };
  const down = short.owners.filter((owner) => !owner.alive).map((owner) => owner.node);
  const where = groups.length > 1 ? ` in ${short.owners[0]?.datacenter}` : "";
  const detail = `${level} needs ${short.needed} of ${short.owners.length} owners${where}, ${countAlive(short.owners)} alive; down: ${down.join(", ")}`;
  // What one datacenter has too many of makes up for no other.
  const countable = groups.reduce((sum, group) => sum + Math.min(group.needed, countAlive(group.owners)), 0);
  return { ok: false, kind: "unavailable", detail, required, alive: countable };
}

function groupsFor(level: Level, owners: readonly Owner[], here: Here): Group[] | string {
  if (typeof level === "number") return someOf(owners, level, String(level), here);
  switch (level) {
    case "ANY":
    case "ONE":
      return someOf(owners, 1, level, here);
    case "TWO":
      return someOf(owners, 2, level, here);
    case "THREE":
      return someOf(owners, 3, level, here);
    case "QUORUM":
      return someOf(owners, quorumOf(owners.length), level, here);
    case "ALL":
      return someOf(owners, owners.length, level, here);
    case "LOCAL_ONE":
      return locals(owners, () => 1, level, here);
    case "LOCAL_QUORUM":
      return locals(owners, quorumOf, level, here);
    case "EACH_QUORUM":
      return eachDatacenter(owners, here);
    default:
      return unreachable(level);
  }
}

function someOf(owners: readonly Owner[], needed: number, level: string, here: Here): Group[] | string {
  if (needed >= 1 && needed <= owners.length) return [{ owners: ranked(owners, here), needed }];
  return `${level} asks for ${needed} replicas, and this bucket has ${owners.length}`;
}

function locals(
  owners: readonly Owner[],
  neededOf: (count: number) => number,
  level: string,
  here: Here,
): Group[] | string {
  const near = owners.filter((owner) => owner.datacenter === here.datacenter);
  if (near.length > 0) return [{ owners: ranked(near, here), needed: neededOf(near.length) }];
  return `${level}: this key has no replica in ${here.datacenter}, the datacenter of ${here.self}`;
}

function eachDatacenter(owners: readonly Owner[], here: Here): Group[] {
  const datacenters = [...new Set(owners.map((owner) => owner.datacenter))];
  return datacenters.map((datacenter) => {
    const members = owners.filter((owner) => owner.datacenter === datacenter);
    return { owners: ranked(members, here), needed: quorumOf(members.length) };
  });
}

/** Whom to ask first comes first; see `Group`. */
export function ranked(owners: readonly Owner[], here: Here): Owner[] {
  const cost = (owner: Owner) => {
    if (!owner.alive) return 5;
    if (owner.node === here.self) return 0;
    const distance = owner.datacenter === here.datacenter ? 1 : 2;
    return owner.avoided ? distance + 2 : distance;
  };
  return [...owners].sort((a, b) => cost(a) - cost(b));
}

function countAlive(owners: readonly Owner[]): number {
  return owners.filter((owner) => owner.alive).length;
}
