/** Layouts: rules that always hold, loads and moves against the best there could be, and what is persisted. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Replication } from "../../src/cluster-config.js";
import {
  computeLayout,
  decodeLayout,
  encodeLayout,
  isRefusal,
  type Layout,
  type LayoutMember,
  type LayoutSpec,
} from "../../src/membership/layout.js";
import { bestLoad, fewestMoves, loadsOf, movesBetween, rackOf, sumOf } from "./ideal.js";

/** Members m000, m001, … dealt over racks r0, r1, … */
function membersOf(count: number, racks: number): LayoutMember[] {
  return Array.from({ length: count }, (_, index) => ({
    id: `m${String(index).padStart(3, "0")}`,
    rack: `r${index % racks}`,
    datacenter: "dc1",
    capacity: 1,
  }));
}

function specOf(members: readonly LayoutMember[], replication: Replication, partitions: number): LayoutSpec {
  return { partitions, members, placements: [{ replication }] };
}

function layoutOf(previous: Layout | undefined, spec: LayoutSpec): Layout {
  const result = computeLayout(previous, spec);
  if (isRefusal(result)) assert.fail(result.refusal);
  return result;
}

/** What must hold among the members of one group: distinct owners, as many racks as can be, the best loads. */
function checkGroup(layout: Layout, members: readonly LayoutMember[], placement: number, replicas: number): void {
  const byId = new Map(members.map((member) => [member.id, member]));
  const rackCount = Math.min(replicas, new Set(members.map(rackOf)).size);
  for (const owners of layout.owners[placement] ?? []) {
    const present = owners.flatMap((id) => byId.get(id) ?? []);
    assert.equal(new Set(present).size, replicas);
    assert.equal(new Set(present.map(rackOf)).size, rackCount);
  }
  const best = bestLoad(members, replicas, layout.partitions);
  const loads = loadsOf(layout, placement);
  for (const { id, capacity } of members) {
    const most = Math.ceil(best * capacity - 1e-6);
    assert.ok((loads.get(id) ?? 0) <= most, `${id} owns ${loads.get(id)} partitions, more than ${most}`);
  }
}

function checkLayout(layout: Layout): void {
  assert.deepEqual(decodeLayout(encodeLayout(layout)), layout);
  for (const [placement, { replication }] of layout.placements.entries()) {
    if (typeof replication === "number") checkGroup(layout, layout.members, placement, replication);
    else {
      for (const [datacenter, replicas] of Object.entries(replication)) {
        const members = layout.members.filter((member) => member.datacenter === datacenter);
        checkGroup(layout, members, placement, replicas);
      }
      const replicas = sumOf(Object.values(replication));
      assert.ok(layout.owners[placement]?.every((owners) => owners.length === replicas));
    }
  }
}

const members = fc.uniqueArray(
  fc.record({
    id: fc.integer({ min: 0, max: 30 }).map((number) => `n${number}`),
    rack: fc.constantFrom("a", "b", "c", "d", "e"),
    datacenter: fc.constantFrom("x", "y"),
    capacity: fc.constantFrom(1, 1, 1, 2, 0.5, 3.3),
  }),
  { minLength: 3, maxLength: 9, selector: (member) => member.id },
);
const partitionCounts = fc.integer({ min: 0, max: 7 }).map((power) => 2 ** power);

function replicationsFor(present: readonly LayoutMember[], wanted: number): Replication[] {
  const count = (datacenter: string) => present.filter((member) => member.datacenter === datacenter).length;
  const quotas = ["y", "x"].flatMap((datacenter): [string, number][] => {
    const replicas = Math.min(wanted, count(datacenter));
    return replicas === 0 ? [] : [[datacenter, replicas]];
  });
  return [Math.min(wanted, present.length), Object.fromEntries(quotas)];
}

test("any layout: distinct owners, racks, best loads, whatever the order of the input", () => {
  fc.assert(
    fc.property(members, fc.integer({ min: 1, max: 4 }), partitionCounts, (present, wanted, partitions) => {
      const placements = replicationsFor(present, wanted).map((replication) => ({ replication }));
      const layout = layoutOf(undefined, { partitions, members: present, placements });
      checkLayout(layout);
      const reversed = { partitions, members: present.toReversed(), placements: placements.toReversed() };
      assert.deepEqual(layoutOf(undefined, reversed), layout);
      assert.equal(layoutOf(layout, reversed), layout);
    }),
    { numRuns: 100 },
  );
});

