/** The read and write paths on virtual time: a whole cluster, no socket, no sleep. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8 } from "../../src/base/bytes.js";
import { tokenOf } from "../../src/base/hash.js";
import { DEFAULT_HEDGE } from "../../src/cluster-config.js";
import { DEFAULT_LIMITS, type Level } from "../../src/config.js";
import type { Failure, ReadOutcome, WriteOutcome } from "../../src/coordinator/outcome.js";
import { type Context, EMPTY_CONTEXT } from "../../src/lattice/context.js";
import { ALL_ROWS, encodeRow, orderedToken } from "../../src/replica/rows.js";
import { SimCluster, type SimClusterOptions } from "../../src/sim/cluster.js";

const KEY = utf8("ada");
const DEADLINE_MS = 2000;

function clusterOf(options: Partial<SimClusterOptions> = {}): SimCluster {
  const cluster = new SimCluster({ seed: "paths", ...options });
  cluster.startAll();
  return cluster;
}

function put(
  cluster: SimCluster,
  at: string,
  value: string,
  level: Level,
  context: Context = EMPTY_CONTEXT,
): WriteOutcome {
  const op = { kind: "put", contentType: "text/plain", value: utf8(value), expiresAtMs: undefined } as const;
  return cluster.write(at, { bucket: "b", key: KEY, op, context, level, deadlineMs: DEADLINE_MS });
}

function get(cluster: SimCluster, at: string, level: Level, mend = true): ReadOutcome {
  return cluster.read(at, { bucket: "b", key: KEY, level, deadlineMs: DEADLINE_MS, hedge: DEFAULT_HEDGE, mend });
}

function textOf(outcome: ReadOutcome): string | undefined {
  assert.ok(outcome.ok, outcome.ok ? "" : outcome.failure.detail);
  const content = outcome.view.contents[0];
  return content === undefined ? undefined : Buffer.from(content.value).toString();
}

function failureOf(outcome: ReadOutcome | WriteOutcome): Failure {
  assert.ok(!outcome.ok);
  return outcome.failure;
}

/** The storage key of KEY, and its owners in preference order. */
function placeOf(cluster: SimCluster): { row: Uint8Array; owners: readonly string[] } {
  const { ring } = cluster.member(cluster.ids[0] as string);
  const token = tokenOf(KEY);
  const row = encodeRow({ placement: 0, token: orderedToken(token), bucket: "b", key: KEY, sort: new Uint8Array(0) });
  return { row, owners: ring.ownersOf(0, ring.partitionOf(token)) };
}

function heldBy(cluster: SimCluster, node: string): boolean {
  return cluster.storage(node).durable(placeOf(cluster).row) !== undefined;
}

for (const level of ["ONE", "TWO", "THREE", "QUORUM", "ALL", "LOCAL_ONE", "LOCAL_QUORUM", "EACH_QUORUM", 2] as const) {
  test(`what is written at ${level} is read at ${level}, through any node`, () => {
    const cluster = clusterOf({ nodes: 5 });
    for (const [index, id] of cluster.ids.entries()) {
      assert.ok(put(cluster, id, `value ${index}`, level).ok);
      cluster.run(100);
      for (const reader of cluster.ids) assert.equal(textOf(get(cluster, reader, level)), `value ${index}`);
    }
  });
}

test("absence is an ordinary answer, and a delete leaves its context", () => {
  const cluster = clusterOf();
  assert.equal(textOf(get(cluster, "n1", "QUORUM")), undefined);
  put(cluster, "n1", "x", "QUORUM");
  const request = { bucket: "b", key: KEY, context: EMPTY_CONTEXT, level: "QUORUM", deadlineMs: DEADLINE_MS } as const;
  assert.ok(cluster.write("n2", { ...request, op: { kind: "delete" } }).ok);
  const outcome = get(cluster, "n3", "QUORUM");
  assert.equal(textOf(outcome), undefined);
  assert.equal(outcome.ok && outcome.view.context.vector.length, 1);
});

test("too few owners reachable: unavailable at once, and nothing was sent", () => {
  const cluster = clusterOf();
  cluster.crash("n2");
  cluster.crash("n3");
  cluster.runUntil(() => !cluster.member("n1").opinionOf("n2").alive && !cluster.member("n1").opinionOf("n3").alive);
  const beforeMs = cluster.clock.nowMs();
  const failure = failureOf(put(cluster, "n1", "x", "QUORUM"));
  assert.deepEqual([failure.kind, failure.alive, failure.required, failure.received], ["unavailable", 1, 2, 0]);
  assert.equal(failure.mayHaveApplied, false);
  assert.equal(cluster.clock.nowMs(), beforeMs);
  cluster.run(100);
  assert.ok(!heldBy(cluster, "n1"));
  assert.equal(failureOf(get(cluster, "n1", "ALL")).kind, "unavailable");
  assert.equal(textOf(get(cluster, "n1", "ONE")), undefined);
});

