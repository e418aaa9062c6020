/** Identical reads share one question, and none is answered with what was asked for before it came. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { utf8 } from "../../src/base/bytes.js";
import { DEFAULT_HEDGE } from "../../src/cluster-config.js";
import { HotKeys } from "../../src/coordinator/hot-keys.js";
import type { ReadOutcome, ReadRequest } from "../../src/coordinator/outcome.js";
import { SharedReads } from "../../src/coordinator/shared-reads.js";
import { EMPTY_CONTEXT } from "../../src/lattice/context.js";
import { SimClock } from "../../src/sim/clock.js";
import { SimCluster } from "../../src/sim/cluster.js";
import { SimMeter } from "../../src/sim/meter.js";

const KEY = utf8("ada");
const BASE = { bucket: "b", key: KEY, deadlineMs: 1000, hedge: DEFAULT_HEDGE, mend: true } as const;
const QUORUM: ReadRequest = { ...BASE, level: "QUORUM" };
const ONE: ReadRequest = { ...BASE, level: "ONE" };
const FOUND: ReadOutcome = { ok: true, view: { contents: [], context: EMPTY_CONTEXT }, replicas: [], mended: [] };

/** Owners that answer when told to. */
class Fixture {
  readonly clock = new SimClock();
  readonly meter = new SimMeter();
  readonly asked: { readonly request: ReadRequest; readonly answer: (outcome: ReadOutcome) => void }[] = [];
  readonly reads: SharedReads;
  answered = 0;

  constructor(limits: { readonly hotKeyCacheMs?: number } = {}) {
    this.reads = new SharedReads({
      clock: this.clock,
      meter: this.meter,
      limits: { coalesceWaitMs: 5, hotKeyCacheMs: 0, ...limits },
      hotKeys: new HotKeys(this.clock),
      read: (request, done) => this.asked.push({ request, answer: done }),
    });
  }

  read(request: ReadRequest, times = 1): void {
    for (let time = 0; time < times; time++) this.reads.read(request, () => this.answered++);
  }

  answer(index: number): void {
    this.asked[index]?.answer(FOUND);
  }
}

describe("identical reads", () => {
  test("are of one cell: another of the same key is asked for by itself", () => {
    const fixture = new Fixture();
    const cells = [
      QUORUM,
      { ...QUORUM, sort: utf8("a") },
      { ...QUORUM, sort: utf8("b") },
      { ...QUORUM, key: utf8("ada\nx"), sort: utf8("y") },
      { ...QUORUM, key: utf8("ada"), sort: utf8("x\ny") },
    ];
    for (const cell of cells) fixture.read(cell);
    assert.equal(fixture.asked.length, cells.length);
    fixture.read({ ...QUORUM, sort: utf8("a") });
    assert.equal(fixture.asked.length, cells.length, "this one shares");
  });

  test("that come while one runs share the next one, and each is answered once", () => {
    const fixture = new Fixture();
    fixture.read(QUORUM, 10);
    assert.equal(fixture.asked.length, 1);
    fixture.answer(0);
    assert.deepEqual([fixture.answered, fixture.asked.length], [1, 2], "nobody joins what runs");
    fixture.answer(1);
    assert.deepEqual([fixture.answered, fixture.asked.length], [10, 2]);
    assert.equal(fixture.meter.sum("murmur_reads_coalesced_total"), 8);
    fixture.read(QUORUM);
    assert.equal(fixture.asked.length, 3, "nothing is left over");
  });

  test("wait for a running one no longer than a moment", () => {
    const fixture = new Fixture();
    fixture.read(QUORUM, 3);
    fixture.clock.runUntil(4.9);
    assert.equal(fixture.asked.length, 1);
    fixture.clock.runUntil(5);
    assert.equal(fixture.asked.length, 2);
    assert.equal(fixture.asked[1]?.request.deadlineMs, 995, "their time goes on while they wait");
    fixture.answer(1);
    assert.equal(fixture.answered, 2);
    fixture.answer(0);
    assert.equal(fixture.answered, 3);
  });

  test("are identical in level, deadline, hedge and mend as well", () => {
    const fixture = new Fixture();
    fixture.read(QUORUM);
    fixture.read(ONE);
    fixture.read({ ...QUORUM, deadlineMs: 999 });
    fixture.read({ ...QUORUM, mend: false });
    fixture.read({ ...QUORUM, hedge: { ...DEFAULT_HEDGE, after: { kind: "never" } } });
    fixture.read({ ...QUORUM, hedge: { ...DEFAULT_HEDGE, budgetPercent: DEFAULT_HEDGE.budgetPercent + 1 } });
    fixture.read({ ...QUORUM, bucket: "c" });
    assert.equal(fixture.asked.length, 7);
  });

  test("are identical when each names the same hedge by itself", () => {
    const fixture = new Fixture();
    for (let time = 0; time < 10; time++) {
      fixture.read({ ...QUORUM, hedge: { ...DEFAULT_HEDGE, after: { kind: "after", ms: 10 } } });
    }
    assert.equal(fixture.asked.length, 1);
    fixture.answer(0);
    fixture.answer(1);
    assert.deepEqual([fixture.answered, fixture.asked.length], [10, 2]);
  });
});

