/** The table of members: a lattice, in which whoever lives has the last word. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  decodeTable,
  died,
  encodeEntry,
  encodeTable,
  type MemberEntry,
  type MemberTable,
  mergeEntries,
  mergeTables,
  NO_MEMBERS,
  refuted,
  SUSPECTERS_MAX,
  suspected,
} from "../../src/membership/members.js";
import { joinLaws } from "../lattice/laws.js";

const NODES = ["n1", "n2", "n3", "n4", "n5", "n6", "n7"];
const ALIVE: MemberEntry = { incarnation: 1, actor: 1n, isRebuilding: false, status: "alive", suspecters: [] };

const node = fc.constantFrom(...NODES);
const life = fc.record(
  { incarnation: fc.integer({ min: 1, max: 3 }), actor: fc.bigInt({ min: 0n, max: 1n }), isRebuilding: fc.boolean() },
  { noNullPrototype: true },
);
const alive = life.map((each): MemberEntry => ({ ...each, status: "alive", suspecters: [] }));
const entry: fc.Arbitrary<MemberEntry> = fc.oneof(
  alive,
  alive.map(died),
  fc
    .tuple(alive, fc.array(node, { minLength: 1, maxLength: 6 }))
    .map(([each, suspecters]) => suspecters.reduce(suspected, each)),
);
const table: fc.Arbitrary<MemberTable> = fc.array(fc.tuple(node, entry), { maxLength: 5 }).map((all) => new Map(all));

joinLaws({ name: "members", bottom: NO_MEMBERS, merge: mergeTables, encode: encodeTable, decode: decodeTable }, table);

test("an entry is some twenty bytes and its name", () => assert.equal(encodeEntry("n1", ALIVE).length, 20));

test("a suspicion grows with each other that confirms it, up to what counts, and one's own second word adds nothing", () => {
  let suspect = suspected(ALIVE, "n7");
  assert.deepEqual([suspect.status, suspect.suspecters], ["suspect", ["n7"]]);
  assert.equal(suspected(suspect, "n7"), suspect);
  for (const suspecter of NODES) suspect = suspected(suspect, suspecter);
  assert.deepEqual(suspect.suspecters, NODES.slice(0, SUSPECTERS_MAX));
  assert.equal(mergeEntries(died(suspect), suspect).status, "dead");
  assert.equal(suspected(died(ALIVE), "n1").status, "dead");
});

/** What may be said of one member, by itself or by others, each at a replica of its own. */
type Deed = { readonly at: number; readonly kind: "suspect" | "die" | "refute" | "tell"; readonly to: number };
const deeds: fc.Arbitrary<Deed[]> = fc.array(
  fc.record({
    at: fc.nat({ max: 3 }),
    kind: fc.constantFrom("suspect" as const, "die" as const, "refute" as const, "tell" as const),
    to: fc.nat({ max: 3 }),
  }),
  { maxLength: 40 },
);

/** Four replicas of one member's entry; the first is the member's own. */
function play(all: readonly Deed[]): MemberEntry[] {
  const held: MemberEntry[] = [ALIVE, ALIVE, ALIVE, ALIVE];
  const hear = (at: number, said: MemberEntry) => {
    const ours = held[at] as MemberEntry;
    const join = mergeEntries(ours, said);
    // The member itself lives, so it answers whatever else is said of it.
    held[at] = at === 0 && join !== ours ? refuted(ours, said) : join;
  };
  for (const { at, kind, to } of all) {
    const ours = held[at] as MemberEntry;
    if (kind === "tell") hear(to, ours);
    else if (at !== 0 && kind === "suspect") held[at] = suspected(ours, NODES[at] as string);
    else if (at !== 0 && kind === "die") held[at] = died(ours);
    else if (at === 0 && kind === "refute") held[0] = refuted(ours, ours);
  }
  for (const [at] of held.entries()) hear(0, held[at] as MemberEntry);
  for (const [at] of held.entries()) hear(at, held[0] as MemberEntry);
  return held;
}

test("whatever was said of a member that lives, in any order, its refutation is believed by all in the end", () => {
  fc.assert(
    fc.property(deeds, (all) => {
      for (const held of play(all)) assert.equal(held.status, "alive");
    }),
    { numRuns: 2000 },
  );
});

test("a member's incarnations only rise, and nobody else raises them", () => {
  fc.assert(
    fc.property(deeds, entry, (all, said) => {
      const [own] = play(all) as [MemberEntry];
      assert.ok(refuted(own, said).incarnation > Math.max(own.incarnation, said.incarnation));
      assert.equal(mergeEntries(said, refuted(own, said)).status, "alive");
      assert.equal(suspected(own, "n2").incarnation, own.incarnation);
      assert.equal(died(own).incarnation, own.incarnation);
    }),
    { numRuns: 1000 },
  );
});
