/**
 * Hash trees against the slow obvious sum of what is stored: under any sequence
 * of writes, removals, failed commits, damage, healing, snapshots and restarts.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { utf8 } from "../../src/base/bytes.js";
import { tokenOf } from "../../src/base/hash.js";
import { DEFAULT_LIMITS, type Limits } from "../../src/config.js";
import { leavesPerPartition } from "../../src/replica/leaves.js";
import { Merkle } from "../../src/replica/merkle.js";
import { ALL_ROWS, encodeRecord, encodeRow, orderedToken, partitionOfRow } from "../../src/replica/rows.js";
import { readSlice } from "../../src/replica/slice.js";
import { treeFault } from "../../src/replica/tree-check.js";
import { ALL_TREES } from "../../src/replica/tree-records.js";
import type { Owners } from "../../src/replica/votes.js";
import { SimClock } from "../../src/sim/clock.js";
import { SimDisk } from "../../src/sim/disk.js";
import { SimMeter } from "../../src/sim/meter.js";
import { SimRandom } from "../../src/sim/random.js";
import { SimStorage } from "../../src/sim/storage.js";
import { Turn } from "../../src/turn.js";

const PARTITIONS = 4;
const COMMIT_MS = 5;
const KEY_MAX = 60;
const LIMITS: Limits = { ...DEFAULT_LIMITS, treeLeavesMax: 32, scanRowsMax: 40, treeNoteIntervalMs: 1000 };

/** Of three members; n1 owns all, n3 every second partition of the second placement alone. */
const OWNERS: Owners = {
  self: "n1",
  partitions: PARTITIONS,
  placements: 2,
  ownersOf: (placement, partition) => (placement === 0 || partition % 2 === 0 ? ["n1", "n2"] : ["n3", "n1"]),
  ownedBy: (node, placement) =>
    [0, 1, 2, 3].filter((partition) => OWNERS.ownersOf(placement, partition).includes(node)),
  datacenterOf: () => "dc1",
};

function rowOf(key: number): Uint8Array {
  const bytes = utf8(`key ${key}`);
  const token = orderedToken(tokenOf(bytes));
  return encodeRow({ placement: key % 2, token, bucket: "b", key: bytes, sort: new Uint8Array(0) });
}

/** One node's store and trees, over its restarts. */
class Bench {
  readonly disk = new SimDisk();
  readonly clock = new SimClock();
  readonly meter = new SimMeter();
  starts = 0;
  storage!: SimStorage;
  turn!: Turn;
  merkle!: Merkle;
  private endTimers = () => {};

  constructor(private readonly limits: Limits = LIMITS) {
    this.start();
  }

  /** Starts, and lets so much time pass: the trees may not be built by then. */
  start(passMs = 1000): void {
    this.starts++;
    const clock = this.clock.nodeClock({});
    this.endTimers = () => clock.stop();
    this.storage = new SimStorage({ clock, disk: this.disk, commitMs: COMMIT_MS });
    const log = { info: () => {}, warn: () => {} };
    const transport = { send: () => {}, onReceive: () => {}, release: () => {} };
    const random = new SimRandom(this.starts);
    this.turn = new Turn({ clock, storage: this.storage, meter: this.meter, log, transport, random, bootId: "1" });
    this.merkle = new Merkle(this.turn.world, this.limits, OWNERS);
    this.turn.run(() => this.merkle.build(() => {}));
    this.pass(passMs);
  }

  pass(forMs: number): void {
    this.clock.runUntil(this.clock.nowMs() + forMs);
  }

  put(key: number, value: string): void {
    const row = rowOf(key);
    this.commit(key, encodeRecord(row, utf8(value)));
  }

  commit(key: number, record: Uint8Array | undefined): void {
    const row = rowOf(key);
    this.turn.run(() => {
      // What is damaged is never overwritten: it is replaced.
      if (this.isDamaged(key)) this.merkle.replace(row, record, () => {});
      else this.merkle.commit(row, this.storage.latest(row), record, () => {});
    });
  }

  /** A write on its way to the disk will replace the damage, and is what a merge finds. */
  isDamaged(key: number): boolean {
    try {
      this.storage.latest(rowOf(key));
      return false;
    } catch {
      return true;
    }
  }

  damage(key: number): void {
    if (!this.isDamaged(key) && this.storage.durable(rowOf(key)) !== undefined) this.disk.damage(rowOf(key));
  }

