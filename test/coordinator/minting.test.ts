/** Changes that an owner makes, on virtual time: a whole cluster, its faults, and counts that must be exact. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8 } from "../../src/base/bytes.js";
import { tokenOf } from "../../src/base/hash.js";
import { DEFAULT_HEDGE } from "../../src/cluster-config.js";
import { DEFAULT_LIMITS, type Level } from "../../src/config.js";
import type { Failure, WriteOutcome, WriteRequest } from "../../src/coordinator/outcome.js";
import { type Context, EMPTY_CONTEXT } from "../../src/lattice/context.js";
import type { View } from "../../src/lattice/lattice.js";
import type { Op } from "../../src/lattice/op.js";
import { ALL_ROWS } from "../../src/replica/rows.js";
import { SimCluster, type SimClusterOptions } from "../../src/sim/cluster.js";
import { CALM } from "../../src/sim/transport.js";

const KEY = utf8("ada");
const DEADLINE_MS = 2000;

/** Five nodes, three of which own the key. */
function clusterOf(type: string, options: Partial<SimClusterOptions> = {}): SimCluster {
  const cluster = new SimCluster({ seed: "minting", nodes: 5, bucket: { type }, ...options });
  cluster.startAll();
  return cluster;
}

/** Who owns the key, in preference order, and who does not. */
function placeOf(cluster: SimCluster): { owners: readonly string[]; others: readonly string[] } {
  const { ring } = cluster.member(cluster.ids[0] as string);
  const owners = ring.ownersOf(0, ring.partitionOf(tokenOf(KEY)));
  return { owners, others: cluster.ids.filter((id) => !owners.includes(id)) };
}

/** Whom a coordinator that owns nothing asks first: the first in preference order, for all are alive and near. */
function minterFor(cluster: SimCluster, at: string): string {
  const { owners } = placeOf(cluster);
  return owners.includes(at) ? at : (owners[0] as string);
}

function wish(op: Op, level: Level = "QUORUM", context: Context = EMPTY_CONTEXT): WriteRequest {
  return { bucket: "b", key: KEY, op, context, level, deadlineMs: DEADLINE_MS };
}

const add = (by: number): Op => ({ kind: "add", by });
/** All owners hold a row of the key from now on. */
const begun = (cluster: SimCluster) => okOf(cluster.write(placeOf(cluster).owners[0] as string, wish(add(0), "ALL")));
const put = (value: string): Op => ({ kind: "put", contentType: "", value: utf8(value), expiresAtMs: undefined });

function textsOf({ contents }: View): string[] {
  return contents.map(({ value }) => Buffer.from(value).toString());
}

function read(cluster: SimCluster, at: string, level: Level = "QUORUM", cell: { sort?: Uint8Array } = {}): View {
  const outcome = cluster.read(at, {
    ...{ bucket: "b", key: KEY, level, deadlineMs: DEADLINE_MS },
    ...{ hedge: DEFAULT_HEDGE, mend: true, ...cell },
  });
  assert.ok(outcome.ok, outcome.ok ? "" : outcome.failure.detail);
  return outcome.view;
}

function failureOf(outcome: WriteOutcome): Failure {
  assert.ok(!outcome.ok, "it was acknowledged");
  return outcome.failure;
}

function okOf(outcome: WriteOutcome): Extract<WriteOutcome, { ok: true }> {
  assert.ok(outcome.ok, outcome.ok ? "" : `${outcome.failure.kind}: ${outcome.failure.detail}`);
  return outcome;
}

test("a counter counts through owners and others alike, and tells what came of it", () => {
  const cluster = clusterOf("counter");
  let sum = 0;
  for (const [index, id] of [...cluster.ids, ...cluster.ids].entries()) {
    sum += index;
    const { view } = okOf(cluster.write(id, wish(add(index))));
    assert.deepEqual(view && textsOf(view), [`{"value":${sum}}`]);
  }
  for (const id of cluster.ids) assert.deepEqual(textsOf(read(cluster, id)), [`{"value":${sum}}`]);
});