test("any change: the rules hold again, and hardly more moves than must", () => {
  let moved = 0;
  let fewest = 0;
  fc.assert(
    fc.property(
      members,
      members,
      fc.integer({ min: 1, max: 4 }),
      partitionCounts,
      (first, second, wanted, partitions) => {
        const replicas = Math.min(wanted, first.length, second.length);
        const before = layoutOf(undefined, specOf(first, replicas, partitions));
        // One who joins, one who leaves, one who changes rack or capacity, and everything at once.
        const joined = [...first.filter((member) => member.id !== second[0]?.id), ...second.slice(0, 1)];
        const changes = [joined, second];
        if (first.length > replicas) changes.push(first.slice(1));
        for (const after of changes.map((list) => layoutOf(before, specOf(list, replicas, partitions)))) {
          checkLayout(after);
          const moves = movesBetween(before, after, 0);
          const least = fewestMoves(before, after, 0, replicas);
          assert.ok(moves <= 1.2 * least + 4, `${moves} moves instead of ${least}`);
          moved += moves;
          fewest += least;
        }
      },
    ),
    { numRuns: 50 },
  );
  assert.ok(moved <= 1.03 * fewest, `${moved} moves instead of ${fewest}`);
});

test("replication by datacenter follows a member that moves to another datacenter", () => {
  fc.assert(
    fc.property(members, partitionCounts, fc.nat(), (first, partitions, pick) => {
      const moving = first[pick % first.length] as LayoutMember;
      const second = first.map((member) =>
        member === moving ? { ...member, datacenter: member.datacenter === "x" ? "y" : "x" } : member,
      );
      const replication = replicationsFor(second, 1)[1] as Replication;
      const before = computeLayout(undefined, specOf(first, replication, partitions));
      if (!isRefusal(before)) checkLayout(layoutOf(before, specOf(second, replication, partitions)));
    }),
  );
});

const SIZES = [3, 5, 10, 30, 100].flatMap((count) => [1, 3, 4, count].map((racks) => [count, racks] as const));

for (const [count, racks] of new Map(SIZES.map((size) => [String(size), size])).values()) {
  if (racks > count) continue;
  test(`${count} members in ${racks} racks: balance within 5 % of the best, joins too`, () => {
    const replicas = 3;
    const spec = specOf(membersOf(count, racks), replicas, 4096);
    const layout = layoutOf(undefined, spec);
    checkBalance(layout, replicas);
    for (const rack of ["r0", "new"]) {
      const newcomer = { id: "newcomer", rack, datacenter: "dc1", capacity: 1 };
      const joined = layoutOf(layout, { ...spec, members: [...spec.members, newcomer] });
      checkBalance(joined, replicas);
      assert.ok(movesBetween(layout, joined, 0) <= 1.05 * gainsBetween(layout, joined));
      assert.equal(joined.version, 2);
    }
    if (count === replicas) return;
    const left = layoutOf(layout, { ...spec, members: spec.members.slice(1) });
    checkBalance(left, replicas);
  });
}

/** At least so many replicas must move: what members own more than before. */
function gainsBetween(before: Layout, after: Layout): number {
  const previous = loadsOf(before, 0);
  return sumOf([...loadsOf(after, 0)].map(([id, load]) => Math.max(0, load - (previous.get(id) ?? 0))));
}

function checkBalance(layout: Layout, replicas: number): void {
  checkGroup(layout, layout.members, 0, replicas);
  const loads = loadsOf(layout, 0);
  assert.ok(Math.max(...loads.values()) <= 1.05 * bestLoad(layout.members, replicas, layout.partitions));
  const firsts = new Map(layout.members.map(({ id }) => [id, 0]));
  for (const [first = ""] of layout.owners[0] ?? []) firsts.set(first, (firsts.get(first) ?? 0) + 1);
  for (const [id, load] of loads) {
    const due = load / replicas;
    assert.ok(
      Math.abs((firsts.get(id) ?? 0) - due) <= Math.max(3, 0.05 * due),
      `${id} is first ${firsts.get(id)} times`,
    );
  }
}

