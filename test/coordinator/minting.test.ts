/** Changes that an owner makes, on virtual time: a whole cluster, its faults, and counts that must be exact. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8 } from "../../src/base/bytes.js";
import { tokenOf } from "../../src/base/hash.js";
import { DEFAULT_HEDGE } from "../../src/cluster-config.js";
import type { Level } from "../../src/config.js";
import type { Failure, WriteOutcome, WriteRequest } from "../../src/coordinator/outcome.js";
import { type Context, EMPTY_CONTEXT } from "../../src/lattice/context.js";
import type { View } from "../../src/lattice/lattice.js";
import type { Op } from "../../src/lattice/op.js";
import { SimCluster, type SimClusterOptions } from "../../src/sim/cluster.js";
import { CALM } from "../../src/sim/transport.js";

const KEY = utf8("ada");
const DEADLINE_MS = 2000;

/** Five nodes, three of which own the key: n1 to n5 in the order of `ownersFirst`. */
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

function wish(op: Op, level: Level = "QUORUM", context: Context = EMPTY_CONTEXT): WriteRequest {
  return { bucket: "b", key: KEY, op, context, level, deadlineMs: DEADLINE_MS };
}

const add = (by: number): Op => ({ kind: "add", by });
const put = (value: string): Op => ({ kind: "put", contentType: "", value: utf8(value), expiresAtMs: undefined });

function textsOf({ contents }: View): string[] {
  return contents.map(({ value }) => Buffer.from(value).toString());
}

function read(cluster: SimCluster, at: string, level: Level = "QUORUM"): View {
  const outcome = cluster.read(at, {
    ...{ bucket: "b", key: KEY, level, deadlineMs: DEADLINE_MS },
    ...{ hedge: DEFAULT_HEDGE, mend: true },
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
