/** Ranges on virtual time: every living cell once, in the order of sort keys, whatever its owners differ in. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { bytesToMapKey, compareBytes, utf8 } from "../../src/base/bytes.js";
import { tokenOf } from "../../src/base/hash.js";
import { below, happens, pick } from "../../src/base/random.js";
import { SeededRandom } from "../../src/base/seeded.js";
import { DEFAULT_HEDGE } from "../../src/cluster-config.js";
import type { Level } from "../../src/config.js";
import type { Failure } from "../../src/coordinator/outcome.js";
import type { RangeOutcome, RangeRequest } from "../../src/coordinator/range.js";
import { EMPTY_CONTEXT } from "../../src/lattice/context.js";
import type { Op } from "../../src/lattice/op.js";
import { type Register, register } from "../../src/lattice/register.js";
import { encodeRow, orderedToken, rowBounds, sortOfRow, stateOfRecord, TOKEN_MAX } from "../../src/replica/rows.js";
import { SimCluster, type SimClusterOptions } from "../../src/sim/cluster.js";

const DEADLINE_MS = 1000;
const DELETE: Op = { kind: "delete" };
const putOf = (text: string, expiresAtMs?: number): Op => ({
  ...{ kind: "put", contentType: "text/plain", value: utf8(text) },
  expiresAtMs,
});

function clusterOf(options: Partial<SimClusterOptions> = {}): SimCluster {
  const { limits, ...others } = options;
  const cluster = new SimCluster({ seed: "range", limits: { syncIntervalMs: 3_000_000, ...limits }, ...others });
  cluster.startAll();
  return cluster;
}

interface Wish {
  readonly key?: string;
  readonly bucket?: string;
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly cellsMax?: number;
  readonly level?: Level;
}

function requestOf({ key = "k", bucket = "b", from, to, cellsMax = 100, level = "QUORUM" }: Wish): RangeRequest {
  const bounds = {
    from: from === undefined ? undefined : utf8(from),
    to: to === undefined ? undefined : utf8(to),
  };
  const rest = { level, cellsMax, deadlineMs: DEADLINE_MS, hedge: DEFAULT_HEDGE, mend: true };
  return { bucket, key: utf8(key), ...bounds, ...rest };
}

type Page = Extract<RangeOutcome, { ok: true }>;

function pageOf(outcome: RangeOutcome): Page {
  assert.ok(outcome.ok, outcome.ok ? "" : outcome.failure.detail);
  return outcome;
}

function failureOf(outcome: RangeOutcome): Failure {
  assert.ok(!outcome.ok);
  return outcome.failure;
}

function cellsOf({ cells }: Page): string[] {
  return cells.map(({ sort, view }) => `${Buffer.from(sort)}=${Buffer.from(view.contents[0]?.value ?? [])}`);
}

function page(cluster: SimCluster, at: string, wish: Wish = {}): string[] {
  return cellsOf(pageOf(cluster.range(at, requestOf(wish))));
}

/** All pages, one after another. */
function rangeAll(cluster: SimCluster, at: string, wish: Wish, between: () => void = () => {}): string[] {
  const cells: string[] = [];
  let from = wish.from;
  for (;;) {
    const answer = pageOf(cluster.range(at, requestOf({ ...wish, from })));
    assert.ok(answer.cells.length <= (wish.cellsMax ?? 100));
    cells.push(...cellsOf(answer));
    if (answer.next === undefined) return cells;
    from = Buffer.from(answer.next).toString();
    between();
  }
}

function write(cluster: SimCluster, at: string, sort: string, op: Op, wish: Wish = {}): void {
  const { key = "k", bucket = "b", level = "QUORUM" } = wish;
  const cell = { bucket, key: utf8(key), sort: utf8(sort) };
  const outcome = cluster.write(at, { ...cell, op, context: EMPTY_CONTEXT, level, deadlineMs: DEADLINE_MS });
  assert.ok(outcome.ok, outcome.ok ? "" : outcome.failure.detail);
}

function put(cluster: SimCluster, at: string, sorts: readonly string[], wish: Wish = {}): void {
  for (const sort of sorts) write(cluster, at, sort, putOf(sort), wish);
}

const sortsNamed = (count: number) => Array.from({ length: count }, (_, index) => `s${String(index).padStart(3, "0")}`);
const asCells = (sorts: readonly string[]) => sorts.map((sort) => `${sort}=${sort}`);