test("values written without having seen one another are siblings; with the context of all of them, they are replaced", () => {
  const cluster = clusterOf("siblings");
  for (const id of cluster.ids) okOf(cluster.write(id, wish(put(`from ${id}`))));
  const { contents, context } = read(cluster, "n1");
  assert.equal(contents.length, 5);
  okOf(cluster.write("n4", wish(put("one"), "QUORUM", context)));
  assert.deepEqual(textsOf(read(cluster, "n2")), ["one"]);
});

const countIn = (view: View) => Number(textsOf(view)[0]?.slice('{"value":'.length, -1) ?? 0);

/** Counts up by one, `times` times at each of the nodes, none of which waits for another; tells how many were acknowledged. */
function countTogether(cluster: SimCluster, at: readonly string[], times: number): { acked: number; unknown: number } {
  const counts = { acked: 0, unknown: 0, refused: 0 };
  for (const id of at) {
    for (let time = 0; time < times; time++) {
      cluster.member(id).write(wish(add(1)), (outcome) => {
        if (outcome.ok) counts.acked++;
        else if (outcome.failure.mayHaveApplied) counts.unknown++;
        else counts.refused++;
      });
    }
  }
  cluster.runUntil(() => counts.acked + counts.unknown + counts.refused === at.length * times);
  return counts;
}

test("additions at several owners at once are all counted, each once", () => {
  const cluster = clusterOf("counter");
  assert.equal(countTogether(cluster, cluster.ids, 40).acked, 200);
  for (const id of cluster.ids) assert.equal(countIn(read(cluster, id)), 200);
});

test("a network that repeats, delays and reorders frames counts nothing twice", () => {
  const cluster = clusterOf("counter");
  cluster.network.weather = { ...CALM, duplicateRate: 0.5, delayMsMin: 0, delayMsMax: 60, lossRate: 0 };
  assert.deepEqual(countTogether(cluster, cluster.ids, 40), { acked: 200, unknown: 0, refused: 0 });
  cluster.run(1000);
  assert.equal(countIn(read(cluster, "n1")), 200);
  assert.ok(cluster.network.statistics.duplicated > 100);
});

test("on a network that loses frames, what is counted lies between what was acknowledged and what was tried", () => {
  const cluster = clusterOf("counter");
  cluster.network.weather = { ...CALM, duplicateRate: 0.3, delayMsMax: 30, lossRate: 0.1 };
  const { acked, unknown } = countTogether(cluster, cluster.ids, 40);
  cluster.network.weather = CALM;
  cluster.run(10_000);
  const value = countIn(read(cluster, "n1", "ALL"));
  assert.ok(unknown > 0 && acked <= value && value <= acked + unknown, `${acked} ${value} ${unknown}`);
});

/** Until this node takes all of them for dead. */
function untilDown(cluster: SimCluster, at: string, nodes: readonly string[]): void {
  cluster.runUntil(() => nodes.every((node) => !cluster.member(at).opinionOf(node).alive));
}

test("a change that the key does not take is refused by name, and nobody else is asked", () => {
  const cluster = clusterOf("counter");
  okOf(cluster.write("n1", wish(add(Number.MAX_SAFE_INTEGER))));
  const { kind, mayHaveApplied } = failureOf(cluster.write("n2", wish(add(1))));
  assert.deepEqual([kind, mayHaveApplied], ["out-of-range", false]);
  assert.equal(failureOf(cluster.write("n3", wish(put("x")))).kind, "type-mismatch");
  assert.equal(countIn(read(cluster, "n4")), Number.MAX_SAFE_INTEGER);
});

test("at ANY one owner must be up: a hint cannot make a change", () => {
  const cluster = clusterOf("counter");
  const { owners, others } = placeOf(cluster);
  const [at, last] = [others[0] as string, owners[2] as string];
  for (const owner of owners) if (owner !== last) cluster.crash(owner);
  untilDown(cluster, at, owners.slice(0, 2));
  okOf(cluster.write(at, wish(add(1), "ANY")));
  cluster.crash(last);
  untilDown(cluster, at, owners);
  const { kind, detail, mayHaveApplied } = failureOf(cluster.write(at, wish(add(1), "ANY")));
  assert.deepEqual([kind, mayHaveApplied], ["unavailable", false]);
  assert.match(detail, /a hint cannot make it/);
  cluster.startAll(10_000);
  assert.equal(countIn(read(cluster, at, "ALL")), 1);
});