test("a silent majority is a timeout, and a timeout is unknown", () => {
  const cluster = clusterOf();
  cluster.network.partition([["n1"], ["n2", "n3"]]);
  const failure = failureOf(put(cluster, "n1", "x", "QUORUM"));
  assert.deepEqual([failure.kind, failure.received, failure.mayHaveApplied], ["timeout", 1, true]);
  cluster.network.heal();
  cluster.runUntil(() => heldBy(cluster, "n2") && heldBy(cluster, "n3"));
  assert.equal(textOf(get(cluster, "n3", "QUORUM")), "x");
});

test("every owner is written at once, whatever the level", () => {
  const cluster = clusterOf();
  assert.ok(put(cluster, "n1", "x", "ONE").ok);
  cluster.run(10);
  for (const id of cluster.ids) assert.ok(heldBy(cluster, id), id);
});

test("a QUORUM write with one owner dead takes no longer than with all alive", () => {
  const cluster = clusterOf({ seed: "dead" });
  const takesMs = () => {
    const beforeMs = cluster.clock.nowMs();
    assert.ok(put(cluster, "n1", "x", "QUORUM").ok);
    return cluster.clock.nowMs() - beforeMs;
  };
  const aliveMs = Array.from({ length: 50 }, takesMs);
  cluster.crash("n3");
  const deadMs = Array.from({ length: 50 }, takesMs);
  assert.ok(Math.max(...deadMs) < 5 && Math.max(...aliveMs) < 5, `${Math.max(...deadMs)} ms`);
});

test("a peer that does not answer is noticed within two seconds", () => {
  const cluster = clusterOf();
  cluster.crash("n3");
  const beforeMs = cluster.clock.nowMs();
  cluster.runUntil(() => !cluster.member("n1").opinionOf("n3").alive && !cluster.member("n2").opinionOf("n3").alive);
  assert.ok(cluster.clock.nowMs() - beforeMs <= 2000);
  cluster.start("n3");
  cluster.runUntil(() => cluster.member("n1").opinionOf("n3").alive, 1000);
});

test("a node that slept does not take its peers for dead", () => {
  const cluster = clusterOf();
  cluster.network.pause("n1");
  cluster.nodeClock("n1").pause();
  cluster.run(20_000);
  cluster.network.resume("n1");
  cluster.nodeClock("n1").resume();
  for (let step = 0; step < 100; step++) {
    cluster.run(1);
    assert.ok(cluster.member("n1").opinionOf("n2").alive && cluster.member("n1").opinionOf("n3").alive);
  }
});

test("a read that meets a dead owner asks a spare before anyone noticed the death", () => {
  const cluster = clusterOf();
  put(cluster, "n1", "x", "ALL");
  cluster.crash("n2");
  const outcome = get(cluster, "n1", "QUORUM");
  assert.equal(textOf(outcome), "x");
});

/** n3 missed the write of "new"; nobody has read since. */
function withOneBehind(seed: string): SimCluster {
  const cluster = clusterOf({ seed, limits: { syncIntervalMs: 3_000_000, settleMs: 0 } });
  put(cluster, "n1", "old", "ALL");
  cluster.network.partition([["n1", "n2"], ["n3"]]);
  assert.ok(put(cluster, "n1", "new", "QUORUM").ok);
  cluster.run(100);
  cluster.network.heal();
  return cluster;
}

test("a read mends whoever is behind, before it answers", () => {
  const cluster = withOneBehind("mend");
  const outcome = get(cluster, "n3", "QUORUM");
  assert.equal(textOf(outcome), "new");
  assert.deepEqual(outcome.ok && outcome.mended, ["n3"]);
  assert.equal(textOf(get(cluster, "n3", "ONE")), "new");
});

test("mend=never reads without repairing", () => {
  const cluster = withOneBehind("no mend");
  const outcome = get(cluster, "n3", "QUORUM", false);
  assert.equal(textOf(outcome), "new");
  assert.deepEqual(outcome.ok && outcome.mended, []);
  cluster.run(100);
  assert.equal(textOf(get(cluster, "n3", "ONE", false)), "old");
});