function rowOfCell(cluster: SimCluster, sort: string, key = "k"): Uint8Array {
  const placement = cluster.member("n1").ring.placementOf("b");
  const address = { placement, token: orderedToken(tokenOf(utf8(key))), bucket: "b", key: utf8(key), sort: utf8(sort) };
  return encodeRow(address);
}

for (const level of ["ONE", "QUORUM", "ALL", "LOCAL_QUORUM"] as const) {
  for (const cellsMax of [1, 7, 1000]) {
    test(`all cells in order, at ${level}, ${cellsMax} a page`, () => {
      const cluster = clusterOf({ nodes: 5 });
      const sorts = sortsNamed(30);
      put(cluster, "n1", sorts.toReversed());
      cluster.run(100);
      for (const at of ["n2", "n5"]) assert.deepEqual(rangeAll(cluster, at, { level, cellsMax }), asCells(sorts));
    });
  }
}

test("a key without cells is one empty page with no next, and so is a range that ends before it begins", () => {
  const cluster = clusterOf();
  const empty = { ok: true, cells: [], next: undefined } as const;
  for (const wish of [{}, { from: "b", to: "a" }, { from: "a", to: "a" }]) {
    const { replicas: _, mended, ...answer } = pageOf(cluster.range("n1", requestOf(wish)));
    assert.deepEqual([answer, mended], [empty, []]);
  }
});

test("from is included, to is not, and sort keys are bytes", () => {
  const cluster = clusterOf();
  const sorts = ["", "\u0000", "a", "a\u0000", "aa", "b", "é", "\u{10ffff}"];
  put(cluster, "n1", sorts.toReversed());
  assert.deepEqual(page(cluster, "n2"), asCells(sorts));
  assert.deepEqual(page(cluster, "n2", { from: "a", to: "b" }), asCells(["a", "a\u0000", "aa"]));
  assert.deepEqual(page(cluster, "n2", { from: "b" }), asCells(sorts.slice(5)));
  assert.deepEqual(page(cluster, "n2", { to: "a" }), asCells(sorts.slice(0, 2)));
  assert.deepEqual(rangeAll(cluster, "n3", { cellsMax: 1 }), asCells(sorts));
});

test("a range has no cells of other keys and buckets, though their rows lie beside it", () => {
  const cluster = clusterOf({ partitions: 1 });
  put(cluster, "n1", ["a", "b"]);
  for (const key of ["j", "k2", "kk", "l"]) put(cluster, "n1", ["a", "x"], { key });
  for (const bucket of ["a", "bb", "c"]) put(cluster, "n1", ["a", "x"], { bucket });
  assert.deepEqual(rangeAll(cluster, "n2", { cellsMax: 1 }), asCells(["a", "b"]));
});

test("what was deleted or has expired is left out", () => {
  const cluster = clusterOf();
  put(cluster, "n1", ["a", "b", "d"]);
  write(cluster, "n1", "c", putOf("c", cluster.nodeClock("n1").wallMs() + 5000));
  write(cluster, "n2", "b", DELETE);
  assert.deepEqual(page(cluster, "n3"), asCells(["a", "c", "d"]));
  cluster.run(6000);
  assert.deepEqual(page(cluster, "n3"), asCells(["a", "d"]));
});

test("the limit cuts what is left when all that was deleted is left out", () => {
  const cluster = clusterOf();
  const sorts = sortsNamed(60);
  put(cluster, "n1", sorts);
  for (const sort of sorts.slice(0, 50)) write(cluster, "n1", sort, DELETE);
  assert.deepEqual(page(cluster, "n2", { cellsMax: 3 }), asCells(sorts.slice(50, 53)));
  assert.deepEqual(rangeAll(cluster, "n2", { cellsMax: 3 }), asCells(sorts.slice(50)));
});

test("where nearly all was deleted, a range answers in time, with less or nothing, and where to go on", () => {
  const cluster = clusterOf({ limits: { listRowsMax: 20 } });
  const sorts = sortsNamed(60);
  put(cluster, "n1", sorts);
  for (const sort of sorts.slice(0, 59)) write(cluster, "n1", sort, DELETE);
  const first = pageOf(cluster.range("n2", requestOf({ cellsMax: 5 })));
  assert.deepEqual(first.cells, []);
  assert.ok(first.next !== undefined);
  assert.deepEqual(rangeAll(cluster, "n2", { cellsMax: 5 }), asCells(sorts.slice(59)));
});

