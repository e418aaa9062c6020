/**
 * Layouts: how even the loads are against the best that the racks allow, how
 * much a join and a leave move against the least possible, and how long it
 * takes. Targets: 1.05, 1.05, and one second for 1,000 members and 65,536
 * partitions.
 *
 * Balance and moves do not depend on the machine. Times do: they are of several
 * runs.
 */
import { computeLayout, isRefusal, type Layout, type LayoutMember, type LayoutSpec } from "../src/membership/layout.js";
import type { BenchOptions, Result, Row } from "./report.js";
import { type Spread, spreadOf } from "./spread.js";

interface Case {
  readonly members: number;
  readonly racks: number;
  readonly partitions: number;
}

const REPLICAS = 3;
const RUNS = 5;

export async function run({ quick, tiny, onProgress }: BenchOptions): Promise<Result> {
  const small = [3, 5, 10, 30, 100].flatMap((members) =>
    [1, 3, 4, members]
      .filter((racks, index, all) => racks <= members && all.indexOf(racks) === index)
      .map((racks) => ({ members, racks, partitions: 4096 })),
  );
  const large = [3, 4, 10, 1000].map((racks) => ({ members: 1000, racks, partitions: 65_536 }));
  const cases: Case[] = tiny ? [{ members: 5, racks: 3, partitions: 64 }] : quick ? small : [...small, ...large];
  const rows = cases.map((one) => {
    onProgress?.(`${one.members} members in ${one.racks} racks`);
    return measure(one, quick ? 1 : RUNS);
  });
  return {
    name: "layout",
    command: "npm run bench -- layout",
    title: "Layouts of 3 replicas: how even, how much a join moves, how long it takes",
    columns: [
      ...["members", "racks", "partitions"].map((name) => ({ name, isLabel: true, digits: 0 })),
      ...["balance", "first"].map((name) => ({ name, digits: 3 })),
      { name: "join moves", digits: 0 },
      { name: "of least", digits: 3 },
      { name: "leave moves", digits: 0 },
      { name: "leave of least", digits: 3 },
      ...["first layout ms", "join ms"].map((name) => ({ name })),
    ],
    rows,
    notes: [
      "balance: the largest load over the best that the racks allow (target 1.05); first: the same for first owners.",
      "of least: the replicas that moved over the fewest possible (target 1.05).",
      "Balance and moves are the same on every machine. Target for 1,000 members and 65,536 partitions: 1,000 ms.",
    ],
    charted: "first layout ms",
  };
}

function measure({ members, racks, partitions }: Case, runs: number): Row {
  const present = Array.from({ length: members }, (_, index) =>
    member(`m${String(index).padStart(4, "0")}`, index % racks),
  );
  const spec: LayoutSpec = { partitions, members: present, placements: [{ replication: REPLICAS }] };
  const [layout, firstMs] = timed(runs, () => layoutOf(undefined, spec));
  const joined = [...present, member("newcomer", 0)];
  const [afterJoin, joinMs] = timed(runs, () => layoutOf(layout, { ...spec, members: joined }));
  const afterLeave = members > REPLICAS ? layoutOf(layout, { ...spec, members: present.slice(1) }) : undefined;
  const join = moves(layout, afterJoin);
  const leave = afterLeave === undefined ? undefined : moves(layout, afterLeave);
  return {
    ...{ members, racks, partitions },
    balance: most(loadsOf(layout, REPLICAS)) / bestLoad(present, partitions),
    first: most(loadsOf(layout, 1)) / (bestLoad(present, partitions) / REPLICAS),
    "join moves": join.moved,
    "of least": join.ofLeast,
    "leave moves": leave?.moved,
    "leave of least": leave?.ofLeast,
    "first layout ms": firstMs,
    "join ms": joinMs,
  };
}

function member(id: string, rack: number): LayoutMember {
  return { id, rack: `r${rack}`, datacenter: "dc1", capacity: 1 };
}

function layoutOf(previous: Layout | undefined, spec: LayoutSpec): Layout {
  const layout = computeLayout(previous, spec);
  if (isRefusal(layout)) throw new Error(layout.refusal);
  return layout;
}

/** However many of the largest racks are full, the members of the others carry the rest. */
function bestLoad(present: readonly LayoutMember[], partitions: number): number {
  const sizes = new Map<string, number>();
  for (const { rack } of present) sizes.set(rack, (sizes.get(rack) ?? 0) + 1);
  if (sizes.size < REPLICAS) return Math.max((REPLICAS * partitions) / present.length, partitions / least(sizes));
  const largest = [...sizes.values()].sort((a, b) => b - a);
  const bounds = Array.from({ length: REPLICAS }, (_, full) => {
    const others = largest.slice(full).reduce((sum, size) => sum + size, 0);
    return ((REPLICAS - full) * partitions) / others;
  });
  return Math.max(...bounds);
}

/** How many partitions each member owns, counting only the first owners of each. */
function loadsOf(layout: Layout, owners: number): Map<string, number> {
  const loads = new Map(layout.members.map(({ id }) => [id, 0]));
  for (const row of layout.owners[0] ?? []) {
    for (const id of row.slice(0, owners)) loads.set(id, (loads.get(id) ?? 0) + 1);
  }
  return loads;
}

/** Replicas that moved, and how many times that is what members own more than before. */
function moves(before: Layout, after: Layout): { moved: number; ofLeast: number } {
  let moved = 0;
  for (const [partition, owners] of (after.owners[0] ?? []).entries()) {
    const previous = before.owners[0]?.[partition] ?? [];
    moved += owners.filter((id) => !previous.includes(id)).length;
  }
  const loads = loadsOf(before, REPLICAS);
  let gained = 0;
  for (const [id, load] of loadsOf(after, REPLICAS)) gained += Math.max(0, load - (loads.get(id) ?? 0));
  return { moved, ofLeast: gained === 0 ? 1 : moved / gained };
}

function most(loads: ReadonlyMap<string, number>): number {
  return Math.max(...loads.values());
}

function least(sizes: ReadonlyMap<string, number>): number {
  return Math.min(...sizes.values());
}

/** The result of the last run, and how long all took in milliseconds. The first, which warms up, is not counted. */
function timed<Outcome>(runs: number, compute: () => Outcome): [Outcome, Spread] {
  const times: number[] = [];
  let outcome = compute();
  for (let run = 0; run < runs; run++) {
    const startedMs = performance.now();
    outcome = compute();
    times.push(performance.now() - startedMs);
  }
  return [outcome, spreadOf(times)];
}
