/** Hedged reads on virtual time: stalls, gray replicas, budgets, recalls. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { utf8 } from "../../src/base/bytes.js";
import { DEFAULT_HEDGE, type Hedge } from "../../src/cluster-config.js";
import { parseHedgePolicy } from "../../src/coordinator/hedge-policy.js";
import type { ReadOutcome, ReadRequest } from "../../src/coordinator/outcome.js";
import { SimCluster, type SimClusterOptions } from "../../src/sim/cluster.js";

const DEADLINE_MS = 2000;

function hedgeOf(text: string, budgetPercent = DEFAULT_HEDGE.budgetPercent): Hedge {
  const after = parseHedgePolicy(text);
  assert.ok(after !== undefined);
  return { after, budgetPercent };
}

function requestOf(key: string, hedge: Hedge): ReadRequest {
  return { bucket: "b", key: utf8(key), level: "QUORUM", deadlineMs: DEADLINE_MS, hedge, mend: true };
}

/** Three nodes that answer in a millisecond or less. */
function clusterOf(options: Partial<SimClusterOptions> = {}): SimCluster {
  const cluster = new SimCluster({ seed: "hedge", ...options });
  cluster.network.weather = { ...cluster.network.weather, delayMsMin: 0.1, delayMsMax: 0.5 };
  cluster.startAll();
  return cluster;
}

interface Load {
  readonly reads: number;
  readonly everyMs: number;
  readonly hedge: Hedge;
}

/** Reads at n1 on a fixed schedule, whether the last one was answered or not. Returns the latencies in milliseconds, sorted. */
function load(cluster: SimCluster, { reads, everyMs, hedge }: Load): number[] {
  const latenciesMs: number[] = [];
  for (let index = 0; index < reads; index++) {
    cluster.clock.after(index * everyMs, () => {
      const askedMs = cluster.clock.nowMs();
      cluster.member("n1").read(requestOf(`key ${index % 97}`, hedge), (outcome) => {
        assert.ok(outcome.ok, outcome.ok ? "" : outcome.failure.detail);
        latenciesMs.push(cluster.clock.nowMs() - askedMs);
      });
    });
  }
  cluster.run(reads * everyMs + DEADLINE_MS);
  assert.equal(latenciesMs.length, reads);
  return latenciesMs.sort((a, b) => a - b);
}

function at(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length))] as number;
}

/** Stops a node for 150 ms in each second, as SIGSTOP does. */
function stall(cluster: SimCluster, node: string, seconds: number): void {
  for (let second = 0; second < seconds; second++) {
    cluster.clock.after(second * 1000 + ((second * 377) % 850), () => {
      cluster.network.pause(node);
      cluster.nodeClock(node).pause();
      cluster.clock.after(150, () => {
        cluster.network.resume(node);
        cluster.nodeClock(node).resume();
      });
    });
  }
}

function hedgesOf(cluster: SimCluster, outcome: string): number {
  return cluster.meter("n1").value("murmur_hedges_total", { outcome });
}

/** Whom n1 asks for a key, but for spares. */
function nodesAsked(cluster: SimCluster): string[] {
  const outcome = cluster.read("n1", requestOf("ada", hedgeOf("2ms")));
  assert.ok(outcome.ok);
  return outcome.replicas.filter(({ role }) => role !== "hedge").map(({ node }) => node);
}

/** The figures of docs/hedging.md. */
function tell(context: TestContext, neverMs: number, { p999Ms, extra }: { p999Ms: number; extra: number }): void {
  const percent = (100 * extra).toPrecision(2);
  context.diagnostic(
    `p99.9 ${neverMs.toFixed(0)} ms unhedged, ${p999Ms.toFixed(1)} ms hedged, ${percent} % extra reads`,
  );
}

const PLENTY = { reads: 20_000, everyMs: 1 };

