/**
 * Layouts: how even the loads are against the best that the racks allow, how
 * much a join and a leave move against the least possible, and how long it
 * takes. Targets: 1.05, 1.05, and one second for 1,000 members and 65,536
 * partitions.
 *
 * Balance and moves do not depend on the machine. Times do: they are the median
 * of several runs.
 */
import { pathToFileURL } from "node:url";
import { computeLayout, isRefusal, type Layout, type LayoutMember, type LayoutSpec } from "../src/membership/layout.js";

interface Case {
  readonly members: number;
  readonly racks: number;
  readonly partitions: number;
}

const REPLICAS = 3;
const RUNS = 5;

export async function run(options: { quick: boolean }): Promise<void> {
  const small = [3, 5, 10, 30, 100].flatMap((members) =>
    [1, 3, 4, members]
      .filter((racks, index, all) => racks <= members && all.indexOf(racks) === index)
      .map((racks) => ({ members, racks, partitions: 4096 })),
  );
  const large = [3, 4, 10, 1000].map((racks) => ({ members: 1000, racks, partitions: 65_536 }));
  const cases: Case[] = options.quick ? [{ members: 5, racks: 3, partitions: 64 }] : [...small, ...large];
  console.log("Layout: 3 replicas. Balance is the largest load over the best the racks allow (target 1.05);");
  console.log("first is the same for first owners; moves are over the least possible (target 1.05).\n");
  const rows = cases.map((one) => measure(one, options.quick ? 1 : RUNS));
  console.table(rows);
}

function measure({ members, racks, partitions }: Case, runs: number): Record<string, string | number> {
  const present = Array.from({ length: members }, (_, index) =>
    member(`m${String(index).padStart(4, "0")}`, index % racks),
  );
  const spec: LayoutSpec = { partitions, members: present, placements: [{ replication: REPLICAS }] };
  const [layout, firstMs] = timed(runs, () => layoutOf(undefined, spec));
  const joined = [...present, member("newcomer", 0)];
  const [afterJoin, joinMs] = timed(runs, () => layoutOf(layout, { ...spec, members: joined }));
  const afterLeave = members > REPLICAS ? layoutOf(layout, { ...spec, members: present.slice(1) }) : undefined;
  const firsts = loadsOf(layout, 1);
  return {
    members,
    racks,
    partitions,
    balance: (most(loadsOf(layout, REPLICAS)) / bestLoad(present, partitions)).toFixed(3),
    first: (most(firsts) / (bestLoad(present, partitions) / REPLICAS)).toFixed(3),
    "join moves": moves(layout, afterJoin),
    "leave moves": afterLeave === undefined ? "-" : moves(layout, afterLeave),
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
function moves(before: Layout, after: Layout): string {
  let moved = 0;
  for (const [partition, owners] of (after.owners[0] ?? []).entries()) {
    const previous = before.owners[0]?.[partition] ?? [];
    moved += owners.filter((id) => !previous.includes(id)).length;
  }
  const loads = loadsOf(before, REPLICAS);
  let gained = 0;
  for (const [id, load] of loadsOf(after, REPLICAS)) gained += Math.max(0, load - (loads.get(id) ?? 0));
  return `${moved} (${(gained === 0 ? 1 : moved / gained).toFixed(3)})`;
}

function most(loads: ReadonlyMap<string, number>): number {
  return Math.max(...loads.values());
}

function least(sizes: ReadonlyMap<string, number>): number {
  return Math.min(...sizes.values());
}

/** The result of the last run, and the median of all in milliseconds. */
function timed<Result>(runs: number, compute: () => Result): [Result, string] {
  const times: number[] = [];
  let result = compute();
  for (let run = 0; run < runs; run++) {
    const startedMs = performance.now();
    result = compute();
    times.push(performance.now() - startedMs);
  }
  times.sort((a, b) => a - b);
  return [result, (times[Math.floor(runs / 2)] as number).toFixed(1)];
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href)
  await run({ quick: process.argv.includes("--quick") });