  heal(): void {
    for (let key = 0; key <= KEY_MAX; key++) if (this.isDamaged(key)) this.put(key, "healed");
  }

  recheck(key: number): void {
    const [row, leaves] = [rowOf(key), this.merkle.leaves];
    const first = partitionOfRow(row, PARTITIONS) * leaves.perPartition + leaves.leafOfRow(row);
    this.turn.run(() => this.merkle.recheck({ placement: key % 2, first, end: first + 1 }));
  }

  /** Every row at rest, and the trees as they should be. */
  assertTrue(): void {
    this.heal();
    this.pass(500);
    assert.ok(this.merkle.isBuilt);
    assert.equal(treeFault(this.storage, OWNERS, this.merkle), undefined);
  }

  crash(tail: "lost" | "kept"): void {
    this.endTimers();
    this.storage.crash(tail);
  }

  stop(): void {
    this.turn.run(() => this.merkle.stop(() => {}));
    this.pass(100);
    this.crash("kept");
  }

  notes(): number {
    return this.disk.keys(ALL_TREES.from, ALL_TREES.to, 1000).length;
  }
}

/** Few of them often, so that much befalls one row. */
const key = fc.oneof(fc.nat(KEY_MAX), fc.nat(2));
const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant("put" as const), key, value: fc.string({ minLength: 1 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("remove" as const), key }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("pass" as const), ms: fc.constantFrom(1, 3, 7, 30) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("note" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("fail" as const), groups: fc.nat(2) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("damage" as const), key }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("heal" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("recheck" as const), key }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("stop" as const), passMs: fc.constantFrom(0, 1000) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("crash" as const),
      tail: fc.constantFrom("lost" as const, "kept" as const),
      passMs: fc.constantFrom(0, 1000),
    }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;

function take(bench: Bench, deed: Step): void {
  switch (deed.kind) {
    case "put":
      return bench.isDamaged(deed.key) ? undefined : bench.put(deed.key, deed.value);
    case "remove":
      return bench.commit(deed.key, undefined);
    case "pass":
      return bench.pass(deed.ms);
    case "note":
      return bench.pass(LIMITS.treeNoteIntervalMs + 50);
    case "fail":
      return bench.disk.fail(deed.groups, "full");
    case "damage":
      return bench.damage(deed.key);
    case "heal":
      return bench.heal();
    case "recheck":
      return bench.recheck(deed.key);
    case "stop":
      bench.stop();
      return bench.start(deed.passMs);
    case "crash":
      bench.crash(deed.tail);
      return bench.start(deed.passMs);
  }
}

test("under any sequence of events the trees are the sums of what is stored", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const bench = new Bench();
      for (const deed of steps) take(bench, deed);
      bench.disk.fail(0, "full");
      bench.assertTrue();
    }),
    { numRuns: 150 },
  );
});

/** What a start reads of the rows themselves. */
function rowsReadAtStart(bench: Bench): number {
  const { scan } = SimStorage.prototype;
  let rows = 0;
  SimStorage.prototype.scan = function (this: SimStorage, ...bounds) {
    const found = scan.apply(this, bounds);
    if (bounds[0][0] === 1) rows += found.length;
    return found;
  };
  bench.start();
  SimStorage.prototype.scan = scan;
  return rows;
}

function filled(rows = 60, limits = LIMITS): Bench {
  const bench = new Bench(limits);
  for (let each = 0; each < rows; each++) bench.put(each, "first");
  bench.pass(50);
  return bench;
}

test("after an orderly stop no row is read again; the first write of a partition ends what was noted of it", () => {
  const bench = filled();
  bench.stop();
  assert.equal(bench.notes(), 8);
  assert.equal(rowsReadAtStart(bench), 0);
  assert.equal(bench.merkle.rows, 60);
  bench.put(7, "second");
  bench.pass(50);
  assert.equal(bench.notes(), 7);
  bench.crash("lost");
  const read = rowsReadAtStart(bench);
  assert.ok(read > 0 && read < 30, `${read} rows`);
  bench.assertTrue();
});

test("a write that the crash took back leaves what was noted as true as before", () => {
  const bench = filled();
  bench.stop();
  bench.start();
  bench.put(7, "never durable");
  bench.crash("lost");
  assert.equal(rowsReadAtStart(bench), 0);
  bench.assertTrue();
});