test("a minter that dies before it has committed has counted nothing, and nobody else was asked: the outcome is unknown", () => {
  const cluster = clusterOf("counter");
  const at = placeOf(cluster).others[0] as string;
  okOf(cluster.write(at, wish(add(1), "ALL")));
  const minter = minterFor(cluster, at);
  let outcome: WriteOutcome | undefined;
  cluster.member(at).write(wish(add(10)), (result) => {
    outcome = result;
  });
  cluster.crash(minter);
  cluster.runUntil(() => outcome !== undefined);
  const { kind, mayHaveApplied } = failureOf(outcome as unknown as WriteOutcome);
  assert.deepEqual([kind, mayHaveApplied], ["timeout", true]);
  cluster.startAll(10_000);
  assert.equal(countIn(read(cluster, at, "ALL")), 1);
});

test("a minter that dies when it has committed, and before it has told: unknown, and counted once when it is back", () => {
  const cluster = clusterOf("counter");
  const { others } = placeOf(cluster);
  const at = others[0] as string;
  const minter = minterFor(cluster, at);
  begun(cluster);
  // It hears, and is not heard.
  for (const id of cluster.ids) if (id !== minter) cluster.network.cut(minter, id);
  assert.equal(failureOf(cluster.write(at, wish(add(10)))).kind, "timeout");
  cluster.crash(minter);
  cluster.network.heal();
  untilDown(cluster, at, [minter]);
  assert.equal(countIn(read(cluster, at)), 0);
  okOf(cluster.write(at, wish(add(1))));
  cluster.startAll(10_000);
  assert.equal(countIn(read(cluster, at, "ALL")), 11);
});

test("an owner that rebuilds makes no change: another does, and it gets the state as the others do", () => {
  const cluster = clusterOf("counter");
  const { owners, others } = placeOf(cluster);
  const at = others[0] as string;
  okOf(cluster.write(at, wish(add(1), "ALL")));
  const wiped = minterFor(cluster, at);
  cluster.crash(wiped);
  cluster.wipe(wiped);
  const apart = owners.filter((owner) => owner !== wiped);
  cluster.network.partition([[wiped], apart]);
  cluster.start(wiped);
  cluster.run(3000);
  assert.ok(cluster.member(wiped).describe().rebuilding > 0);
  // It coordinates itself, too, and the owners that may make a change are out of its reach.
  assert.deepEqual(
    ["unavailable", "timeout"].includes(failureOf(cluster.write(wiped, wish(add(100), "ONE"))).kind),
    true,
  );
  okOf(cluster.write(at, wish(add(1))));
  cluster.network.heal();
  cluster.runUntil(() => cluster.member(wiped).describe().rebuilding === 0);
  cluster.run(5000);
  assert.equal(countIn(read(cluster, wiped, "ALL")), 2);
});

test("where the minter's disk is full, the next owner makes the change; where all are full, nothing has changed", () => {
  const cluster = clusterOf("counter");
  const { owners } = placeOf(cluster);
  const [first] = owners as [string];
  okOf(cluster.write(first, wish(add(1))));
  cluster.disk(first).fail(1, "full");
  okOf(cluster.write(first, wish(add(1))));
  okOf(cluster.write(first, wish(add(1), "ALL")));
  for (const owner of owners) cluster.disk(owner).fail(1, "full");
  const { kind, mayHaveApplied } = failureOf(cluster.write(first, wish(add(100))));
  assert.deepEqual([kind, mayHaveApplied], ["disk-full", false]);
  okOf(cluster.write(first, wish(add(1), "ALL")));
  assert.equal(countIn(read(cluster, first, "ALL")), 4);
});