test("a QUORUM read never goes back in time over a write that is half done", () => {
  const cluster = withOneBehind("half");
  // Only n3 holds the newest write: its coordinator was cut off and heard nobody.
  cluster.network.partition([["n3"], ["n1", "n2"]]);
  assert.equal(failureOf(put(cluster, "n3", "half", "QUORUM")).kind, "timeout");
  cluster.network.heal();
  cluster.run(500);
  cluster.network.cut("n3", "n2");
  cluster.network.cut("n2", "n3");
  assert.equal(textOf(get(cluster, "n3", "QUORUM")), "half");
  // Whoever was asked now holds it: without n3 it must still be seen.
  cluster.crash("n3");
  assert.equal(textOf(get(cluster, "n2", "QUORUM")), "half");
});

test("a write after one from a clock that was ahead is seen: beaten, stamped anew, sent once more", () => {
  const cluster = new SimCluster({ seed: "beaten", limits: { clockSkewMsMax: 60_000 } });
  cluster.start("n1", 30_000);
  cluster.startAll();
  const ahead = put(cluster, "n1", "from the future", "QUORUM");
  // n2 crashed and forgot how far clocks have gone; only the stored stamp tells.
  assert.ok(ahead.ok && put(cluster, "n2", "later", "QUORUM").ok);
  for (const id of cluster.ids) assert.equal(textOf(get(cluster, id, "QUORUM")), "later");
});

test("a write is never buried under an acknowledged one that some owners missed", () => {
  // Found by a random search: stamped anew above the first *beaten* alone, Z lay between Y and X.
  for (let round = 0; round < 20; round++) {
    const cluster = new SimCluster({ seed: `buried ${round}`, nodes: 5, limits: { syncIntervalMs: 3_000_000 } });
    cluster.startAll();
    const [first, second, third] = placeOf(cluster).owners as [string, string, string];
    const [ahead, late] = cluster.ids.filter((id) => ![first, second, third].includes(id)) as [string, string];
    cluster.nodeClock(ahead).jump(2000);
    assert.ok(put(cluster, ahead, "Y", "ALL").ok);
    cluster.network.partition([[first], cluster.ids.filter((id) => id !== first)]);
    cluster.nodeClock(ahead).jump(2000);
    assert.ok(put(cluster, ahead, "X", "QUORUM").ok);
    cluster.network.heal();
    cluster.run(500);
    cluster.network.slow(second, 3);
    cluster.network.slow(third, 3);
    assert.ok(put(cluster, late, "Z", "QUORUM").ok);
    for (const id of cluster.ids) assert.equal(textOf(get(cluster, id, "QUORUM")), "Z", `seed ${round}`);
  }
});

test("a node whose clock is far off its peers' refuses to coordinate, and says why", () => {
  const cluster = new SimCluster({ seed: "skew" });
  cluster.start("n1", 3_600_000);
  cluster.startAll();
  const failure = failureOf(put(cluster, "n1", "x", "ONE"));
  assert.equal(failure.kind, "clock-skew");
  assert.match(failure.detail, /^the clock of n1 is 3600000 ms ahead of its peers/);
  assert.ok(put(cluster, "n2", "x", "QUORUM").ok);
  cluster.nodeClock("n1").jump(-3_600_000);
  cluster.run(1000);
  assert.equal(textOf(get(cluster, "n1", "QUORUM")), "x");
});

test("whoever stands in for an owner that is down is named, and is no replica", () => {
  const cluster = clusterOf({ seed: "named", nodes: 5 });
  const [first, second, third] = placeOf(cluster).owners as [string, string, string];
  cluster.crash(third);
  cluster.runUntil(() => !cluster.member(first).opinionOf(third).alive, 5000);
  cluster.run(2000);
  const written = put(cluster, first, "x", "TWO");
  assert.ok(written.ok);
  const [hint] = written.replicas.filter(({ node }) => ![first, second, third].includes(node));
  assert.ok(hint !== undefined && ["hint", "late"].includes(hint.role));
  const alone = clusterOf({ seed: "named", nodes: 5 });
  for (const id of [first, second, third]) alone.crash(id);
  const [other] = alone.ids.filter((id) => ![first, second, third].includes(id)) as [string];
  alone.run(5000);
  const kept = put(alone, other, "x", "ANY");
  assert.ok(kept.ok && kept.replicas.some(({ role, state }) => role === "hint" && state === "same"));
});

