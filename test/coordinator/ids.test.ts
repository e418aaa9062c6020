/** Changes that clients name, on virtual time: asked for again of any node, through whatever fails, each counts once. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8 } from "../../src/base/bytes.js";
import { tokenOf } from "../../src/base/hash.js";
import { DEFAULT_HEDGE } from "../../src/cluster-config.js";
import type { Level } from "../../src/config.js";
import { changeIdOf } from "../../src/coordinator/change-id.js";
import type { WriteOutcome, WriteRequest } from "../../src/coordinator/outcome.js";
import { type Context, EMPTY_CONTEXT } from "../../src/lattice/context.js";
import type { EditSet, Op } from "../../src/lattice/op.js";
import { ALL_ROWS, stateOfRecord } from "../../src/replica/rows.js";
import { SimCluster, type SimClusterOptions } from "../../src/sim/cluster.js";

const KEY = utf8("ada");
/** Ids of one second, forgotten 700 ms after owners first agree at the soonest. */
const FORGETFUL = {
  ...{ carrierAgeMaxMs: 500, clockSkewMsMax: 100, reapIntervalMs: 50, settleMs: 100, idKeptMs: 1000 },
} as const;

function clusterOf(type: string, seed: string, options: Partial<SimClusterOptions> = {}): SimCluster {
  const cluster = new SimCluster({ seed, nodes: 5, bucket: { type }, ...options });
  cluster.startAll();
  return cluster;
}

function ownersOf(cluster: SimCluster): readonly string[] {
  const { ring } = cluster.member(cluster.ids.find((id) => cluster.runs(id)) as string);
  return ring.ownersOf(0, ring.partitionOf(tokenOf(KEY)));
}

const add = (by: number): Op => ({ kind: "add", by });
const put = (value: string): Op => ({ kind: "put", contentType: "", value: utf8(value), expiresAtMs: undefined });

function named(op: Op, name: string, level: Level = "QUORUM"): WriteRequest {
  const id = changeIdOf(name, op);
  return { bucket: "b", key: KEY, op, context: EMPTY_CONTEXT, id, level, deadlineMs: 1500 };
}

const ASKED = { bucket: "b", key: KEY, deadlineMs: 2000, hedge: DEFAULT_HEDGE, mend: true } as const;

/** What a client is told that reads at QUORUM. */
function contextAt(cluster: SimCluster, at: string): Context {
  const outcome = cluster.read(at, { ...ASKED, level: "QUORUM" });
  assert.ok(outcome.ok);
  return outcome.view.context;
}

function textAt(cluster: SimCluster, at: string): string | undefined {
  const outcome = cluster.read(at, { ...ASKED, level: "ALL" });
  assert.ok(outcome.ok, outcome.ok ? "" : outcome.failure.detail);
  const [content] = outcome.view.contents;
  return content === undefined ? undefined : Buffer.from(content.value).toString();
}

const countAt = (cluster: SimCluster, at: string) =>
  Number(/^\{"value":(-?\d+)\}$/.exec(textAt(cluster, at) ?? "")?.[1]);

/** Asks for a change of one node after the other until one says that it was made. */
function insist(cluster: SimCluster, request: WriteRequest, from: number): number {
  for (let attempt = 0; attempt < 20; attempt++) {
    const at = cluster.ids[(from + attempt) % cluster.ids.length] as string;
    if (cluster.runs(at) && cluster.write(at, request).ok) return attempt;
  }
  assert.fail("nobody made it");
}

test("a change that is asked for of every node counts once, and each is answered as the first was", () => {
  const cluster = clusterOf("counter", "every node");
  const answers = cluster.ids.map((id) => cluster.write(id, named(add(5), "a")));
  for (const answer of answers) {
    assert.ok(answer.ok);
    assert.equal(Buffer.from(answer.view?.contents[0]?.value ?? []).toString(), '{"value":5}');
  }
  assert.ok(cluster.write("n1", named(add(5), "b")).ok);
  for (const id of cluster.ids) assert.equal(countAt(cluster, id), 10);
});

test("another operation under an id is refused, whoever is asked", () => {
  const cluster = clusterOf("counter", "other body");
  assert.ok(cluster.write("n1", named(add(5), "a")).ok);
  for (const id of cluster.ids) {
    const other = cluster.write(id, { ...named(add(6), "a") });
    assert.equal(!other.ok && other.failure.kind, "id-reused");
  }
  assert.equal(countAt(cluster, "n1"), 5);
});