test("a commit that fails takes with it what was minted on top of it, and nothing else", () => {
  const cluster = clusterOf("counter", { commitMs: 20 });
  const { owners } = placeOf(cluster);
  const [at] = owners as [string];
  const results: (WriteOutcome | undefined)[] = [];
  const start = (by: number) => {
    const index = results.push(undefined) - 1;
    cluster.member(at).write(wish(add(by)), (outcome) => {
      results[index] = outcome;
    });
  };
  cluster.disk(at).fail(1, "full");
  start(1);
  start(10);
  cluster.run(5);
  start(100);
  cluster.runUntil(() => results.every((result) => result !== undefined));
  for (const result of results) okOf(result as WriteOutcome);
  assert.equal(countIn(read(cluster, at, "ALL")), 111);
  okOf(cluster.write(at, wish(add(1000))));
  assert.equal(countIn(read(cluster, at)), 1111);
});

test("a minority makes changes that nobody confirms: unknown there, and counted once when it is reached again", () => {
  const cluster = clusterOf("counter");
  const { owners, others } = placeOf(cluster);
  const [lone, ...majority] = owners as [string, string, string];
  begun(cluster);
  cluster.network.partition([[lone], [...majority, ...others]]);
  const { kind, mayHaveApplied } = failureOf(cluster.write(lone, wish(add(1))));
  assert.deepEqual([kind, mayHaveApplied], ["timeout", true]);
  okOf(cluster.write(majority[0], wish(add(10))));
  okOf(cluster.write(lone, wish(add(100), "ONE")));
  cluster.network.heal();
  cluster.run(10_000);
  assert.equal(countIn(read(cluster, others[0] as string, "ALL")), 111);
});

test("stamps that wait for their bound, while others' states are merged: nothing is lost", () => {
  const cluster = clusterOf("counter", { limits: { stampBoundStepMs: 10 }, commitMs: 30 });
  assert.equal(countTogether(cluster, cluster.ids, 10).acked, 50);
  cluster.run(200);
  assert.equal(countTogether(cluster, cluster.ids, 10).acked, 50);
  assert.equal(countIn(read(cluster, "n1")), 100);
});

test("a delete takes away what was acknowledged elsewhere, though its minter never heard of it", () => {
  const cluster = clusterOf("counter", { limits: { syncIntervalMs: 3_000_000, settleMs: 0, hintRowsMax: 0 } });
  const { owners, others } = placeOf(cluster);
  const [minter, ...majority] = owners as [string, string, string];
  cluster.network.partition([[minter], [...majority, ...others]]);
  const cell = { sort: utf8("cell") };
  okOf(cluster.write(majority[0], wish(add(5))));
  okOf(cluster.write(majority[0], { ...wish(add(5)), ...cell }));
  cluster.network.heal();
  cluster.run(3000);
  okOf(cluster.write(minter, wish({ kind: "delete" })));
  okOf(cluster.write(minter, { ...wish({ kind: "delete" }), ...cell }));
  assert.deepEqual(read(cluster, others[0] as string).contents, []);
  assert.deepEqual(read(cluster, others[0] as string, "QUORUM", cell).contents, []);
});

test("a change that has to read first, and cannot, has changed nothing", () => {
  const cluster = clusterOf("counter");
  const { owners, others } = placeOf(cluster);
  const [minter, ...majority] = owners as [string, string, string];
  okOf(cluster.write(minter, wish(add(5), "ALL")));
  cluster.network.partition([[minter], [...majority, ...others]]);
  const { kind, mayHaveApplied } = failureOf(cluster.write(minter, wish({ kind: "delete" }, "ONE")));
  assert.deepEqual([kind, mayHaveApplied], ["timeout", false]);
  cluster.network.heal();
  cluster.run(3000);
  assert.equal(countIn(read(cluster, minter, "ALL")), 5);
});

test("an owner with too much to do is passed over, before it has done anything", () => {
  const cluster = clusterOf("counter", { limits: { pendingCommitBytesMax: 150 } });
  const { owners } = placeOf(cluster);
  const [busy] = owners as [string];
  // All have counted: what they hold is as long as it will be.
  for (const id of owners) okOf(cluster.write(id, wish(add(1), "ALL")));
  cluster.storage(busy).commitMs = 500;
  cluster.member(busy).write(wish(add(1), "ONE"), okOf);
  const beforeMs = cluster.clock.nowMs();
  okOf(cluster.write(busy, wish(add(10))));
  assert.ok(cluster.clock.nowMs() - beforeMs < 100);
  cluster.run(10_000);
  assert.equal(countIn(read(cluster, busy, "ALL")), 14);
});