test("1,000 members, 65,536 partitions: balanced and quick, before and after a join", () => {
  const spec = specOf(membersOf(1000, 10), 3, 65_536);
  const startedUs = process.cpuUsage();
  const layout = layoutOf(undefined, spec);
  const usedUs = process.cpuUsage(startedUs);
  assert.ok(
    usedUs.user + usedUs.system < 5_000_000,
    "the bench measures it; this only catches another order of growth",
  );
  checkBalance(layout, 3);
  const newcomer = { id: "newcomer", rack: "r3", datacenter: "dc1", capacity: 1 };
  const joined = layoutOf(layout, { ...spec, members: [...spec.members, newcomer] });
  checkBalance(joined, 3);
  assert.ok(movesBetween(layout, joined, 0) <= 1.05 * gainsBetween(layout, joined));
});

test("the partitions of one member are shared with many, so that many take over when it dies", () => {
  const layout = layoutOf(undefined, specOf(membersOf(30, 30), 3, 4096));
  const others = new Map<string, number>();
  for (const owners of layout.owners[0] ?? []) {
    if (!owners.includes("m007")) continue;
    for (const id of owners) others.set(id, (others.get(id) ?? 0) + 1);
  }
  assert.equal(others.size, 30);
  others.delete("m007");
  const mean = sumOf(others.values()) / 29;
  assert.ok(Math.max(...others.values()) <= 2 * mean);
});

test("who stays an owner keeps its place in front of who joins, except where the newcomer is due to be first", () => {
  const spec = specOf(membersOf(6, 6), 3, 256);
  const before = layoutOf(undefined, spec);
  const newcomer = { id: "newcomer", rack: "r9", datacenter: "dc1", capacity: 1 };
  const after = layoutOf(before, { ...spec, members: [...spec.members, newcomer] });
  const places = (after.owners[0] ?? []).map((owners) => owners.indexOf("newcomer"));
  const [first = 0, second = 0, third = 0] = [0, 1, 2].map((place) => places.filter((found) => found === place).length);
  assert.ok(Math.abs(first - third / 2) <= 3, `first ${first} times, last ${third} times`);
  assert.ok(second <= 3, `second ${second} times`);
});

test("twice the capacity owns twice the partitions", () => {
  const present = membersOf(8, 8).map((member, index) => ({ ...member, capacity: index === 0 ? 2 : 1 }));
  const loads = [...loadsOf(layoutOf(undefined, specOf(present, 2, 1024)), 0).values()];
  assert.deepEqual([loads[0], Math.min(...loads), Math.max(...loads.slice(1))], [455, 227, 228]);
});

test("a layout has not changed: every node of a cluster must compute the same", () => {
  const placements = [{ replication: 3 }, { replication: { dc1: 2 } }];
  const first = layoutOf(undefined, { partitions: 64, members: membersOf(7, 3), placements });
  const second = layoutOf(first, { partitions: 64, members: membersOf(9, 3), placements });
  assert.deepEqual(
    [first.digest, second.digest],
    ["6f9dc3a1d48c07da93667be68b69fa99", "456d34a0a1ff134f4885663b1dcc71c8"],
  );
  assert.deepEqual([first.version, second.version], [1, 2]);
  const again = layoutOf(undefined, { partitions: 64, members: membersOf(7, 3), placements });
  assert.equal(again.digest, first.digest);
});

test("placements keep their numbers when others are added", () => {
  const spec = specOf(membersOf(4, 2), 3, 16);
  const first = layoutOf(undefined, spec);
  const second = layoutOf(first, { ...spec, placements: [{ replication: 2 }, { replication: { dc1: 1 } }] });
  assert.deepEqual(
    second.placements.map(({ replication }) => replication),
    [3, 2, { dc1: 1 }],
  );
  assert.deepEqual(second.owners[0], first.owners[0]);
});