test("a page ends where its values have come to enough bytes", () => {
  const cluster = clusterOf({ limits: { rangeBytesMax: 1000 } });
  const sorts = sortsNamed(10);
  for (const sort of sorts) write(cluster, "n1", sort, putOf(sort.repeat(100)));
  const first = pageOf(cluster.range("n2", requestOf({})));
  assert.deepEqual([first.cells.length, Buffer.from(first.next ?? []).toString()], [3, "s002\u0000"]);
  assert.deepEqual(
    rangeAll(cluster, "n2", {}),
    sorts.map((sort) => `${sort}=${sort.repeat(100)}`),
  );
});

test("what one owner missed is in the range, and mended by it; what it missed to delete is not", () => {
  const cluster = clusterOf();
  put(cluster, "n1", ["a", "b", "c"]);
  cluster.run(100);
  cluster.network.partition([["n1", "n2"], ["n3"]]);
  write(cluster, "n1", "b", DELETE);
  write(cluster, "n1", "c", putOf("new"));
  put(cluster, "n1", ["d"]);
  cluster.network.heal();
  assert.deepEqual(page(cluster, "n3", { level: "ONE" }), asCells(["a", "b", "c"]));
  const outcome = pageOf(cluster.range("n3", requestOf({})));
  assert.deepEqual(cellsOf(outcome), ["a=a", "c=new", "d=d"]);
  assert.deepEqual(outcome.mended, ["n3"]);
  assert.equal(cluster.meter("n3").sum("murmur_mends_total"), 3, "a was not behind");
  assert.deepEqual(page(cluster, "n3", { level: "ONE" }), ["a=a", "c=new", "d=d"]);
});

test("a tombstone that one owner alone holds counts, and is held by a quorum once a quorum was answered", () => {
  const cluster = clusterOf();
  put(cluster, "n1", ["a", "b"]);
  cluster.run(100);
  cluster.network.partition([["n1"], ["n2", "n3"]]);
  write(cluster, "n1", "a", DELETE, { level: "ONE" });
  cluster.network.heal();
  assert.deepEqual(page(cluster, "n1"), asCells(["b"]));
  cluster.crash("n1");
  for (const at of ["n2", "n3"]) assert.deepEqual(page(cluster, at), asCells(["b"]));
});

test("without mends a range tells the merge of those asked, and leaves them as they are", () => {
  const cluster = clusterOf();
  cluster.network.partition([["n1", "n2"], ["n3"]]);
  put(cluster, "n1", ["a"]);
  cluster.network.heal();
  const outcome = pageOf(cluster.range("n3", { ...requestOf({}), mend: false }));
  assert.deepEqual([cellsOf(outcome), outcome.mended], [["a=a"], []]);
  assert.deepEqual(page(cluster, "n3", { level: "ONE" }), []);
});

test("a damaged cell is told by the owners that can read it, and by nobody taken for absent", () => {
  const cluster = clusterOf();
  const sorts = sortsNamed(6);
  put(cluster, "n1", sorts);
  cluster.run(100);
  const damage = (node: string, index: number, kind: "flip" | "damage") => {
    const row = rowOfCell(cluster, sorts[index] as string);
    if (kind === "flip") cluster.disk(node).flip(row, 200);
    else cluster.disk(node).damage(row);
  };
  damage("n1", 3, "flip");
  damage("n2", 0, "damage");
  damage("n3", 5, "flip");
  for (const at of ["n1", "n2", "n3"]) assert.deepEqual(rangeAll(cluster, at, { level: "ONE" }), asCells(sorts));
  cluster.runUntil(() => cluster.meter("n1").sum("murmur_healed_rows_total") > 0);
  assert.deepEqual(page(cluster, "n1", { level: "ONE" }), asCells(sorts));
});

test("what no owner can read ends a range: first before it, then there", () => {
  const cluster = clusterOf();
  put(cluster, "n1", ["a", "b", "c"]);
  cluster.run(100);
  for (const id of cluster.ids) cluster.disk(id).damage(rowOfCell(cluster, "b"));
  const first = pageOf(cluster.range("n1", requestOf({})));
  assert.deepEqual(cellsOf(first), ["a=a"]);
  const next = Buffer.from(first.next ?? []).toString();
  assert.equal(failureOf(cluster.range("n1", requestOf({ from: next }))).kind, "failed");
});

test("a cell exactly where the shortest page ends is the next page's: one of its owners has not looked at it", () => {
  const cluster = clusterOf();
  const [first, behind] = ["b", "b\u0000"];
  put(cluster, "n1", [first, behind]);
  cluster.run(100);
  cluster.network.partition([["n1"], ["n2", "n3"]]);
  write(cluster, "n1", "a", DELETE, { level: "ONE" });
  write(cluster, "n1", behind, putOf("new"), { level: "ONE" });
  cluster.network.heal();
  // The page of n1 is the tombstone and b; those of the others reach one cell further.
  assert.deepEqual(page(cluster, "n2", { level: "ALL", cellsMax: 2 }), [`${first}=b`, `${behind}=new`]);
});