test("what a damaged row had counted, and is still on its way, is not covered by what its owner counts after", () => {
  const cluster = clusterOf("counter", { nodes: 3, limits: { syncIntervalMs: 3_000_000 } });
  okOf(cluster.write("n1", wish(add(5), "ALL")));
  for (const other of ["n2", "n3"]) cluster.network.cut("n1", other);
  okOf(cluster.write("n1", wish(add(3), "ONE")));
  cluster.run(2500);
  cluster.network.heal();
  cluster.runUntil(() => ["n2", "n3"].every((id) => cluster.member("n1").opinionOf(id).alive));
  const [row] = cluster.disk("n1").keys(ALL_ROWS.from, ALL_ROWS.to, 1);
  cluster.disk("n1").damage(row as Uint8Array);
  read(cluster, "n1", "ONE");
  cluster.runUntil(() => cluster.meter("n1").sum("murmur_healed_rows_total") > 0);
  assert.ok(cluster.meter("n1").sum("murmur_hints_delivered_total") === 0, "the hints are still there");
  cluster.runUntil(() => cluster.write("n1", wish(add(1), "ONE")).ok);
  cluster.run(10_000);
  assert.equal(countIn(read(cluster, "n2", "ALL")), 9);
});

test("one owner's crash leaves a hint, and the hint counts once", () => {
  const cluster = clusterOf("counter", { limits: { syncIntervalMs: 3_000_000 } });
  const { owners, others } = placeOf(cluster);
  const at = others[0] as string;
  const gone = owners[2] as string;
  cluster.crash(gone);
  untilDown(cluster, at, [gone]);
  for (let time = 0; time < 5; time++) okOf(cluster.write(at, wish(add(1))));
  cluster.start(gone);
  cluster.runUntil(() =>
    cluster.ids.every((id) =>
      cluster
        .member(id)
        .hints()
        .every(({ hints }) => hints === 0),
    ),
  );
  cluster.run(1000);
  assert.equal(countIn(read(cluster, gone, "ALL")), 5);
});

type Pick = (place: ReturnType<typeof placeOf>) => string | undefined;

/** What a write costs from a node, of a new key or not: frames of the whole cluster, and milliseconds of virtual time. */
function costOf(type: string, op: Op, pick: Pick, isNew = false) {
  const weather = { ...CALM, delayMsMin: 10, delayMsMax: 10, togetherRate: 0 };
  const cluster = clusterOf(type, { limits: { syncIntervalMs: 3_000_000 }, commitMs: 5 });
  cluster.network.weather = weather;
  // Between two rounds of pings, so that frames can be counted.
  cluster.run(230);
  const at = pick(placeOf(cluster)) as string;
  if (!isNew) okOf(cluster.write(at, wish(op, "ALL")));
  const [sent, startedMs] = [cluster.network.statistics.sent, cluster.clock.nowMs()];
  okOf(cluster.write(at, wish(op)));
  const tookMs = cluster.clock.nowMs() - startedMs;
  cluster.run(100);
  return { tookMs, frames: cluster.network.statistics.sent - sent };
}

const owner: Pick = ({ owners }) => owners[0];
const other: Pick = ({ others }) => others[0];

test("a change at an owner takes as many frames as a blind write; it waits for one disk more, and where no owner coordinates for one way more", () => {
  assert.deepEqual(costOf("register", put("x"), owner), { tookMs: 25, frames: 4 });
  assert.deepEqual(costOf("counter", add(1), owner), { tookMs: 30, frames: 4 });
  assert.deepEqual(costOf("register", put("x"), other), { tookMs: 25, frames: 6 });
  assert.deepEqual(costOf("counter", add(1), other), { tookMs: 50, frames: 6 });
});

test("the first change of a key at an owner asks the other owners what they hold, once", () => {
  assert.deepEqual(costOf("counter", add(1), owner, true), { tookMs: 50, frames: 8 });
  assert.deepEqual(costOf("counter", add(1), other, true), { tookMs: 90, frames: 12 });
});

