/** Increments that are merged before they are written, on virtual time: totals are exact, and each caller hears in time. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { utf8 } from "../../src/base/bytes.js";
import { DEFAULT_HEDGE } from "../../src/cluster-config.js";
import type { Level } from "../../src/config.js";
import { changeIdOf } from "../../src/coordinator/change-id.js";
import type { WriteOutcome, WriteRequest } from "../../src/coordinator/outcome.js";
import { contextUpTo, EMPTY_CONTEXT } from "../../src/lattice/context.js";
import { SimCluster, type SimClusterOptions } from "../../src/sim/cluster.js";

const DEADLINE_MS = 1000;
const WINDOW_MS = 5;

function clusterOf(options: Partial<SimClusterOptions> = {}): SimCluster {
  const bucket = { type: "counter", coalesceMs: WINDOW_MS };
  const cluster = new SimCluster({ seed: "increments", nodes: 3, bucket, ...options });
  cluster.startAll();
  return cluster;
}

interface Wish {
  readonly key?: string;
  readonly level?: Level;
  readonly deadlineMs?: number;
}

function adding(by: number, { key = "hits", level = "QUORUM", deadlineMs = DEADLINE_MS }: Wish = {}): WriteRequest {
  return { bucket: "b", key: utf8(key), op: { kind: "add", by }, context: EMPTY_CONTEXT, level, deadlineMs };
}

/** Outcomes in the order in which they came, and when. */
class Heard {
  readonly outcomes: WriteOutcome[] = [];
  readonly atMs: number[] = [];

  constructor(private readonly cluster: SimCluster) {}

  readonly hear = (outcome: WriteOutcome): void => {
    this.outcomes.push(outcome);
    this.atMs.push(this.cluster.clock.nowMs());
  };

  get acknowledged(): number {
    return this.outcomes.filter(({ ok }) => ok).length;
  }

  /** "ok", or the kind of the failure and whether it may have been applied. */
  get verdicts(): string[] {
    return this.outcomes.map((each) =>
      each.ok ? "ok" : `${each.failure.kind}${each.failure.mayHaveApplied ? ", perhaps applied" : ""}`,
    );
  }
}

function totalOf(cluster: SimCluster, at = "n1", key = "hits"): number {
  const request = { bucket: "b", key: utf8(key), level: "ALL", deadlineMs: 2000, hedge: DEFAULT_HEDGE } as const;
  const outcome = cluster.read(at, { ...request, mend: true });
  assert.ok(outcome.ok);
  const [content] = outcome.view.contents;
  return content === undefined ? 0 : JSON.parse(Buffer.from(content.value).toString()).value;
}

function mints(cluster: SimCluster): number {
  return cluster.ids.reduce((sum, id) => sum + cluster.meter(id).sum("murmur_mints_total", MINTED), 0);
}

const MINTED = { status: "minted" };

/** A cluster whose owners hold a row of the counter, which is nothing yet. */
function begunClusterOf(): SimCluster {
  const cluster = clusterOf();
  assert.ok(cluster.write("n1", adding(0, { level: "ALL" })).ok);
  return cluster;
}

