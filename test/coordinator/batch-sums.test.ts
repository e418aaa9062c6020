/** Increments of one counter in one batch, on virtual time: one write, and each has an outcome of its own. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { utf8 } from "../../src/base/bytes.js";
import { DEFAULT_HEDGE } from "../../src/cluster-config.js";
import { type BatchWrite, batchWrites } from "../../src/coordinator/batch-sums.js";
import { changeIdOf } from "../../src/coordinator/change-id.js";
import type { WriteOutcome, WriteRequest } from "../../src/coordinator/outcome.js";
import { contextUpTo, EMPTY_CONTEXT } from "../../src/lattice/context.js";
import { SimCluster } from "../../src/sim/cluster.js";

const DEADLINE_MS = 1000;
const LARGE = Number.MAX_SAFE_INTEGER;
const CONTEXT = contextUpTo({ timeUs: 1, actor: 1n });

function clusterOf(bucket: object = {}): SimCluster {
  const cluster = new SimCluster({ seed: "batch sums", nodes: 3, bucket: { type: "counter", ...bucket } });
  cluster.startAll();
  return cluster;
}

function adding(by: number, key = "hits", more: Partial<WriteRequest> = {}): WriteRequest {
  const op = { kind: "add", by } as const;
  return {
    ...{ bucket: "b", key: utf8(key), op, context: EMPTY_CONTEXT, level: "QUORUM", deadlineMs: DEADLINE_MS },
    ...more,
  };
}

function run(cluster: SimCluster, writes: readonly WriteRequest[]): readonly WriteOutcome[] {
  return cluster.batch("n1", { reads: [], writes }).writes;
}

function told(outcome: WriteOutcome | undefined): string {
  assert.ok(outcome !== undefined);
  return outcome.ok ? String(Buffer.from(outcome.view?.contents[0]?.value ?? [])) : outcome.failure.kind;
}

function totalOf(cluster: SimCluster, key = "hits"): number {
  const request = { bucket: "b", key: utf8(key), level: "ALL", deadlineMs: 2000, hedge: DEFAULT_HEDGE } as const;
  const outcome = cluster.read("n2", { ...request, mend: true });
  assert.ok(outcome.ok);
  const [content] = outcome.view.contents;
  return content === undefined ? 0 : JSON.parse(Buffer.from(content.value).toString()).value;
}

function mints(cluster: SimCluster): number {
  return cluster.ids.reduce((sum, id) => sum + cluster.meter(id).sum("murmur_mints_total", { status: "minted" }), 0);
}

describe("increments of one counter in a batch", () => {
  for (const [name, bucket] of [
    ["in a bucket that coalesces", { coalesceMs: 5 }],
    ["in one that does not", {}],
  ] as const) {
    test(`are one write, and each is told the value after all of them, ${name}`, () => {
      const cluster = clusterOf(bucket);
      const outcomes = run(cluster, [adding(1), adding(10, "other"), adding(2), adding(-5), adding(3)]);
      assert.deepEqual(
        outcomes.map(told),
        [1, 10, 1, 1, 1].map((value) => `{"value":${value}}`),
      );
      assert.equal(mints(cluster), 2);
      assert.deepEqual([totalOf(cluster), totalOf(cluster, "other")], [1, 10]);
      assert.equal(cluster.meter("n1").sum("murmur_increments_coalesced_total"), 3);
    });
  }

  test("join those of other requests within the window", () => {
    const cluster = clusterOf({ coalesceMs: 5 });
    const single: WriteOutcome[] = [];
    cluster.member("n1").write(adding(100), (outcome) => single.push(outcome));
    const outcomes = run(cluster, [adding(1), adding(1)]);
    assert.deepEqual([...single, ...outcomes].map(told), new Array(3).fill('{"value":102}'));
    assert.equal(mints(cluster), 1);
  });

  test("are each tried by itself where their sum would be too large", () => {
    for (const bucket of [{ coalesceMs: 5 }, {}]) {
      const cluster = clusterOf(bucket);
      run(cluster, [adding(LARGE - 10)]);
      const outcomes = run(cluster, [adding(4), adding(1), adding(LARGE - 100), adding(2)]);
      assert.deepEqual(
        outcomes.map(({ ok }) => ok),
        [true, true, false, true],
      );
      assert.equal(told(outcomes[2]), "out-of-range");
      assert.equal(totalOf(cluster), LARGE - 3);
    }
  });

  test("that have an id or a context are writes of their own, and one id counts once", () => {
    const cluster = clusterOf();
    const named = (name: string) => ({ id: changeIdOf(name, adding(1).op) });
    const outcomes = run(cluster, [
      adding(1),
      adding(1, "hits", named("a")),
      adding(1, "hits", named("a")),
      adding(1, "hits", named("b")),
      adding(1, "hits", { context: CONTEXT }),
      adding(1),
    ]);
    assert.ok(outcomes.every(({ ok }) => ok));
    assert.equal(totalOf(cluster), 5);
  });

  test("whose owners are away fail together, and nothing was sent", () => {
    const cluster = clusterOf();
    cluster.network.partition([["n1"], ["n2", "n3"]]);
    cluster.run(30_000);
    const outcomes = run(cluster, [adding(1), adding(1)]);
    assert.deepEqual(outcomes.map(told), ["unavailable", "unavailable"]);
  });
});

test("every item is in one write, writes are as few as may be, and sums are exact", () => {
  const amount = fc.oneof(fc.integer({ min: -5, max: 5 }), fc.constantFrom(LARGE, -LARGE));
  const more = fc.constantFrom<Partial<WriteRequest>>(
    {},
    {},
    {},
    { level: "ONE" },
    { bucket: "c" },
    { deadlineMs: 5 },
    { context: CONTEXT },
    { op: { kind: "delete" } },
    { sort: utf8("x") },
    { sort: utf8("y") },
  );
  const write = fc.tuple(amount, fc.constantFrom("x", "y"), more).map((args) => adding(...args));
  fc.assert(
    fc.property(fc.array(write, { maxLength: 30 }), fc.boolean(), (writes, isShared) => {
      const keys = new Map<string, Uint8Array>();
      const shared = ({ key, ...rest }: WriteRequest) => {
        const name = String(key);
        if (!keys.has(name)) keys.set(name, key);
        return { ...rest, key: keys.get(name) as Uint8Array };
      };
      const asked = isShared ? writes.map(shared) : writes;
      const onces = batchWrites(asked);
      const items = onces.flatMap((once) => once.items);
      assert.deepEqual(
        [...items].sort((a, b) => a - b),
        asked.map((_, index) => index),
      );
      for (const once of onces) check(once, asked);
      const isExact = asked.every((write) => Math.abs(amountOf(write)) !== LARGE);
      const sums = onces.filter(isSum).map(({ request }) => nameOf(request));
      if (isExact) assert.equal(new Set(sums).size, sums.length, "two writes that could have been one");
    }),
  );
});

function check({ request, items }: BatchWrite, asked: readonly WriteRequest[]): void {
  const own = items.map((index) => asked[index] as WriteRequest);
  if (own.length === 1) return assert.equal(request, own[0]);
  assert.equal(new Set([request, ...own].map(nameOf)).size, 1);
  const amounts = own.map(amountOf);
  assert.equal(
    BigInt(amountOf(request)),
    amounts.reduce((sum, by) => sum + BigInt(by), 0n),
  );
  assert.ok(Number.isSafeInteger(amounts.reduce((sum, by) => sum + Math.abs(by), 0)));
}

/** Whether it is a sum that others of its kind could join. */
function isSum({ request }: BatchWrite): boolean {
  return request.op.kind === "add" && request.context === EMPTY_CONTEXT && request.sort === undefined;
}

function amountOf({ op }: WriteRequest): number {
  return op.kind === "add" ? op.by : Number.NaN;
}

function nameOf({ bucket, key, sort, level, deadlineMs, context }: WriteRequest): string {
  return [bucket, String(key), String(sort), level, deadlineMs, context === EMPTY_CONTEXT].join(" ");
}