test("changes of one batch travel together, and each has an outcome of its own", () => {
  const cluster = clusterOf("counter", { nodes: 3, limits: { syncIntervalMs: 3_000_000 } });
  cluster.run(230);
  const keys = Array.from({ length: 40 }, (_, index) => utf8(`key ${index}`));
  const writes = keys.map((key, index) => ({ ...wish(add(index)), key }));
  const before = cluster.network.statistics.sent;
  const { writes: outcomes } = cluster.batch("n1", { reads: [], writes: [...writes, wish(put("x"))] });
  assert.ok(cluster.network.statistics.sent - before < 20);
  assert.equal(failureOf(outcomes[40] as WriteOutcome).kind, "type-mismatch");
  for (const [index, outcome] of outcomes.slice(0, 40).entries()) {
    const { view } = okOf(outcome);
    assert.deepEqual(view && textsOf(view), [`{"value":${index}}`]);
  }
  const again = cluster.batch("n2", { reads: [], writes: writes.map((each) => ({ ...each, op: add(1000) })) });
  for (const [index, outcome] of again.writes.entries()) {
    const { view } = okOf(outcome);
    assert.deepEqual(view && textsOf(view), [`{"value":${1000 + index}}`]);
  }
});

test("states too large for one answer are made and answered a few at a time, each once", () => {
  const limits = { syncBatchBytesMax: 2 ** 16, gatherBytesMax: 2 ** 20 };
  const cluster = clusterOf("siblings", { limits });
  const keys = Array.from({ length: 12 }, (_, index) => utf8(`key ${index}`));
  for (const letter of ["a", "b", "c"]) {
    const writes = keys.map((key) => ({ ...wish(put(letter.repeat(30_000))), key }));
    for (const outcome of cluster.batch("n1", { reads: [], writes }).writes) okOf(outcome);
  }
  for (const key of keys) {
    const outcome = cluster.read("n2", {
      ...{ bucket: "b", key, level: "ALL", deadlineMs: DEADLINE_MS },
      ...{ hedge: DEFAULT_HEDGE, mend: true },
    });
    assert.ok(outcome.ok);
    assert.deepEqual(
      textsOf(outcome.view)
        .map((text) => text[0])
        .sort(),
      ["a", "b", "c"],
    );
  }
});

for (const type of ["counter", "siblings"]) {
  test(`an old copy of a store that is put back and alone makes no change of type ${type}, and what it had acknowledged stays`, () => {
    const cluster = new SimCluster({ seed: "old copy", bucket: { type } });
    cluster.startAll();
    const changes = Array.from({ length: 11 }, (_, index) => (type === "counter" ? add(1) : put(`v${index}`)));
    for (const op of changes.slice(0, 5)) okOf(cluster.write("n1", wish(op)));
    cluster.run(1000);
    cluster.disk("n1").copy();
    for (const op of changes.slice(5, 10)) okOf(cluster.write("n1", wish(op)));
    cluster.run(1000);
    cluster.crash("n1");
    cluster.disk("n1").restore("snapshot");
    cluster.network.partition([["n1"], ["n2", "n3"]]);
    cluster.start("n1");
    // Long enough that it has raised its bound above all that others remember.
    cluster.run(20_000);
    const { kind, detail } = failureOf(cluster.write("n1", wish(changes[10] as Op, "ONE")));
    assert.deepEqual([kind, detail.includes("n1 unvouched")], ["unavailable", true]);
    cluster.network.heal();
    cluster.runUntil(() => cluster.write("n1", wish(changes[10] as Op, "ONE")).ok);
    cluster.run(10_000);
    const view = read(cluster, "n2", "ALL");
    assert.equal(type === "counter" ? countIn(view) : view.contents.length, 11);
  });
}

/** A bit of the key of every row turns round on a node's disk: it holds nothing of them any more, and does not know. */
function rotKeys(cluster: SimCluster, node: string): void {
  const disk = cluster.disk(node);
  for (const row of disk.keys(ALL_ROWS.from, ALL_ROWS.to, 100)) disk.flipKey(row, 8 * (row.length - 1) + 6);
}

