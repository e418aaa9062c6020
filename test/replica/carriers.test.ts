import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8 } from "../../src/base/bytes.js";
import { DEFAULT_HEDGE } from "../../src/cluster-config.js";
import type { Level } from "../../src/config.js";
import { DEFAULT_LIMITS } from "../../src/config.js";
import { EMPTY_CONTEXT } from "../../src/lattice/context.js";
import { register } from "../../src/lattice/register.js";
import type { AnyLattice } from "../../src/lattice/registry.js";
import { Birth, Carriers } from "../../src/replica/carriers.js";
import { SimCluster } from "../../src/sim/cluster.js";
import { SimMeter } from "../../src/sim/meter.js";
import { CALM } from "../../src/sim/transport.js";

const LIMITS = { carrierAgeMaxMs: 1000, clockSkewMsMax: 100 } as const;
const NOW_MS = 1_000_000;

function carriersAt(correctionMs: number): Carriers {
  const limits = { ...DEFAULT_LIMITS, ...LIMITS };
  const nowMs = () => NOW_MS;
  return new Carriers({ meter: new SimMeter(), limits, nowMs, correctionMs: () => correctionMs });
}

const bornMs = (ageMs: number) => (NOW_MS - ageMs) * 1000;

test("an entry is refused when it is too old, or born in a future that no believed clock can have seen", () => {
  const carriers = carriersAt(0);
  const refused = [1001, 1000, 0, -200, -201].map((ageMs) => carriers.refuses(bornMs(ageMs)));
  assert.deepEqual(refused, [true, false, false, false, true]);
});

test("a node whose clock is off judges by its peers' clock", () => {
  const carriers = carriersAt(-3_600_000);
  assert.equal(carriers.refuses(bornMs(3_600_000)), false);
  assert.equal(carriers.refuses(bornMs(0)), true);
});

test("what only an owner without a vote answers is as old as its stamp, or too old to be taken", () => {
  const stateAt = (ageMs: number) =>
    register.mutate(undefined, {
      ...{ op: { kind: "delete" }, context: EMPTY_CONTEXT },
      stamp: { timeUs: bornMs(ageMs), actor: 1n },
    });
  const birth = new Birth(carriersAt(0), register as AnyLattice);
  assert.ok(birth.admits(stateAt(5000), true));
  assert.equal(birth.atUs, bornMs(0));
  assert.ok(!birth.admits(stateAt(5000), false));
  assert.ok(birth.admits(stateAt(700), false));
  assert.ok(birth.admits(stateAt(300), false));
  assert.equal(birth.atUs, bornMs(700));
});

function put(cluster: SimCluster, at: string, level: Level) {
  const op = { kind: "put", contentType: "", value: utf8("x"), expiresAtMs: undefined } as const;
  return cluster.write(at, { bucket: "b", key: utf8("k"), op, context: EMPTY_CONTEXT, level, deadlineMs: 1000 });
}

test("a write that was under way for too long is refused by every owner", () => {
  const cluster = new SimCluster({ seed: "stale", nodes: 4, replication: 1, partitions: 1, limits: LIMITS });
  cluster.startAll();
  const owner = cluster.layout.owners[0]?.[0]?.[0] as string;
  const far = cluster.ids.find((id) => id !== owner) as string;
  cluster.network.weather = { ...CALM, delayMsMin: 1500, delayMsMax: 1500 };
  const outcome = put(cluster, far, "ONE");
  assert.ok(!outcome.ok && outcome.failure.kind === "timeout");
  cluster.network.weather = CALM;
  cluster.run(3000);
  assert.ok(cluster.meter(owner).value("murmur_stale_carriers_total") > 0);
  const request = {
    bucket: "b",
    key: utf8("k"),
    level: "ONE",
    deadlineMs: 1000,
    hedge: DEFAULT_HEDGE,
    mend: true,
  } as const;
  const seen = cluster.read(owner, request);
  assert.ok(seen.ok && seen.view.contents.length === 0);
});

test("an owner whose clock is off by hours still takes what is fresh", () => {
  for (const offsetMs of [-4 * 3_600_000, 4 * 3_600_000]) {
    const cluster = new SimCluster({ seed: "far off" });
    cluster.start("n3", offsetMs);
    cluster.startAll();
    assert.ok(put(cluster, "n1", "ALL").ok);
  }
});