test("a node that starts with its clock ahead stamps nothing before others have told it theirs", () => {
  const cluster = clusterOf({ seed: "skewed start" });
  cluster.crash("n1");
  cluster.start("n1", 60_000);
  const failure = failureOf(put(cluster, "n1", "x", "ONE"));
  assert.equal(failure.kind, "clock-skew");
  assert.match(failure.detail, /^n1 has just started and has not compared its clock/);
  assert.ok(!failure.mayHaveApplied);
  assert.ok(get(cluster, "n1", "ONE").ok);
  cluster.runUntil(() => cluster.member("n1").describe().refusing !== undefined, DEFAULT_LIMITS.pingIntervalMs);
  assert.match(failureOf(put(cluster, "n1", "x", "ONE")).detail, /^the clock of n1 is \d+ ms ahead/);
});

test("a node that starts with a clock that is right serves as soon as the others have told theirs", () => {
  const cluster = clusterOf({ seed: "right start" });
  cluster.crash("n1");
  cluster.start("n1");
  cluster.runUntil(() => cluster.member("n1").describe().stamps, DEFAULT_LIMITS.pingIntervalMs);
  assert.ok(put(cluster, "n1", "x", "QUORUM").ok);
});

test("a node that starts and hears nobody serves after the time in which others would have told theirs", () => {
  const cluster = clusterOf({ seed: "lonely start" });
  for (const id of cluster.ids) cluster.crash(id);
  cluster.start("n1");
  cluster.run(DEFAULT_LIMITS.startSettleMs - 1);
  assert.equal(failureOf(put(cluster, "n1", "x", "ONE")).kind, "clock-skew");
  cluster.run(DEFAULT_LIMITS.pingIntervalMs);
  assert.ok(put(cluster, "n1", "x", "ONE").ok);
  cluster.crash("n1");
  const single = new SimCluster({ seed: "single", nodes: 1 });
  single.start("n1");
  assert.ok(put(single, "n1", "x", "ALL").ok);
});

test("a wiped owner counts toward no level before it has caught up", () => {
  const cluster = clusterOf({ seed: "wiped" });
  put(cluster, "n1", "x", "ALL");
  cluster.crash("n3");
  cluster.wipe("n3");
  // Cut off from n1 it can sync with n2 alone: not enough to vote.
  cluster.network.partition([["n1"], ["n3"]]);
  cluster.start("n3");
  cluster.run(5000);
  assert.ok(cluster.member("n3").describe().rebuilding > 0);
  cluster.crash("n2");
  assert.equal(failureOf(get(cluster, "n3", "ONE")).kind === "timeout", true);
  cluster.start("n2");
  cluster.network.heal();
  cluster.runUntil(() => cluster.member("n3").describe().rebuilding === 0);
  assert.equal(textOf(get(cluster, "n3", "ONE", false)), "x");
});

test("an owner whose files are an old copy counts toward no level before it has caught up, though no peer can tell", () => {
  const cluster = clusterOf({ seed: "copied back" });
  put(cluster, "n1", "old", "ALL");
  cluster.run(1000);
  cluster.disk("n1").copy();
  cluster.network.partition([["n2"], ["n1", "n3"]]);
  cluster.run(3000);
  assert.ok(put(cluster, "n1", "new", "QUORUM").ok);
  cluster.crash("n1");
  cluster.disk("n1").restore("files");
  // The one that took the write with it says nothing; the other one remembers no more than the copy does.
  cluster.network.heal();
  cluster.network.pause("n3");
  cluster.start("n1");
  cluster.run(10_000);
  assert.ok(!get(cluster, "n1", "QUORUM").ok);
  assert.ok(!get(cluster, "n2", "QUORUM").ok);
  cluster.network.resume("n3");
  cluster.runUntil(() => cluster.member("n1").describe().rebuilding === 0);
  assert.equal(textOf(get(cluster, "n1", "QUORUM")), "new");
});

test("a restarted owner catches up by itself, without anyone reading", () => {
  const cluster = clusterOf({ seed: "catch up" });
  put(cluster, "n1", "old", "ALL");
  cluster.crash("n3");
  assert.ok(put(cluster, "n1", "new", "QUORUM").ok);
  cluster.run(10_000);
  cluster.start("n3");
  cluster.run(5000);
  assert.equal(textOf(get(cluster, "n3", "ONE", false)), "new");
});