const letters = ["a", "b", "c", "d", "e", "f"] as const;
const CHANGES: Readonly<Record<string, readonly Op[]>> = {
  counter: letters.map(() => add(1)),
  set: letters.map((letter) => ({ kind: "edit-set", add: [letter], remove: [] })),
  siblings: letters.map(put),
  map: letters.map((name) => ({
    ...{ kind: "edit-map", set: [[name, utf8("1")]], counters: [] },
    ...{ sets: [], maps: [], remove: [] },
  })),
};
const EVERYTHING: Readonly<Record<string, readonly string[]>> = {
  counter: ['{"value":6}'],
  set: ['{"value":["a","b","c","d","e","f"]}'],
  siblings: letters,
  map: ['{"value":{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1}}'],
};

/** Nobody catches up but by what is written. */
const WRITES_ONLY = { syncIntervalMs: 3_000_000, settleMs: 0, hintRowsMax: 0 };

for (const [type, changes] of Object.entries(CHANGES)) {
  test(`an owner whose row of type ${type} lies under a rotted key makes no change of nothing, though another missed all before`, () => {
    const cluster = clusterOf(type, { nodes: 3, limits: WRITES_ONLY });
    const [rotten, holder, behind] = placeOf(cluster).owners as [string, string, string];
    cluster.network.partition([[rotten, holder], [behind]]);
    for (const op of changes.slice(0, 5)) okOf(cluster.write(rotten, wish(op)));
    cluster.network.heal();
    cluster.run(3000);
    assert.deepEqual(read(cluster, behind, "ONE").contents, []);
    rotKeys(cluster, rotten);
    okOf(cluster.write(rotten, wish(changes[5] as Op)));
    assert.deepEqual(textsOf(read(cluster, behind, "ALL")).sort(), EVERYTHING[type]);
  });
}

test("where an owner without a record reaches no majority, a change is made at ONE, and refused at QUORUM with nothing done", () => {
  const cluster = clusterOf("counter", { nodes: 3, limits: WRITES_ONLY });
  const [lone, ...others] = placeOf(cluster).owners as [string, string, string];
  okOf(cluster.write(lone, wish(add(5), "ALL")));
  rotKeys(cluster, lone);
  cluster.network.partition([[lone], others]);
  const silent = failureOf(cluster.write(lone, wish(add(1))));
  assert.deepEqual([silent.kind, silent.mayHaveApplied], ["timeout", false]);
  untilDown(cluster, lone, others);
  const beforeMs = cluster.clock.nowMs();
  okOf(cluster.write(lone, wish(add(1), "ONE")));
  assert.ok(cluster.clock.nowMs() - beforeMs < 100);
});

test("one owner that is down or silent does not keep a new key from its first change", () => {
  const cluster = clusterOf("counter", { nodes: 3 });
  const [at, silent] = placeOf(cluster).owners as [string, string, string];
  cluster.network.pause(silent);
  const beforeMs = cluster.clock.nowMs();
  okOf(cluster.write(at, wish(add(1))));
  assert.ok(cluster.clock.nowMs() - beforeMs < 2 * DEFAULT_LIMITS.mintReadMs);
  cluster.network.resume(silent);
  cluster.crash(silent);
  untilDown(cluster, at, [silent]);
  okOf(cluster.write(at, { ...wish(add(1)), key: utf8("new") }));
});

test("owners that rebuild tell what they hold and do not count: a majority is short of them, and says so", () => {
  const cluster = clusterOf("counter", { nodes: 3, limits: WRITES_ONLY });
  const [at, ...others] = placeOf(cluster).owners as [string, string, string];
  for (const other of others) {
    cluster.crash(other);
    cluster.wipe(other);
  }
  untilDown(cluster, at, others);
  cluster.network.cut(others[0] as string, others[1] as string);
  for (const other of others) cluster.start(other);
  cluster.run(2000);
  const { kind, detail, mayHaveApplied } = failureOf(cluster.write(at, wish(add(1))));
  assert.deepEqual([kind, mayHaveApplied], ["unavailable", false]);
  assert.match(detail, /holds nothing of this key, and 0 of 1 other owners told/);
});
