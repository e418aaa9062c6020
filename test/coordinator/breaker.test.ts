/** A peer that fails one question after the other is given a rest, and counts as down meanwhile. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { utf8 } from "../../src/base/bytes.js";
import { DEFAULT_HEDGE } from "../../src/cluster-config.js";
import { DEFAULT_LIMITS } from "../../src/config.js";
import type { Asker } from "../../src/coordinator/asker.js";
import { Breaker } from "../../src/coordinator/breaker.js";
import { BreakingAsker } from "../../src/coordinator/breaking-asker.js";
import type { WriteOutcome } from "../../src/coordinator/outcome.js";
import { EMPTY_CONTEXT } from "../../src/lattice/context.js";
import { SimClock } from "../../src/sim/clock.js";
import { SimCluster } from "../../src/sim/cluster.js";
import { SimMeter } from "../../src/sim/meter.js";
import { SimRandom } from "../../src/sim/random.js";
import type { Reply, Request } from "../../src/wire/messages.js";

const LIMITS = { breakerOpenMs: 100, breakerOpenMsMax: 300 };

function failed(breaker: Breaker, nowMs: number, times: number): boolean[] {
  return Array.from({ length: times }, () => breaker.onFailed("n2", "write", nowMs, nowMs));
}

describe("a breaker", () => {
  test("opens at the tenth failure in a row, and an answer in between starts anew", () => {
    const breaker = new Breaker(LIMITS, new SimRandom(1));
    assert.ok(!failed(breaker, 0, 9).includes(true));
    assert.equal(breaker.onAnswered("n2", "write", 0), false, "it was not open");
    assert.ok(!failed(breaker, 0, 9).includes(true));
    assert.deepEqual(failed(breaker, 0, 2), [true, false]);
    assert.ok(breaker.isOpen("n2", 69));
    assert.ok(!breaker.isOpen("n2", 130));
    assert.ok(!breaker.isOpen("n3", 0));
  });

  test("is half open after its time: one failure opens it for longer, up to a bound, and one answer closes it", () => {
    const breaker = new Breaker(LIMITS, new SimRandom(1));
    failed(breaker, 0, 10);
    let nowMs = 0;
    for (const [least, most] of [
      [140, 260],
      [210, 390],
      [210, 390],
    ] as const) {
      nowMs += 1000;
      assert.ok(!breaker.isOpen("n2", nowMs));
      assert.ok(breaker.onFailed("n2", "write", nowMs, nowMs));
      assert.ok(breaker.isOpen("n2", nowMs + least - 1) && !breaker.isOpen("n2", nowMs + most));
    }
    assert.equal(breaker.onAnswered("n2", "write", nowMs), true);
    assert.ok(!failed(breaker, nowMs, 9).includes(true));
  });

  test("is not opened by deadlines of what its peer was asked before it last answered", () => {
    const breaker = new Breaker(LIMITS, new SimRandom(1));
    const silent = (askedMs: number, times: number) =>
      Array.from({ length: times }, () => breaker.onFailed("n2", "write", askedMs, 5000));
    breaker.onAnswered("n2", "write", 4000);
    assert.ok(!silent(3999, 100).includes(true), "it died, came back and answered since");
    assert.ok(silent(4000, 10).includes(true), "it answered nothing that it was asked since");
    assert.ok(!breaker.isOpen("n2", 5200));
    assert.equal(breaker.onFailed("n2", "write", 4999, 5200), false, "asked before its rest, and told of after it");
    assert.ok(breaker.onFailed("n2", "write", 5200, 5450));
  });

  test("is opened by writes that end in silence though every read is answered, and a read does not close it", () => {
    const breaker = new Breaker(LIMITS, new SimRandom(1));
    const openings = Array.from({ length: 10 }, (_, time) => {
      breaker.onAnswered("n2", "read", 2000 * time + 1999);
      return breaker.onFailed("n2", "write", 2000 * time, 2000 * (time + 1));
    });
    assert.equal(openings.indexOf(true), 9);
    assert.ok(breaker.isOpen("n2", 20_000));
    assert.equal(breaker.onAnswered("n2", "read", 20_001), false);
    assert.ok(breaker.isOpen("n2", 20_001));
  });

  test("opens for different times at different nodes", () => {
    const ends = Array.from({ length: 20 }, (_, seed) => {
      const breaker = new Breaker(LIMITS, new SimRandom(seed));
      failed(breaker, 0, 10);
      return Array.from({ length: 131 }, (_, ms) => ms).find((ms) => !breaker.isOpen("n2", ms));
    });
    assert.ok(new Set(ends).size > 5);
  });
});

describe("an asker through a breaker", () => {
  const REPLIES: Partial<Record<Request["kind"], Reply>> = { read: { kind: "read-reply", answers: [] } };
  const WRITES: readonly Request[] = [
    { kind: "merge", cause: "write", entries: [] },
    { kind: "mint", wishes: [] },
    { kind: "keep-hint", target: "n3", entries: [] },
  ];

  test("tells reads that are answered from writes that are not, whatever kind of write", () => {
    for (const write of WRITES) {
      const breaker = new Breaker(LIMITS, new SimRandom(1));
      const asked: string[] = [];
      const silent: Asker = {
        call(_to, request, _timeoutMs, onReply) {
          asked.push(request.kind);
          onReply(REPLIES[request.kind] as never);
          return () => {};
        },
      };
      const clock = new SimClock().nodeClock();
      const host = {
        self: "n1",
        clock,
        meter: new SimMeter(),
        limits: DEFAULT_LIMITS,
        later: (step: () => void) => step(),
      };
      const asker = new BreakingAsker(host, silent, breaker);
      for (let round = 0; round < 10; round++) {
        asker.call("n2", write, DEFAULT_LIMITS.breakerPatienceMs, () => {});
        asker.call("n2", { kind: "read", rows: [] }, DEFAULT_LIMITS.breakerPatienceMs, () => {});
      }
      assert.ok(breaker.isOpen("n2", clock.nowMs()), write.kind);
      assert.equal(asked.length, 19, "the read after the last of them is not asked");
    }
  });
});

describe("an owner that answers pings and refuses all else", () => {
  function put(cluster: SimCluster, level: "QUORUM" | "ALL"): WriteOutcome {
    const op = { kind: "put", contentType: "text/plain", value: utf8("x"), expiresAtMs: undefined } as const;
    const write = { bucket: "b", key: utf8("ada"), op, context: EMPTY_CONTEXT, level, deadlineMs: 300 } as const;
    return cluster.write("n1", write);
  }

  /** It sleeps for most of the time, but never so long that it would seem dead: it refuses for being late. */
  function makeBusy(cluster: SimCluster): void {
    for (let beat = 0; beat < 4; beat++) {
      cluster.network.pause("n2");
      cluster.nodeClock("n2").pause();
      cluster.run(300);
      cluster.network.resume("n2");
      cluster.nodeClock("n2").resume();
      cluster.run(0.01);
    }
  }

  test("is not asked any more, fails ALL at once, and is asked again when it is well", () => {
    const cluster = new SimCluster({ seed: "breaker", limits: { shedLagMs: 1 } });
    cluster.startAll();
    const openings = () => cluster.meter("n1").sum("murmur_breaker_openings_total", { peer: "n2" });
    for (let round = 0; round < 20 && openings() === 0; round++) {
      makeBusy(cluster);
      put(cluster, "QUORUM");
    }
    assert.ok(openings() > 0, "it was refused ten times in a row");
    assert.ok(cluster.member("n1").opinionOf("n2").alive, "membership sees nothing of it");
    const refused = put(cluster, "ALL");
    assert.equal(refused.ok ? "" : refused.failure.kind, "unavailable");
    assert.ok(put(cluster, "QUORUM").ok, "the others are enough");
    const read = { bucket: "b", key: utf8("ada"), deadlineMs: 300, hedge: DEFAULT_HEDGE, mend: true };
    assert.equal(cluster.read("n1", { ...read, level: "ALL" }).ok, false);
    cluster.run(6000);
    assert.ok(put(cluster, "ALL").ok);
    assert.equal(cluster.meter("n1").value("murmur_breaker_open", { peer: "n2" }), 0);
  });
});