test("full disks: 507's cause is named, the write may have applied, and reads go on", () => {
  const cluster = clusterOf({ seed: "full" });
  put(cluster, "n1", "x", "ALL");
  cluster.disk("n2").fail(1, "full");
  cluster.disk("n3").fail(1, "full");
  const failure = failureOf(put(cluster, "n1", "y", "QUORUM"));
  assert.deepEqual([failure.kind, failure.mayHaveApplied], ["disk-full", true]);
  cluster.run(100);
  assert.ok(["x", "y"].includes(textOf(get(cluster, "n1", "QUORUM")) ?? ""));
  assert.ok(put(cluster, "n1", "z", "ALL").ok);
});

test("an unreadable row is never absent: a spare answers, and without one the read fails", () => {
  const cluster = clusterOf({ seed: "damage" });
  put(cluster, "n1", "x", "ALL");
  cluster.disk("n1").damage(placeOf(cluster).row);
  assert.equal(textOf(get(cluster, "n1", "QUORUM")), "x");
  assert.equal(failureOf(get(cluster, "n1", "ALL")).kind, "failed");
});

test("the only owner of a damaged row has nobody to fetch it from: it stays an error and never becomes absent", () => {
  const cluster = clusterOf({ replication: 1 });
  put(cluster, "n1", "x", "ONE");
  const { row, owners } = placeOf(cluster);
  cluster.disk(owners[0] as string).flip(row, 77);
  for (let round = 0; round < 3; round++) {
    assert.equal(failureOf(get(cluster, "n2", "ONE")).kind, "failed");
    cluster.run(10_000);
  }
});

test("two damaged rows of one partition are healed one after the other", () => {
  const cluster = clusterOf({ partitions: 1 });
  const request = { bucket: "b", context: EMPTY_CONTEXT, level: "ALL", deadlineMs: DEADLINE_MS } as const;
  const op = { kind: "put", contentType: "", value: utf8("x"), expiresAtMs: undefined } as const;
  for (const key of ["k1", "k2"]) assert.ok(cluster.write("n1", { ...request, key: utf8(key), op }).ok);
  const rows = cluster.disk("n1").keys(ALL_ROWS.from, ALL_ROWS.to, 10);
  assert.equal(rows.length, 2);
  for (const row of rows) cluster.disk("n1").damage(row);
  const read = { bucket: "b", level: "ALL", deadlineMs: DEADLINE_MS, hedge: DEFAULT_HEDGE, mend: true } as const;
  for (const key of ["k1", "k2"]) cluster.read("n1", { ...read, key: utf8(key) });
  cluster.run(1000);
  for (const key of ["k1", "k2"]) assert.ok(cluster.read("n1", { ...read, key: utf8(key) }).ok);
});

test("an acknowledged QUORUM write survives the crash of everybody", () => {
  for (let round = 0; round < 20; round++) {
    const cluster = clusterOf({ seed: `crash ${round}` });
    assert.ok(put(cluster, "n2", `round ${round}`, "QUORUM").ok);
    for (const id of cluster.ids) cluster.crash(id);
    cluster.startAll();
    assert.equal(textOf(get(cluster, "n1", "QUORUM")), `round ${round}`);
  }
});

test("loss, duplication and reorder change no answer", () => {
  const cluster = clusterOf({ seed: "weather" });
  cluster.network.weather = { delayMsMin: 0.1, delayMsMax: 30, lossRate: 0.1, duplicateRate: 0.5, togetherRate: 0.5 };
  let last: string | undefined;
  for (let round = 0; round < 200; round++) {
    const id = cluster.ids[round % 3] as string;
    const written = put(cluster, id, `round ${round}`, "QUORUM");
    if (written.ok) last = `round ${round}`;
    const found = get(cluster, cluster.ids[(round + 1) % 3] as string, "QUORUM");
    if (written.ok && found.ok) assert.equal(textOf(found), last);
  }
});

test("one seed gives one run", () => {
  const trace = () => {
    const cluster = clusterOf({ seed: "same", nodes: 5 });
    cluster.network.weather = { delayMsMin: 0.1, delayMsMax: 9, lossRate: 0.05, duplicateRate: 0.1, togetherRate: 0.5 };
    const outcomes = cluster.ids.map((id, index) => put(cluster, id, `value ${index}`, "QUORUM"));
    const text = JSON.stringify(outcomes, (_key, each) => (typeof each === "bigint" ? String(each) : each));
    return [cluster.clock.nowMs(), cluster.network.statistics, text, cluster.said];
  };
  assert.deepEqual(trace(), trace());
});
