/** What coordinators and owners do when an owner has too much to do, or slept through what it was asked. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { utf8 } from "../../src/base/bytes.js";
import { DEFAULT_HEDGE } from "../../src/cluster-config.js";
import type { Level } from "../../src/config.js";
import type { ReadOutcome } from "../../src/coordinator/outcome.js";
import { EMPTY_CONTEXT } from "../../src/lattice/context.js";
import { SimCluster } from "../../src/sim/cluster.js";

const KEY = utf8("ada");
const DEADLINE_MS = 300;

function clusterOf(limits: Partial<SimCluster["config"]["limits"]> = {}): SimCluster {
  const cluster = new SimCluster({ seed: "shedding", limits: { shedLagMs: 10, ...limits } });
  cluster.startAll();
  const op = { kind: "put", contentType: "text/plain", value: utf8("x"), expiresAtMs: undefined } as const;
  const write = { bucket: "b", key: KEY, op, context: EMPTY_CONTEXT, level: "ALL", deadlineMs: DEADLINE_MS } as const;
  assert.ok(cluster.write("n1", write).ok);
  return cluster;
}

function request(level: Level, deadlineMs = DEADLINE_MS) {
  return { bucket: "b", key: KEY, level, deadlineMs, hedge: DEFAULT_HEDGE, mend: true } as const;
}

function pause(cluster: SimCluster, node: string): void {
  cluster.network.pause(node);
  cluster.nodeClock(node).pause();
}

function resume(cluster: SimCluster, node: string): void {
  cluster.network.resume(node);
  cluster.nodeClock(node).resume();
}

/** So many short sleeps in a row that no beat of its clock was in time, and every one by half a second late. */
function makeBusy(cluster: SimCluster, node: string): void {
  for (let beat = 0; beat < 4; beat++) {
    pause(cluster, node);
    cluster.run(600);
    resume(cluster, node);
    cluster.run(0.01);
  }
}

describe("an owner that is late", () => {
  test("drops after a pause what nobody waits for any more, and does what is still of use", () => {
    const cluster = clusterOf();
    const outcomes: ReadOutcome[] = [];
    pause(cluster, "n2");
    cluster.member("n1").read(request("ALL"), (outcome) => outcomes.push(outcome));
    cluster.run(1000);
    assert.equal(outcomes[0]?.ok, false);
    cluster.member("n1").read(request("ALL", 1500), (outcome) => outcomes.push(outcome));
    cluster.run(200);
    resume(cluster, "n2");
    cluster.run(50);
    const { sum } = cluster.meter("n2");
    assert.equal(sum.call(cluster.meter("n2"), "murmur_expired_total", { work: "read" }), 1);
    assert.equal(outcomes[1]?.ok, true, "the second asker still waited");
  });

  test("refuses reads, and a spare answers them at once", () => {
    const cluster = clusterOf();
    makeBusy(cluster, "n2");
    makeBusy(cluster, "n2");
    const startMs = cluster.clock.nowMs();
    const outcomes = [cluster.read("n1", request("QUORUM")), cluster.read("n3", request("QUORUM"))];
    assert.ok(outcomes.every(({ ok }) => ok));
    assert.ok(cluster.clock.nowMs() - startMs < 10);
  });

  test("is not helped by ever more questions: without tokens the read is overloaded, and says so at once", () => {
    const cluster = clusterOf({ hedgeTokensMax: 1 });
    const refused: ReadOutcome[] = [];
    for (let round = 0; round < 6; round++) {
      makeBusy(cluster, "n2");
      makeBusy(cluster, "n3");
      const outcome = cluster.read("n1", request("QUORUM"));
      if (!outcome.ok) refused.push(outcome);
    }
    const [first] = refused;
    assert.ok(first !== undefined && !first.ok, "the one token was spent");
    assert.equal(first.failure.kind, "overloaded");
    assert.match(first.failure.detail, /n[23] is too busy/);
    assert.equal(first.failure.mayHaveApplied, false);
    assert.ok(cluster.meter("n1").sum("murmur_retries_total", { outcome: "refused" }) > 0);
  });

  test("still answers pings: it is busy, not down", () => {
    const cluster = clusterOf();
    for (let round = 0; round < 3; round++) makeBusy(cluster, "n2");
    assert.equal(cluster.member("n1").opinionOf("n2").alive, true);
    assert.equal(cluster.meter("n2").sum("murmur_shed_total", { work: "control" }), 0);
  });
});