describe("the cache of hot keys", () => {
  function heated(hotKeyCacheMs: number): Fixture {
    const fixture = new Fixture({ hotKeyCacheMs });
    for (let read = 0; read < 500; read++) {
      fixture.read(ONE);
      fixture.answer(fixture.asked.length - 1);
    }
    return fixture;
  }

  test("is off unless it is asked for", () => {
    assert.equal(heated(0).asked.length, 500);
  });

  test("answers a read at ONE of a hot key, from one that began no longer ago than allowed", () => {
    const fixture = heated(20);
    assert.equal(fixture.asked.length, 500, "until then it was not hot");
    fixture.clock.runUntil(20);
    fixture.read(ONE, 3);
    assert.deepEqual([fixture.asked.length, fixture.answered], [500, 503]);
    fixture.clock.runUntil(20.1);
    fixture.read(ONE);
    assert.equal(fixture.asked.length, 501);
  });

  test("answers no other level, and no cold key", () => {
    const fixture = heated(1000);
    fixture.read(QUORUM);
    assert.equal(fixture.asked.length, 501);
    const cold = { ...ONE, key: utf8("bob") };
    fixture.read(cold);
    fixture.answer(501);
    fixture.read(cold);
    assert.equal(fixture.asked.length, 503);
  });
});

/** One key, written by n2 and n3 in turn, read by n1 all the time. Counts reads that missed a write acknowledged before them. */
function staleReads(read: (cluster: SimCluster, done: (outcome: ReadOutcome) => void) => void): number {
  const cluster = new SimCluster({ seed: "shared" });
  cluster.startAll();
  cluster.network.slow("n3", 6);
  let acknowledged = 0;
  let stale = 0;
  let answered = 0;
  const write = (number: number): void => {
    const value = utf8(String(number));
    const op = { kind: "put", contentType: "text/plain", value, expiresAtMs: undefined } as const;
    const request = { bucket: "b", key: KEY, op, context: EMPTY_CONTEXT, level: "QUORUM", deadlineMs: 1000 } as const;
    cluster.member(number % 2 === 0 ? "n2" : "n3").write(request, (outcome) => {
      assert.ok(outcome.ok);
      acknowledged = number;
      write(number + 1);
    });
  };
  write(1);
  for (let index = 0; index < 5000; index++) {
    cluster.clock.after(index * 0.1, () => {
      const floor = acknowledged;
      read(cluster, (outcome) => {
        assert.ok(outcome.ok);
        const [content] = outcome.view.contents;
        answered++;
        if (Number(content === undefined ? 0 : Buffer.from(content.value).toString()) < floor) stale++;
      });
    });
  }
  cluster.run(1000);
  assert.equal(answered, 5000);
  assert.ok(acknowledged > 50);
  return stale;
}

describe("who shares a read", () => {
  test("is never told less than what was acknowledged before it asked", () => {
    let shared = 0;
    const stale = staleReads((cluster, done) => {
      cluster.member("n1").read(QUORUM, done);
      shared = cluster.meter("n1").sum("murmur_reads_coalesced_total");
    });
    assert.equal(stale, 0);
    assert.ok(shared > 1000, `${shared} were shared`);
  });

  test("would be, if it joined one that runs: the check sees it", () => {
    let joined: ((outcome: ReadOutcome) => void)[] | undefined;
    const stale = staleReads((cluster, done) => {
      if (joined !== undefined) return void joined.push(done);
      const sharers = [done];
      joined = sharers;
      cluster.member("n1").read(QUORUM, (outcome) => {
        joined = undefined;
        for (const each of sharers) each(outcome);
      });
    });
    assert.ok(stale > 0);
  });
});