test("a replica that stalls 15 % of the time hardly shows in the p99.9, at few extra reads; unhedged it does", (context) => {
  const results = ["never", "max(p95,2ms)"].map((text) => {
    const cluster = clusterOf();
    stall(cluster, "n2", 20);
    const sorted = load(cluster, { ...PLENTY, hedge: hedgeOf(text) });
    return { p999Ms: at(sorted, 0.999), extra: hedgesOf(cluster, "sent") / PLENTY.reads };
  });
  const [never, hedged] = results as [(typeof results)[0], (typeof results)[0]];
  assert.equal(never.extra, 0);
  tell(context, never.p999Ms, hedged);
  assert.ok(hedged.p999Ms < 10, `hedged p99.9 is ${hedged.p999Ms} ms`);
  assert.ok(hedged.extra < 0.02, `${hedged.extra} extra`);
});

test("a fixed time is waited for, and then a spare is asked", () => {
  const cluster = clusterOf();
  load(cluster, { reads: 200, everyMs: 1, hedge: hedgeOf("never") });
  cluster.network.pause("n2");
  const slowestMs = load(cluster, { reads: 3, everyMs: 0.1, hedge: hedgeOf("10ms") })[2] as number;
  assert.ok(slowestMs >= 10 && slowestMs < 15, `${slowestMs} ms`);
});

test("a gray replica, one answer in fifty late by 100 ms: the p99.9 is a fraction of the unhedged", (context) => {
  const results = ["never", "max(p95,2ms)"].map((text) => {
    const cluster = clusterOf();
    let frames = 0;
    // n2 is slow for one frame in fifty.
    const grayness = () => cluster.network.slow("n2", ++frames % 50 === 0 ? 300 : 1);
    for (let ms = 0; ms < PLENTY.reads; ms += 2) cluster.clock.after(ms, grayness);
    const sorted = load(cluster, { ...PLENTY, hedge: hedgeOf(text) });
    return { p999Ms: at(sorted, 0.999), extra: hedgesOf(cluster, "sent") / PLENTY.reads };
  });
  const [never, hedged] = results as [(typeof results)[0], (typeof results)[0]];
  tell(context, never.p999Ms, hedged);
  assert.ok(never.p999Ms > 8 * hedged.p999Ms, `${never.p999Ms} against ${hedged.p999Ms} ms`);
  assert.ok(hedged.extra < 0.04, `${hedged.extra} extra`);
});

test("few reads and a replica that is always late: most are quick although few may be hedged", () => {
  const cluster = clusterOf({ limits: { hedgeTokensMax: 5 } });
  cluster.network.slow("n2", 300);
  const sorted = load(cluster, { reads: 1000, everyMs: 200, hedge: DEFAULT_HEDGE });
  assert.ok(at(sorted, 0.95) < 10, `p95 is ${at(sorted, 0.95)} ms`);
});

test("when everybody is slow, no more than the budget is asked twice", () => {
  const cluster = clusterOf({ limits: { hedgeTokensMax: 10 } });
  load(cluster, { reads: 1000, everyMs: 1, hedge: hedgeOf("2ms") });
  for (const node of ["n2", "n3"]) cluster.network.slow(node, 100);
  const before = hedgesOf(cluster, "sent");
  load(cluster, { reads: 2000, everyMs: 1, hedge: hedgeOf("2ms", 5) });
  const sent = hedgesOf(cluster, "sent") - before;
  assert.ok(sent <= 2000 * 0.05 + 10, `${sent} sent`);
  assert.ok(sent >= 90, `${sent} sent`);
  assert.ok(hedgesOf(cluster, "refused") > 1000);
});

test("each spare is won or wasted, and the client is told who was hedged", () => {
  const cluster = clusterOf();
  stall(cluster, "n2", 5);
  load(cluster, { reads: 5000, everyMs: 1, hedge: hedgeOf("2ms") });
  assert.ok(hedgesOf(cluster, "won") > 0);
  assert.equal(hedgesOf(cluster, "sent"), hedgesOf(cluster, "won") + hedgesOf(cluster, "wasted"));
});

