/** A write to another datacenter through one relay there: what it saves, and that it promises nothing and loses nothing. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8 } from "../../src/base/bytes.js";
import type { WriteRequest } from "../../src/coordinator/outcome.js";
import { EMPTY_CONTEXT } from "../../src/lattice/context.js";
import type { SimCluster } from "../../src/sim/cluster.js";
import { countsOf, datacenters, get, messageIn, put, tallied, watchCrossings, write } from "./datacenter-cluster.js";

const FAR_MS = 40;

function metered(cluster: SimCluster, name: string): number {
  return cluster.ids.reduce((sum, node) => sum + cluster.meter(node).sum(name), 0);
}

test("a write crosses to each datacenter once, and every owner answers for itself", (context) => {
  const crossed = (relayPeersMin: number) => {
    const cluster = datacenters(3, "crossings", { limits: { relayPeersMin }, distanceMs: FAR_MS });
    const crossings = watchCrossings(cluster);
    assert.equal(put(cluster, "n1", "x".repeat(1024), "ALL"), "ok");
    return tallied(crossings);
  };
  const [relayed, direct] = [crossed(2), crossed(1000)];
  assert.deepEqual(relayed.frames, { relay: 2, "merge-reply": 6 });
  assert.deepEqual(direct.frames, { merge: 6, "merge-reply": 6 });
  context.diagnostic(
    `a value of 1024 bytes, three datacenters: ${relayed.bytes} bytes with relays, ${direct.bytes} without`,
  );
  assert.ok(relayed.bytes * 2 < direct.bytes);
});

test("a write to one owner of a datacenter, and to the own one, needs no relay", () => {
  const cluster = datacenters(2, "few", { replication: { dc1: 3, dc2: 1 } });
  const crossings = watchCrossings(cluster);
  assert.equal(put(cluster, "n1", "value", "ALL"), "ok");
  assert.deepEqual(tallied(crossings).frames, { merge: 1, "merge-reply": 1 });
});

test("a batch of writes crosses together, once", () => {
  const cluster = datacenters(2, "batch");
  const crossings = watchCrossings(cluster);
  const op = { kind: "put", contentType: "", value: utf8("value"), expiresAtMs: undefined } as const;
  const writes = Array.from({ length: 20 }, (_, index) => ({
    ...{ bucket: "b", key: utf8(`key ${index}`), op, context: EMPTY_CONTEXT, level: "ALL", deadlineMs: 1000 },
  })) as WriteRequest[];
  const outcome = cluster.batch("n1", { reads: [], writes });
  assert.ok(outcome.writes.every(({ ok }) => ok));
  assert.deepEqual(tallied(crossings).frames, { relay: 1, "merge-reply": 3 });
});

test("the deadline of a write goes along with what its relay forwards", () => {
  const cluster = datacenters(2, "deadline");
  const { network } = cluster;
  const remaining: number[] = [];
  const depart = network.depart.bind(network);
  network.depart = (from, to, frames) => {
    for (const frame of frames) {
      const { remainingMs, message } = messageIn({ frame });
      if (message.kind === "relay" || message.kind === "forwarded") remaining.push(remainingMs);
    }
    depart(from, to, frames);
  };
  assert.equal(put(cluster, "n1", "value", "ALL", { deadlineMs: 321 }), "ok");
  const [toRelay = 0] = remaining;
  assert.ok(toRelay > 300 && toRelay <= 321, `${toRelay} ms`);
  assert.deepEqual(remaining, [toRelay, toRelay, toRelay]);
});

test("a relay's own answer counts for nobody else", () => {
  for (let seed = 0; seed < 4; seed++) {
    const cluster = datacenters(2, `alone ${seed}`);
    // Of the other datacenter n2 alone can be reached, from anywhere.
    cluster.network.partition([["n4"], ["n6"], ["n1", "n2", "n3", "n5"]]);
    assert.equal(countsOf(write(cluster, "n1", "value", "EACH_QUORUM")), "timeout 3/4 of 6");
  }
});

test("whom a silent relay leaves out is asked directly, and it is not chosen again soon", () => {
  const cluster = datacenters(2, "silent", { distanceMs: FAR_MS });
  for (let round = 0; round < 40; round++) assert.equal(put(cluster, "n1", "before", "ALL"), "ok");
  cluster.network.pause("n2");
  cluster.nodeClock("n2").pause();
  const crossings = watchCrossings(cluster);
  let latestMs = 0;
  for (let round = 0; round < 20; round++) {
    const fromMs = cluster.clock.nowMs();
    assert.equal(put(cluster, "n1", `round ${round}`, "EACH_QUORUM"), "ok");
    latestMs = Math.max(latestMs, cluster.clock.nowMs() - fromMs);
  }
  const relayed = crossings.filter((crossing) => messageIn(crossing).message.kind === "relay");
  assert.equal(relayed.filter(({ to }) => to === "n2").length, 1);
  assert.ok(metered(cluster, "murmur_relay_fallbacks_total") > 0);
  assert.ok(latestMs < 8 * FAR_MS, `${latestMs} ms`);
});

test("a relay that cannot reach its neighbours costs a write some time, and nothing else", () => {
  const cluster = datacenters(2, "deaf");
  for (const other of ["n4", "n6"]) cluster.network.cut("n2", other);
  for (let round = 0; round < 60; round++) {
    assert.equal(put(cluster, "n1", `round ${round}`, "ALL"), "ok");
    cluster.run(20);
  }
  const fallbacks = metered(cluster, "murmur_relay_fallbacks_total");
  assert.ok(fallbacks > 0 && fallbacks <= 4, `${fallbacks} fallbacks`);
  for (const id of cluster.ids) assert.equal(get(cluster, id, "LOCAL_ONE"), "round 59");
});

test("an owner that is slow is not sent everything twice", () => {
  const cluster = datacenters(2, "slow", { limits: { hedgeTokensMax: 2 } });
  for (let round = 0; round < 40; round++) assert.equal(put(cluster, "n1", "before", "ALL"), "ok");
  cluster.network.slow("n6", 500);
  const crossings = watchCrossings(cluster);
  const rounds = 100;
  for (let round = 0; round < rounds; round++) {
    assert.equal(put(cluster, "n1", `round ${round}`, "EACH_QUORUM"), "ok");
    cluster.run(10);
  }
  const twice = crossings.filter((crossing) => crossing.to === "n6" && messageIn(crossing).message.kind === "merge");
  assert.ok(twice.length > 0 && twice.length <= 2 + 0.1 * rounds + 2, `${twice.length} of ${rounds}`);
});

test("what nobody can take is owed as without a relay: a hint for each owner that was silent", () => {
  const cluster = datacenters(2, "owed");
  cluster.network.partition([
    ["n1", "n3", "n5"],
    ["n2", "n4", "n6"],
  ]);
  assert.equal(put(cluster, "n1", "value", "LOCAL_QUORUM"), "ok");
  cluster.run(1500);
  const owed = cluster
    .member("n1")
    .hints()
    .map(({ node, hints }) => `${node} ${hints}`);
  assert.deepEqual(owed.sort(), ["n2 1", "n4 1", "n6 1"]);
});