describe("increments of one counter", () => {
  test("that come within the window are one write, and each hears of it", () => {
    const cluster = clusterOf();
    const heard = new Heard(cluster);
    for (let count = 0; count < 100; count++) cluster.member("n1").write(adding(count % 3), heard.hear);
    cluster.run(100);
    assert.equal(heard.acknowledged, 100);
    assert.equal(mints(cluster), 1);
    const sum = 99;
    for (const outcome of heard.outcomes) {
      assert.ok(outcome.ok && outcome.view !== undefined);
      assert.equal(Buffer.from(outcome.view.contents[0]?.value ?? []).toString(), `{"value":${sum}}`);
    }
    assert.equal(totalOf(cluster), sum);
    assert.equal(cluster.meter("n1").sum("murmur_increments_coalesced_total"), 99);
    assert.equal(
      cluster
        .member("n1")
        .held()
        .find(({ name }) => name.endsWith("increments"))?.amount,
      0,
    );
  });

  test("go together with those of other counters, and with the items of a batch", () => {
    const cluster = clusterOf();
    const heard = new Heard(cluster);
    cluster.run(230);
    const before = cluster.network.statistics.sent;
    const keys = Array.from({ length: 100 }, (_, index) => `key ${index}`);
    for (const key of keys) cluster.member("n1").write(adding(1, { key }), heard.hear);
    const { writes } = cluster.batch("n1", { reads: [], writes: keys.map((key) => adding(2, { key })) });
    assert.ok(writes.every(({ ok }) => ok));
    assert.equal(heard.acknowledged, keys.length);
    assert.equal(mints(cluster), keys.length);
    // The owners make them, and are sent those of others: a question and an answer of each kind for two peers.
    assert.ok(cluster.network.statistics.sent - before <= 12, `${cluster.network.statistics.sent - before} frames`);
    for (const key of keys) assert.equal(totalOf(cluster, "n2", key), 3);
  });

  test("are merged for each level by itself, and not with an id or a client's context, nor in other buckets", () => {
    const cluster = clusterOf();
    const heard = new Heard(cluster);
    const context = contextUpTo({ timeUs: 1, actor: 1n });
    const member = cluster.member("n1");
    for (const level of ["ONE", "QUORUM", "ALL"] as const) {
      member.write(adding(1, { level }), heard.hear);
      member.write(adding(1, { level }), heard.hear);
    }
    member.write({ ...adding(1), context }, heard.hear);
    for (const name of ["once", "once", "twice"]) {
      const id = changeIdOf(name, adding(1).op);
      member.write({ ...adding(1), id }, heard.hear);
    }
    cluster.run(100);
    assert.deepEqual([heard.acknowledged, mints(cluster), totalOf(cluster)], [10, 7, 9]);
    const apart = clusterOf({ bucket: { type: "counter" } });
    for (let count = 0; count < 3; count++) apart.member("n1").write(adding(1), () => {});
    apart.run(100);
    assert.equal(mints(apart), 3);
  });

  test("through all nodes at once add up exactly", () => {
    const cluster = clusterOf({ nodes: 5 });
    const heard = new Heard(cluster);
    let sum = 0;
    for (let count = 0; count < 2000; count++) {
      const by = (count % 7) - 2;
      sum += by;
      const id = cluster.ids[count % 5] as string;
      cluster.clock.after(count * 0.1, () => cluster.member(id).write(adding(by), heard.hear));
    }
    cluster.run(1000);
    assert.equal(heard.acknowledged, 2000);
    assert.equal(totalOf(cluster), sum);
    assert.ok(mints(cluster) < 300, `${mints(cluster)} writes`);
  });
});

describe("the time of an increment", () => {
  test("that has little left ends the window for all", () => {
    const cluster = begunClusterOf();
    const before = mints(cluster);
    const heard = new Heard(cluster);
    const startMs = cluster.clock.nowMs();
    cluster.member("n1").write(adding(1), heard.hear);
    cluster.member("n1").write(adding(1, { deadlineMs: 6 }), heard.hear);
    cluster.run(100);
    assert.deepEqual(heard.verdicts, ["ok", "ok"]);
    assert.ok(heard.atMs.every((atMs) => atMs - startMs < WINDOW_MS + 1));
    assert.equal(mints(cluster) - before, 1);
  });

  test("ends before that of the others: it hears that nobody knows, and they go on", () => {
    const cluster = clusterOf({ nodes: 3 });
    const heard = new Heard(cluster);
    const startMs = cluster.clock.nowMs();
    for (const id of ["n2", "n3"]) cluster.network.slow(id, 50);
    for (const deadlineMs of [30, 40, 1000]) cluster.member("n1").write(adding(1, { deadlineMs }), heard.hear);
    cluster.run(1000);
    assert.deepEqual(heard.verdicts, ["timeout, perhaps applied", "timeout, perhaps applied", "ok"]);
    assert.deepEqual(
      heard.atMs.slice(0, 2).map((atMs) => Math.round(atMs - startMs)),
      [30, 40],
    );
    const [first] = heard.outcomes;
    assert.ok(first !== undefined && !first.ok);
    assert.deepEqual([first.failure.required, first.failure.alive], [2, 3]);
    assert.equal(totalOf(cluster), 3);
  });
});

describe("while two sums of a counter are under way", () => {
  test("its next one grows, and those of others do not wait", () => {
    const cluster = clusterOf();
    const heard = new Heard(cluster);
    cluster.run(50);
    for (const id of ["n2", "n3"]) cluster.network.slow(id, 50);
    for (let atMs = 0; atMs < 500; atMs++) {
      cluster.clock.after(atMs, () => cluster.member("n1").write(adding(1), heard.hear));
    }
    cluster.clock.after(250, () => cluster.member("n1").write(adding(1, { key: "other" }), heard.hear));
    cluster.run(2000);
    assert.equal(heard.acknowledged, 501);
    assert.deepEqual([totalOf(cluster), totalOf(cluster, "n1", "other")], [500, 1]);
    // Two at once, which take longer than a window, and not one every 5 ms.
    assert.ok(mints(cluster) < 50, `${mints(cluster)} writes`);
  });

  test("it waits for 20 windows at most, and for half of its own time", () => {
    const cluster = begunClusterOf();
    const heard = new Heard(cluster);
    cluster.run(50);
    cluster.network.partition([["n1"], ["n2", "n3"]]);
    const write = (deadlineMs: number) => cluster.member("n1").write(adding(1, { deadlineMs }), heard.hear);
    const mintsWithin = (ms: number) => {
      const before = mints(cluster);
      cluster.run(ms);
      return mints(cluster) - before;
    };
    for (let count = 0; count < 2; count++) {
      write(10_000);
      assert.equal(mintsWithin(10), 1);
    }
    write(10_000);
    assert.deepEqual([mintsWithin(90), mintsWithin(20)], [0, 1]);
    write(10_000);
    assert.equal(mintsWithin(10), 0);
    write(60);
    assert.deepEqual([mintsWithin(25), mintsWithin(10)], [0, 1]);
    cluster.run(50);
    assert.deepEqual(heard.verdicts, ["timeout, perhaps applied"]);
    cluster.network.heal();
    cluster.run(20_000);
    assert.equal(heard.outcomes.length, 5);
    assert.equal(totalOf(cluster), 5);
  });
});