test("always asks one more at once, and only one; never asks nobody", () => {
  const cluster = clusterOf({ nodes: 5, replication: 5 });
  const asked = (text: string) => {
    const outcome = cluster.read("n1", requestOf("k", hedgeOf(text, 0)));
    assert.ok(outcome.ok);
    return outcome.replicas.length;
  };
  assert.equal(asked("always"), 4);
  assert.equal(asked("never"), 3);
  cluster.network.pause("n2");
  cluster.network.pause("n3");
  cluster.network.pause("n4");
  cluster.network.pause("n5");
  const silent = cluster.read("n1", requestOf("k", hedgeOf("never")));
  assert.equal(silent.ok, false);
  assert.equal(silent.ok ? 0 : silent.failure.replicas.length, 3);
});

test("an owner that is overdue is not asked first, and is again once it answers", () => {
  const cluster = clusterOf();
  const [, preferred] = nodesAsked(cluster) as [string, string];
  load(cluster, { reads: 500, everyMs: 1, hedge: hedgeOf("2ms") });
  cluster.network.pause(preferred);
  const met = cluster.read("n1", requestOf("ada", hedgeOf("2ms")));
  assert.ok(met.ok && met.replicas.some(({ role }) => role === "hedge"));
  assert.ok(!nodesAsked(cluster).includes(preferred));
  cluster.network.resume(preferred);
  cluster.run(10);
  assert.ok(nodesAsked(cluster).includes(preferred));
});

test("one key of a batch probes who is late, not all of them: their spares would empty the budget", () => {
  const cluster = clusterOf();
  const reads = Array.from({ length: 100 }, (_, index) => requestOf(`key ${index}`, DEFAULT_HEDGE));
  const ask = () => {
    const askedMs = cluster.clock.nowMs();
    cluster.batch("n1", { reads, writes: [] });
    const tookMs = cluster.clock.nowMs() - askedMs;
    // By then the next probe is due.
    cluster.run(200);
    return tookMs;
  };
  for (let batch = 0; batch < 30; batch++) ask();
  cluster.network.slow("n2", 300);
  const tookMs = Array.from({ length: 50 }, ask);
  assert.ok(Math.max(...tookMs) < 20, `${Math.max(...tookMs)} ms`);
  assert.equal(hedgesOf(cluster, "refused"), 0);
});

test("hedging waits while our own loop lags: the answers lie in our sockets", () => {
  const cluster = clusterOf();
  load(cluster, { reads: 200, everyMs: 1, hedge: hedgeOf("2ms") });
  const before = hedgesOf(cluster, "sent");
  let outcome: ReadOutcome | undefined;
  cluster.member("n1").read(requestOf("ada", hedgeOf("2ms")), (result) => {
    outcome = result;
  });
  cluster.network.pause("n1");
  cluster.nodeClock("n1").pause();
  cluster.run(150);
  // The timers first: the worse order.
  cluster.nodeClock("n1").resume();
  cluster.network.resume("n1");
  cluster.runUntil(() => outcome !== undefined);
  assert.equal(hedgesOf(cluster, "sent"), before);
});

test("who was asleep finds late questions recalled, and refuses them without reading", () => {
  const cluster = clusterOf();
  load(cluster, { reads: 200, everyMs: 1, hedge: hedgeOf("2ms") });
  const [, node] = nodesAsked(cluster) as [string, string];
  let reads = 0;
  const storage = cluster.storage(node);
  const durable = storage.durable.bind(storage);
  storage.durable = (key) => {
    reads++;
    return durable(key);
  };
  cluster.network.pause(node);
  assert.ok(cluster.read("n1", requestOf("ada", hedgeOf("2ms"))).ok);
  cluster.run(20);
  cluster.network.resume(node);
  cluster.run(20);
  assert.equal(reads, 0);
  assert.equal(
    cluster
      .member("n1")
      .latency()
      .peers.find((peer) => peer.node === node)?.unanswered,
    0,
  );
});