test("a minter that dies before, while or after it commits does not make a change count twice, or not at all", () => {
  for (let afterMs = 0; afterMs < 30; afterMs += 2.5) {
    const cluster = clusterOf("counter", `dies after ${afterMs}`, { commitMs: 8 });
    const owners = ownersOf(cluster);
    const other = cluster.ids.find((id) => !owners.includes(id)) as string;
    let first: WriteOutcome | undefined;
    cluster.member(other).write(named(add(1), "a"), (outcome) => {
      first = outcome;
    });
    cluster.run(afterMs);
    cluster.crash(owners[0] as string);
    cluster.runUntil(() => first !== undefined);
    insist(cluster, named(add(1), "a"), 1);
    cluster.start(owners[0] as string);
    cluster.run(3000);
    insist(cluster, named(add(1), "a"), 2);
    for (const id of cluster.ids) assert.equal(countAt(cluster, id), 1, `after ${afterMs} ms`);
  }
});

test("a minter that is cut off is given up for the next owner, and what both made is one", () => {
  for (const type of ["counter", "siblings"]) {
    const cluster = clusterOf(type, `cut off ${type}`);
    const owners = ownersOf(cluster);
    const [minter] = owners as [string];
    const op = type === "counter" ? add(1) : put("x");
    // It hears the question, and nobody hears its answer.
    for (const id of cluster.ids) if (id !== minter) cluster.network.cut(minter, id);
    const outcomes = cluster.ids.filter((id) => id !== minter).map((id) => cluster.write(id, named(op, "a")));
    assert.ok(outcomes.every(({ ok }) => ok));
    cluster.network.heal();
    cluster.run(3000);
    assert.ok(cluster.write(minter, named(op, "a")).ok);
    for (const id of cluster.ids) assert.equal(textAt(cluster, id), type === "counter" ? '{"value":1}' : "x");
  }
});

test("the retry of a write to a register does not bury what was written after it", () => {
  const cluster = clusterOf("register", "buried");
  assert.ok(cluster.write("n1", named(put("first"), "a")).ok);
  assert.ok(cluster.write("n2", { ...named(put("second"), "a"), id: undefined }).ok);
  for (const id of cluster.ids) assert.ok(cluster.write(id, named(put("first"), "a")).ok);
  assert.equal(textAt(cluster, "n3"), "second");
  assert.ok(cluster.write("n4", { ...named(put("third"), "x"), id: undefined }).ok);
  assert.equal(textAt(cluster, "n3"), "third");
});

for (const [type, first, between, left] of [
  ["register", put("first"), put("second"), "second"],
  [
    "set",
    { kind: "edit-set", add: [], remove: ["x"] },
    { kind: "edit-set", add: ["x"], remove: [] },
    '{"value":["x"]}',
  ],
  ["counter", { kind: "delete" }, add(1), '{"value":1}'],
] as const) {
  test(`a change that takes away what its owner holds is not asked of another one while the first may make it late, type ${type}`, () => {
    const cluster = clusterOf(type, `late ${type}`);
    const owners = ownersOf(cluster);
    const [minter, other] = owners as [string, string];
    const stranger = cluster.ids.find((id) => !owners.includes(id)) as string;
    assert.ok(cluster.write(other, { ...named(between, "before"), id: undefined }).ok);
    cluster.network.pause(minter);
    const outcome = cluster.write(stranger, named(first, "a"));
    assert.ok(!outcome.ok && outcome.failure.mayHaveApplied, "nobody knows whether it was made");
    cluster.network.resume(minter);
    cluster.run(3000);
    // It is known now, so it takes nothing away that came after it.
    assert.ok(cluster.write(stranger, named(first, "a")).ok);
    assert.ok(cluster.write(other, { ...named(between, "after"), id: undefined }).ok);
    for (const id of cluster.ids) assert.ok(cluster.write(id, named(first, "a")).ok);
    assert.equal(textAt(cluster, other), left);
  });
}

const NO_FIELDS = { kind: "edit-map", set: [], counters: [], sets: [], maps: [], remove: [] } as const;
const addX: Op = { kind: "edit-set", add: ["x"], remove: [] };
const removeX: Op = { kind: "edit-set", add: [], remove: ["x"] };
const setF = (json: string): Op => ({ ...NO_FIELDS, set: [["f", utf8(json)]] });
const within = (op: Op): Op => ({ ...NO_FIELDS, sets: [["s", op as EditSet]] });