test("too few owners reachable: unavailable; a silent majority: a timeout, with counts", () => {
  const cluster = clusterOf();
  put(cluster, "n1", ["a"]);
  cluster.network.partition([["n1"], ["n2", "n3"]]);
  const silent = failureOf(cluster.range("n1", requestOf({})));
  assert.deepEqual([silent.kind, silent.required, silent.received, silent.mayHaveApplied], ["timeout", 2, 1, false]);
  cluster.runUntil(() => !cluster.member("n1").opinionOf("n2").alive && !cluster.member("n1").opinionOf("n3").alive);
  assert.equal(failureOf(cluster.range("n1", requestOf({}))).kind, "unavailable");
  assert.deepEqual(page(cluster, "n1", { level: "ONE" }), asCells(["a"]));
});

test("cells that live throughout are told once each, whatever is written between two pages", () => {
  for (let seed = 0; seed < 10; seed++) {
    const cluster = clusterOf({ seed });
    const random = new SeededRandom(seed);
    const kept = sortsNamed(40).filter((_, index) => index % 3 === 0);
    const others = sortsNamed(40).filter((_, index) => index % 3 !== 0);
    put(cluster, "n1", sortsNamed(40));
    const told = rangeAll(cluster, "n2", { cellsMax: 4 }, () => {
      for (let times = 0; times < 5; times++) {
        write(cluster, pick(random, cluster.ids), pick(random, others), happens(random, 0.6) ? DELETE : putOf("again"));
      }
    });
    const sorts = told.map((cell) => cell.slice(0, 4));
    assert.deepEqual(sorts, [...new Set(sorts)].sort(), "in order, none twice");
    assert.deepEqual(
      told.filter((cell) => kept.includes(cell.slice(0, 4))),
      asCells(kept),
    );
  }
});

/** What all disks hold of the key's cells, merged one by one. */
function slowModel(cluster: SimCluster): Map<string, Register> {
  const model = new Map<string, { sort: Uint8Array; state: Register }>();
  const { from, to } = rowBounds(cluster.member("n1").ring.placementOf("b"), 0n, TOKEN_MAX);
  for (const id of cluster.ids) {
    for (const { key: row, value } of cluster.storage(id).scan(from, to, 10_000)) {
      const state = register.decode(stateOfRecord(row, value));
      const name = bytesToMapKey(sortOfRow(row));
      model.set(name, { sort: sortOfRow(row), state: register.merge(model.get(name)?.state, state) });
    }
  }
  const cells = [...model.values()].sort((a, b) => compareBytes(a.sort, b.sort));
  return new Map(cells.map(({ sort, state }) => [Buffer.from(sort).toString(), state]));
}

test("whatever the owners differ in, a range at ALL tells what a slow merge of their disks does", () => {
  const numbers = fc.record({ seed: fc.nat(), steps: fc.nat({ max: 40 }), cellsMax: fc.integer({ min: 1, max: 12 }) });
  fc.assert(
    fc.property(numbers, ({ seed, steps, cellsMax }) => {
      const cluster = clusterOf({ seed, limits: { rangeBytesMax: 150 } });
      const random = new SeededRandom(seed);
      // Each sorts just behind another: there a page may be cut.
      const sorts = sortsNamed(6).flatMap((sort) => [sort, `${sort}\u0000`]);
      for (let step = 0; step < steps; step++) {
        if (happens(random, 0.2)) cluster.network.partition([[pick(random, cluster.ids)]]);
        const op = happens(random, 0.4) ? DELETE : putOf(`v${step}`.repeat(1 + below(random, 5)));
        write(cluster, pick(random, cluster.ids), pick(random, sorts), op, { level: "ONE" });
      }
      cluster.network.heal();
      const [from, to] = [pick(random, [undefined, ...sorts]), pick(random, [undefined, ...sorts])];
      const living = [...slowModel(cluster)].filter(([, state]) => !register.isDead(state, 0));
      const within = living.filter(([sort]) => (from ?? "") <= sort && (to === undefined || sort < to));
      const expected = within.map(([sort, state]) => `${sort}=${Buffer.from(state?.value ?? [])}`);
      assert.deepEqual(rangeAll(cluster, pick(random, cluster.ids), { level: "ALL", cellsMax, from, to }), expected);
    }),
    { numRuns: 60 },
  );
});