test("after a quiet time a crash costs no reading either", () => {
  const bench = filled();
  bench.crash("lost");
  assert.equal(rowsReadAtStart(bench), 60);
  bench.pass(LIMITS.treeNoteIntervalMs + 100);
  bench.crash("lost");
  assert.equal(rowsReadAtStart(bench), 0);
  bench.assertTrue();
});

test("notes of other limits, or damaged ones, are not believed, and go with the next write", () => {
  const bench = filled();
  bench.stop();
  const [noted] = bench.disk.keys(ALL_TREES.from, ALL_TREES.to, 1);
  bench.disk.flip(noted as Uint8Array, 200);
  const read = rowsReadAtStart(bench);
  assert.ok(read > 0 && read < 30, `${read} rows`);
  bench.assertTrue();
  bench.stop();
  bench.disk.damage(noted as Uint8Array);
  assert.equal(rowsReadAtStart(bench), 60);
  bench.assertTrue();
});

test("a leaf with a row that cannot be read looks like nobody's until the row is replaced", () => {
  const bench = filled();
  const before = Buffer.from(bench.merkle.digestWith("n2"));
  bench.damage(8);
  bench.crash("lost");
  bench.start();
  assert.equal(bench.merkle.unreadableLeaves, 1);
  assert.notDeepEqual(Buffer.from(bench.merkle.digestWith("n2")), before);
  bench.put(8, "first");
  bench.pass(50);
  assert.equal(bench.merkle.unreadableLeaves, 0);
  assert.deepEqual(Buffer.from(bench.merkle.digestWith("n2")), before);
});

test("a row that cannot be read, though a newer one is on its way, is counted once that has come", () => {
  const bench = filled();
  bench.put(8, "second");
  bench.damage(8);
  bench.recheck(8);
  bench.pass(1);
  assert.equal(bench.merkle.unreadableLeaves, 1);
  bench.pass(50);
  assert.equal(bench.merkle.unreadableLeaves, 0);
  bench.assertTrue();
});

test("walks step over what cannot be read, and over nothing but what lies between such rows", () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(59), { maxLength: 12 }), fc.integer({ min: 1, max: 70 }), (damaged, rowsMax) => {
      const bench = filled();
      const sound = bench.disk.keys(ALL_ROWS.from, ALL_ROWS.to, 100).map((row) => Buffer.from(row).toString("hex"));
      for (const each of damaged) bench.damage(each);
      const seen: string[] = [];
      let gaps = 0;
      for (let from: Uint8Array | undefined = ALL_ROWS.from; from !== undefined; ) {
        const slice = readSlice(bench.storage, from, ALL_ROWS.to, { rowsMax, bytesMax: 500 });
        seen.push(...slice.rows.map(({ key: row }) => Buffer.from(row).toString("hex")));
        if (slice.gapFrom !== undefined) gaps++;
        from = slice.next;
      }
      const lost = new Set(damaged.map((each) => Buffer.from(rowOf(each)).toString("hex")));
      assert.ok(!seen.some((row) => lost.has(row)));
      const places = [...lost].map((row) => sound.indexOf(row));
      const isBetween = (row: string) =>
        Math.min(...places) < sound.indexOf(row) && sound.indexOf(row) < Math.max(...places);
      const isSeen = new Set(seen);
      const missed = sound.filter((row) => !lost.has(row) && !isSeen.has(row));
      assert.ok(missed.every(isBetween) && (lost.size > 2 || missed.length === 0), `${missed.length} rows were missed`);
      assert.deepEqual(
        seen,
        sound.filter((row) => isSeen.has(row)),
      );
      assert.ok(gaps <= damaged.length && gaps > 0 === damaged.length > 0, `${gaps} gaps`);
    }),
    { numRuns: 40, examples: [[[3, 49, 11], 1]] },
  );
});

test("a node with many partitions has few leaves in each, and one with few not more than a record holds", () => {
  const cut = (partitions: number, treeLeavesMax: number) => {
    const all = Array.from({ length: partitions }, (_, partition) => partition);
    return leavesPerPartition({ ...OWNERS, partitions, placements: 1, ownedBy: () => all }, { treeLeavesMax });
  };
  assert.deepEqual(
    [cut(1024, 65_536), cut(1024, 100_000), cut(1024, 1), cut(1, 65_536), cut(16, 65_536)],
    [64, 64, 1, 4096, 4096],
  );
});