describe("a failure", () => {
  test("before anything was sent is told to all as not applied", () => {
    const cluster = clusterOf();
    for (const id of ["n2", "n3"]) cluster.crash(id);
    cluster.run(5000);
    const heard = new Heard(cluster);
    for (let count = 0; count < 3; count++) cluster.member("n1").write(adding(1), heard.hear);
    cluster.run(2000);
    assert.deepEqual(heard.verdicts, ["unavailable", "unavailable", "unavailable"]);
  });

  test("after it was minted is told to all as perhaps applied", () => {
    const cluster = begunClusterOf();
    cluster.network.partition([["n1"], ["n2", "n3"]]);
    const heard = new Heard(cluster);
    for (let count = 0; count < 3; count++) cluster.member("n1").write(adding(1, { deadlineMs: 100 }), heard.hear);
    cluster.run(200);
    assert.deepEqual(heard.verdicts, new Array(3).fill("timeout, perhaps applied"));
  });

  test("of a sum that is too large is that of nobody who asked for less", () => {
    const cluster = clusterOf();
    const heard = new Heard(cluster);
    const most = Number.MAX_SAFE_INTEGER;
    const write = (by: number) => cluster.member("n1").write(adding(by), heard.hear);
    write(most - 10);
    cluster.run(100);
    for (const by of [4, 20, 5]) write(by);
    cluster.run(100);
    assert.deepEqual(heard.verdicts.sort(), ["ok", "ok", "ok", "out-of-range"]);
    assert.equal(totalOf(cluster), most - 1);
  });

  test("of exactness does not happen: what would not be summed exactly is written at once", () => {
    const cluster = clusterOf();
    const heard = new Heard(cluster);
    const most = Number.MAX_SAFE_INTEGER;
    for (const by of [most, -most, most, 7 - most]) cluster.member("n1").write(adding(by), heard.hear);
    cluster.run(100);
    assert.deepEqual(heard.verdicts, ["ok", "ok", "ok", "ok"]);
    assert.deepEqual([mints(cluster), totalOf(cluster)], [4, 7]);
  });
});

describe("what waits", () => {
  test("is bounded: the next one is refused", () => {
    const limits = { incrementBytesMax: 65_536 };
    const cluster = clusterOf({ limits });
    const heard = new Heard(cluster);
    for (let count = 0; count < 300; count++) cluster.member("n1").write(adding(1), heard.hear);
    cluster.run(100);
    const fitting = Math.floor(limits.incrementBytesMax / (256 + "hits".length));
    assert.equal(heard.verdicts.filter((verdict) => verdict === "overloaded").length, 300 - fitting);
    assert.equal(totalOf(cluster), fitting);
    cluster.member("n1").write(adding(1), heard.hear);
    cluster.run(100);
    assert.equal(heard.verdicts.at(-1), "ok", "there is room again");
  });

  test("is told when the node stops, and more is refused", () => {
    const cluster = clusterOf();
    const heard = new Heard(cluster);
    const member = cluster.member("n1");
    member.write(adding(1), heard.hear);
    cluster.stop("n1", () => {});
    member.write(adding(1), heard.hear);
    cluster.run(2000);
    assert.deepEqual(heard.verdicts, ["unavailable", "unavailable"]);
    cluster.startAll();
    assert.equal(totalOf(cluster), 0);
  });

  test("dies with its coordinator: what was acknowledged counts, and no more than was asked for", () => {
    for (const seed of ["one", "three"]) {
      const cluster = clusterOf({ seed });
      const heard = new Heard(cluster);
      for (let count = 0; count < 400; count++) {
        cluster.clock.after(count * 0.25, () => {
          if (cluster.runs("n1")) cluster.member("n1").write(adding(1), heard.hear);
        });
      }
      cluster.clock.after(51 + seed.length, () => cluster.crash("n1"));
      cluster.run(1000);
      cluster.start("n1");
      cluster.run(2000);
      const total = totalOf(cluster, "n2");
      assert.ok(heard.acknowledged > 100 && heard.acknowledged < 400);
      assert.ok(total >= heard.acknowledged && total < 400, `${heard.acknowledged} <= ${total}`);
    }
  });
});