for (const { type, what, first, second, third, left } of [
  { type: "map", what: "a value", first: setF("1"), second: setF("2"), third: undefined, left: '{"f":2}' },
  { type: "set", what: "an element", first: addX, second: addX, third: removeX, left: '["x"]' },
  {
    ...{ type: "map", what: "an element of a set within" },
    ...{ first: within(addX), second: within(addX), third: within(removeX), left: '{"s":["x"]}' },
  },
] as const) {
  for (const isSeen of [false, true]) {
    test(`what is acknowledged after a named change stays, though the minter that was silent makes that late: ${what} of a ${type}${isSeen ? ", with a context" : ""}`, () => {
      const cluster = clusterOf(type, `stalled ${what}`);
      const owners = ownersOf(cluster);
      const [late, other] = owners as [string, string];
      const stranger = cluster.ids.find((id) => !owners.includes(id)) as string;
      const begin = cluster.write(other, { ...named(first, ""), id: undefined, level: "ALL" });
      assert.ok(begin.ok);
      const context = isSeen ? begin.context : EMPTY_CONTEXT;
      cluster.network.pause(late);
      assert.ok(cluster.write(stranger, { ...named(first, "a"), context }).ok, "another owner made it");
      const shown = contextAt(cluster, stranger);
      let after: WriteOutcome | undefined;
      cluster.member(late).write({ ...named(second, ""), id: undefined }, (outcome) => {
        after = outcome;
      });
      cluster.run(20);
      cluster.network.resume(late);
      cluster.runUntil(() => after !== undefined);
      assert.ok(after?.ok);
      cluster.run(3000);
      assert.ok(cluster.meter(late).sum("murmur_mints_total", { status: "minted" }) > 1, "both made it");
      if (third !== undefined)
        assert.ok(cluster.write(other, { ...named(third, ""), id: undefined, context: shown }).ok);
      assert.equal(textAt(cluster, other), `{"value":${left}}`);
    });
  }
}

/** On how many disks the row still has ids. */
function disksWithIds(cluster: SimCluster): number {
  const bytes = (id: string) => {
    const [row] = cluster.disk(id).scan(ALL_ROWS.from, ALL_ROWS.to, 10, Number.POSITIVE_INFINITY);
    return row === undefined ? 0 : stateOfRecord(row.key, row.value).length;
  };
  return cluster.ids.filter((id) => bytes(id) > 300).length;
}

test("ids are forgotten when all owners agreed twice, and what they counted is kept", () => {
  const cluster = clusterOf("counter", "forgotten", { limits: FORGETFUL });
  for (let count = 0; count < 20; count++) assert.ok(cluster.write("n1", named(add(2), `${count}`)).ok);
  assert.equal(disksWithIds(cluster), 3);
  assert.ok(cluster.write("n2", named(add(2), "7")).ok);
  cluster.run(6000);
  assert.equal(disksWithIds(cluster), 0);
  assert.equal(countAt(cluster, "n3"), 40);
  assert.ok(cluster.write("n2", named(add(2), "7")).ok);
  assert.equal(countAt(cluster, "n3"), 42, "after its time an id counts again");
});

test("an id is kept for its time, however often its key is looked at", () => {
  const cluster = clusterOf("counter", "kept", { limits: { ...FORGETFUL, idKeptMs: 5000 } });
  for (let count = 0; count < 20; count++) assert.ok(cluster.write("n1", named(add(2), `${count}`)).ok);
  cluster.run(4000);
  assert.equal(disksWithIds(cluster), 3);
  for (let count = 0; count < 20; count++) assert.ok(cluster.write("n2", named(add(2), `${count}`)).ok);
  assert.equal(countAt(cluster, "n3"), 40);
  cluster.run(4000);
  assert.equal(disksWithIds(cluster), 0);
});

test("while one owner is down no id is forgotten", () => {
  const cluster = clusterOf("counter", "one is down", { limits: FORGETFUL });
  for (let count = 0; count < 20; count++) assert.ok(cluster.write("n1", named(add(2), `${count}`)).ok);
  const [, , down] = ownersOf(cluster) as [string, string, string];
  cluster.crash(down);
  cluster.run(8000);
  assert.equal(disksWithIds(cluster), 3);
  cluster.start(down);
  cluster.run(8000);
  assert.equal(disksWithIds(cluster), 0);
  assert.equal(countAt(cluster, "n1"), 40);
});

test("a counter in use is exact while its ids are forgotten and owners come and go", () => {
  for (let seed = 0; seed < 3; seed++) {
    const cluster = clusterOf("counter", `in use ${seed}`, { limits: FORGETFUL, commitMs: 5 });
    let deleted = 0;
    for (let count = 0; count < 60; count++) {
      insist(cluster, named(add(1), `${count}`), count);
      if (count % 4 === 0) insist(cluster, named(add(1), `${count}`), count + 2);
      const victim = ownersOf(cluster)[count % 3] as string;
      if (count % 15 === 5) cluster.crash(victim);
      if (count % 15 === 9) for (const id of cluster.ids) if (!cluster.runs(id)) cluster.start(id);
      if (count === 40) {
        insist(cluster, { ...named({ kind: "delete" }, "gone") }, 0);
        deleted = count + 1;
      }
      cluster.run(150);
    }
    for (const id of cluster.ids) if (!cluster.runs(id)) cluster.start(id);
    cluster.run(8000);
    for (const id of cluster.ids) assert.equal(countAt(cluster, id), 60 - deleted, `seed ${seed}`);
    assert.equal(disksWithIds(cluster), 0);
  }
});
