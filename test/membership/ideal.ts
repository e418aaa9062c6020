/**
 * What a layout could be at best, computed in other ways than the layout is.
 *
 * The best load is a closed formula, the fewest moves a minimum-cost flow over
 * members, racks and partitions: slow, obvious, and exact.
 */
import assert from "node:assert/strict";
import type { Layout, LayoutMember } from "../../src/membership/layout.js";

export const rackOf = (member: LayoutMember) => `${member.datacenter}/${member.rack}`;
export const sumOf = (numbers: Iterable<number>) => [...numbers].reduce((sum, number) => sum + number, 0);

/**
 * The least load per unit of capacity that somebody must carry. When the racks bound it: however many racks (or
 * members, when all racks must be in every partition) are full, the others carry the rest.
 */
export function bestLoad(members: readonly LayoutMember[], replicas: number, partitions: number): number {
  const racks = new Map<string, number>();
  for (const member of members) racks.set(rackOf(member), (racks.get(rackOf(member)) ?? 0) + member.capacity);
  const rackCapacities = [...racks.values()];
  const isSpread = replicas <= racks.size;
  const units = (isSpread ? rackCapacities : members.map((member) => member.capacity)).sort((a, b) => b - a);
  const bounds = Array.from(
    { length: replicas },
    (_, full) => ((replicas - full) * partitions) / sumOf(units.slice(full)),
  );
  return Math.max(...bounds, isSpread ? 0 : Math.max(...rackCapacities.map((capacity) => partitions / capacity)));
}

/** The fewest replicas that must move from `before` to reach the loads of `after` under the rack rule. */
export function fewestMoves(before: Layout, after: Layout, placement: number, replicas: number): number {
  const racks = [...new Set(after.members.map(rackOf))];
  const loads = loadsOf(after, placement);
  const flow = new Flow();
  for (const member of after.members) flow.add("source", member.id, loads.get(member.id) ?? 0, 0);
  for (const [partition, owners] of (before.owners[placement] ?? []).entries()) {
    for (const member of after.members) {
      flow.add(member.id, `${partition} ${rackOf(member)}`, 1, owners.includes(member.id) ? 0 : 1);
    }
    for (const rack of racks) {
      // With fewer racks than replicas each rack must take part: its first unit earns more than any move costs.
      flow.add(`${partition} ${rack}`, `${partition}`, 1, replicas > racks.length ? -EARNED : 0);
      if (replicas > racks.length) flow.add(`${partition} ${rack}`, `${partition}`, replicas - racks.length, 0);
    }
    flow.add(`${partition}`, "sink", replicas, 0);
  }
  const { units, cost } = flow.run();
  assert.equal(units, replicas * after.partitions, "a placement with these loads exists");
  return replicas > racks.length ? cost + EARNED * racks.length * after.partitions : cost;
}

const EARNED = 1000;

/** How many partitions each member owns. */
export function loadsOf(layout: Layout, placement: number): Map<string, number> {
  const loads = new Map(layout.members.map((member) => [member.id, 0]));
  for (const owners of layout.owners[placement] ?? []) for (const id of owners) loads.set(id, (loads.get(id) ?? 0) + 1);
  return loads;
}

/** How many replicas lie where none lay before. */
export function movesBetween(before: Layout, after: Layout, placement: number): number {
  const moved = (after.owners[placement] ?? []).map((owners, partition) => {
    const previous = before.owners[placement]?.[partition] ?? [];
    return owners.filter((id) => !previous.includes(id)).length;
  });
  return sumOf(moved);
}

interface Edge {
  readonly to: number;
  readonly cost: number;
  room: number;
}

/** Minimum-cost maximum flow by shortest paths (Bellman and Ford, with a queue). Edges lie in pairs: there and back. */
class Flow {
  private readonly names = new Map<string, number>();
  private readonly edges: Edge[] = [];
  private readonly leaving: number[][] = [];

  add(from: string, to: string, room: number, cost: number): void {
    this.leaving[this.node(from)]?.push(this.edges.length);
    this.edges.push({ to: this.node(to), cost, room });
    this.leaving[this.node(to)]?.push(this.edges.length);
    this.edges.push({ to: this.node(from), cost: -cost, room: 0 });
  }

  run(): { units: number; cost: number } {
    const sink = this.node("sink");
    let units = 0;
    let cost = 0;
    for (let came = this.cheapest(); came[sink] !== undefined; came = this.cheapest()) {
      for (let edge: number | undefined = came[sink]; edge !== undefined; ) {
        const there = this.edges[edge] as Edge;
        const back = this.edges[edge ^ 1] as Edge;
        there.room--;
        back.room++;
        cost += there.cost;
        edge = came[back.to];
      }
      units++;
    }
    return { units, cost };
  }

  /** By which edge one comes most cheaply to each node. */
  private cheapest(): (number | undefined)[] {
    const source = this.node("source");
    const costs = new Array<number>(this.names.size).fill(Number.POSITIVE_INFINITY);
    const came = new Array<number | undefined>(this.names.size).fill(undefined);
    const waiting = new Set([source]);
    costs[source] = 0;
    for (const node of waiting) {
      waiting.delete(node);
      for (const index of this.leaving[node] as number[]) {
        const { to, cost, room } = this.edges[index] as Edge;
        const total = (costs[node] as number) + cost;
        if (room === 0 || total >= (costs[to] as number)) continue;
        costs[to] = total;
        came[to] = index;
        waiting.add(to);
      }
    }
    return came;
  }

  private node(name: string): number {
    const known = this.names.get(name);
    if (known !== undefined) return known;
    this.leaving.push([]);
    this.names.set(name, this.leaving.length - 1);
    return this.leaving.length - 1;
  }
}
