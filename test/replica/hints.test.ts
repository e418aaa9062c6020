/** The hint book alone, on a simulated disk: what it keeps, merges, gives up, and finds again. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8 } from "../../src/base/bytes.js";
import { DEFAULT_LIMITS, type Limits } from "../../src/config.js";
import { EMPTY_CONTEXT } from "../../src/lattice/context.js";
import { register } from "../../src/lattice/register.js";
import type { AnyLattice } from "../../src/lattice/registry.js";
import type { World } from "../../src/ports.js";
import { Carriers } from "../../src/replica/carriers.js";
import type { SentHint } from "../../src/replica/hint-index.js";
import { ALL_HINTS } from "../../src/replica/hint-record.js";
import { HintBook } from "../../src/replica/hints.js";
import { encodeRow } from "../../src/replica/rows.js";
import type { Owners } from "../../src/replica/votes.js";
import { SimClock } from "../../src/sim/clock.js";
import { SimDisk } from "../../src/sim/disk.js";
import { SimMeter } from "../../src/sim/meter.js";
import { SimRandom } from "../../src/sim/random.js";
import { SimStorage } from "../../src/sim/storage.js";
import { SimNetwork } from "../../src/sim/transport.js";
import { Turn } from "../../src/turn.js";
import type { Entry } from "../../src/wire/messages.js";

const lattice = register as AnyLattice;
const OWNERS: Owners = {
  ...{ self: "n1", partitions: 1, placements: 1 },
  ownersOf: () => ["n1", "n2", "n3"],
  ownedBy: () => [0],
  datacenterOf: () => "dc1",
};

/** One node's book, on a disk that outlives it. */
class Desk {
  readonly clock = new SimClock();
  readonly disk = new SimDisk();
  readonly meter = new SimMeter();
  book!: HintBook;
  private turn!: Turn;
  private storage: SimStorage | undefined;

  constructor(private limits: Partial<Limits> = {}) {
    this.open();
  }

  open(): void {
    this.beginSearch(1);
    this.pass(10);
  }

  private beginSearch(commitMs: number): void {
    this.storage = new SimStorage({ clock: this.clock, disk: this.disk, commitMs });
    const random = new SimRandom("desk");
    const log = { info() {}, warn() {} };
    const ports = { clock: this.clock, random, storage: this.storage, meter: this.meter, log, bootId: "" };
    const world: World = { ...ports, transport: new SimNetwork(this.clock, random).port("n1") };
    this.turn = new Turn(world);
    const limits = { ...DEFAULT_LIMITS, ...this.limits };
    const nowMs = () => this.clock.wallMs();
    const carriers = new Carriers({ meter: this.meter, limits, nowMs, correctionMs: () => 0 });
    const mint = { observe() {} };
    const parts = { world: this.turn.world, limits, owners: OWNERS, carriers, mint };
    this.book = this.turn.run(() => {
      const book = new HintBook({ ...parts, latticeOf: () => lattice, isAlive: () => false });
      book.load();
      return book;
    });
  }

  /** Like a crash, and the search of what was left has only begun. */
  reopen(): void {
    this.storage?.crash("kept");
    this.beginSearch(0);
  }

  crash(tail: "lost" | "kept", limits = this.limits): void {
    this.storage?.crash(tail);
    this.limits = limits;
    this.open();
  }

  /** Keeps a value of a key, stamped now; nothing is durable until time passes. */
  begin(key: string, value: string, target = "n3"): { kept: boolean | undefined } {
    const outcome: { kept: boolean | undefined } = { kept: undefined };
    const entry = entryOf(key, value, Math.floor(this.clock.wallMs() * 1000));
    this.turn.run(() =>
      this.book.keep(target, [entry], ([kept]) => {
        outcome.kept = kept;
      }),
    );
    return outcome;
  }

  keep(key: string, value: string, target = "n3"): boolean | undefined {
    const outcome = this.begin(key, value, target);
    this.pass(10);
    return outcome.kept;
  }

  oldest(target = "n3"): readonly SentHint[] {
    return this.turn.run(() => this.book.oldest(target));
  }

  settle(sent: SentHint, target = "n3"): void {
    this.remove(sent, target);
    this.pass(10);
  }

  /** The same, and it is not durable yet. */
  remove(sent: SentHint, target = "n3"): void {
    this.turn.run(() => this.book.settle(target, sent));
  }

  expire(target = "n3"): boolean {
    return this.turn.run(() => this.book.expire(target));
  }

  pass(forMs: number): void {
    this.clock.runUntil(this.clock.nowMs() + forMs);
  }

  /** The values kept for n3, the oldest first. */
  get values(): string[] {
    return this.oldest().map(({ entry }) =>
      Buffer.from(lattice.view(lattice.decode(entry.state), 0).contents[0]?.value ?? []).toString(),
    );
  }
}

function entryOf(key: string, value: string, bornAtUs: number): Entry {
  const row = encodeRow({ placement: 0, token: 7n, bucket: "b", key: utf8(key), sort: new Uint8Array(0) });
  const op = { kind: "put", contentType: "", value: utf8(value), expiresAtMs: undefined } as const;
  const state = lattice.encode(
    lattice.mutate(undefined, { op, stamp: { timeUs: bornAtUs, actor: 1n }, context: EMPTY_CONTEXT }),
  );
  return { row, state, bornAtUs };
}

test("a hint counts as kept when it is on disk, not before", () => {
  const desk = new Desk();
  const outcome = desk.begin("ada", "x");
  assert.equal(outcome.kept, undefined);
  desk.crash("lost");
  assert.deepEqual(desk.values, []);
  assert.equal(desk.keep("ada", "y"), true);
  for (const tail of ["lost", "kept"] as const) {
    desk.crash(tail);
    assert.deepEqual(desk.values, ["y"]);
  }
});

test("a hint that absorbs nothing new waits for what is still on its way to the disk", () => {
  const desk = new Desk();
  const first = desk.begin("ada", "x");
  const second = desk.begin("ada", "x");
  assert.deepEqual([first.kept, second.kept], [undefined, undefined]);
  desk.disk.fail(1, "full");
  desk.pass(10);
  assert.deepEqual([first.kept, second.kept], [false, false]);
  assert.equal(desk.meter.sum("murmur_hints_refused_total", { reason: "disk" }), 2);
  assert.deepEqual(desk.book.counts(), []);
});

test("the newest state of a row is kept, in the order of age over a restart", () => {
  const desk = new Desk();
  for (const [key, value] of ["a1", "b1", "c1", "a2"].map((word) => [word[0] as string, word] as const)) {
    desk.pass(5);
    desk.keep(key, value);
  }
  assert.deepEqual(desk.values, ["b1", "c1", "a2"]);
  desk.crash("lost");
  assert.deepEqual(desk.values, ["b1", "c1", "a2"]);
  const [{ hints, bytes } = { hints: 0, bytes: 0 }] = desk.book.counts();
  assert.equal(hints, 3);
  assert.equal(
    bytes,
    desk.oldest().reduce((sum, { record }) => sum + record.length, 0),
  );
});

test("a delivered hint goes, unless more was added since it was sent", () => {
  const desk = new Desk();
  const settled: [first: number, next: number][] = [];
  desk.book.onSettled = (first, next) => settled.push([first, next]);
  desk.keep("ada", "sent");
  const [sent] = desk.oldest() as [SentHint];
  desk.pass(5);
  desk.keep("ada", "added");
  desk.settle(sent);
  assert.deepEqual([desk.values, settled], [["added"], [[1, 2]]]);
  const [again] = desk.oldest() as [SentHint];
  desk.settle(again);
  assert.deepEqual([desk.values, settled.length], [[], 2]);
  desk.settle(again);
  assert.equal(settled.length, 2, "once");
  desk.crash("lost");
  assert.deepEqual(desk.values, []);
});

test("a hint with a state that is not on disk yet is sent as it is there, and stays", () => {
  const desk = new Desk();
  desk.keep("ada", "durable");
  desk.pass(5);
  desk.begin("ada", "pending");
  const [sent] = desk.oldest() as [SentHint];
  assert.deepEqual(desk.values, ["durable"]);
  desk.settle(sent);
  assert.deepEqual(desk.values, ["pending"]);
});

test("the bounds are kept per owner: rows, bytes, and what waits for the disk", () => {
  const rows = new Desk({ hintRowsMax: 2 });
  assert.deepEqual(
    [rows.keep("a", "1"), rows.keep("b", "1"), rows.keep("c", "1"), rows.keep("a", "2")],
    [true, true, false, true],
  );
  assert.equal(rows.keep("c", "1", "n2"), true);
  const bytes = new Desk({ hintBytesMax: 1000 });
  assert.deepEqual(
    [bytes.keep("a", "x".repeat(500)), bytes.keep("b", "x".repeat(500)), bytes.keep("c", "x")],
    [true, false, true],
  );
  assert.equal(bytes.meter.sum("murmur_hints_refused_total", { reason: "bytes" }), 1);
  const busy = new Desk({ hintBytesPendingMax: 1000 });
  const [first, second] = [busy.begin("a", "x".repeat(800)), busy.begin("b", "x".repeat(800))];
  assert.equal(second.kept, false);
  busy.pass(10);
  assert.deepEqual([first.kept, busy.keep("b", "x".repeat(800))], [true, true]);
});

test("room is free when a removal is durable: what a failing disk gives back is within the bound", () => {
  const desk = new Desk({ hintRowsMax: 2 });
  desk.keep("a", "1");
  desk.keep("b", "1");
  const [first] = desk.oldest();
  desk.disk.fail(1, "io");
  desk.remove(first as SentHint);
  assert.equal(desk.keep("c", "1"), false);
  assert.equal(desk.book.counts()[0]?.hints, 2);
  desk.settle(first as SentHint);
  assert.equal(desk.keep("c", "1"), true);
});

test("of what an earlier life has left, and this one kept before it was found, the bound leaves the youngest", () => {
  const disk = new Desk({ hintRowsMax: 4 });
  for (const key of ["a", "b", "c", "d"]) disk.keep(key, key);
  disk.crash("kept", { hintRowsMax: 2 });
  assert.deepEqual(disk.values, ["c", "d"]);
  assert.equal(disk.meter.sum("murmur_hints_dropped_total", { reason: "bound" }), 2);
});

test("a hint that is delivered while the search for what was left goes on does not come back", () => {
  const desk = new Desk({ scanRowsMax: 1 });
  for (const key of ["a", "b"]) assert.equal(desk.keep(key, "left"), true);
  // One slice has met "a", the next meets "b", the last nothing.
  desk.reopen();
  desk.begin("a", "joined");
  assert.ok(desk.clock.step() && desk.clock.step());
  for (const sent of desk.oldest()) desk.remove(sent);
  desk.pass(10);
  assert.deepEqual(
    desk.book.counts().map(({ hints }) => hints),
    [1],
  );
});

test("what is too old is given up, the oldest first, and then nothing is kept until the owner is back", () => {
  const desk = new Desk({ hintAgeMsMax: 1000 });
  desk.keep("old", "old");
  desk.pass(600);
  desk.keep("young", "young");
  desk.pass(600);
  assert.ok(desk.expire());
  assert.deepEqual(desk.values, ["young"]);
  assert.equal(desk.keep("new", "new"), false);
  assert.equal(desk.book.counts()[0]?.hasExpired, true);
  desk.book.onUp("n3");
  assert.equal(desk.keep("new", "new"), true);
});

test("more hints than one turn gives up are given up over several", () => {
  const desk = new Desk({ hintAgeMsMax: 1000 });
  for (let index = 0; index < 1500; index++) desk.begin(`key ${index}`, "x");
  desk.pass(2000);
  assert.equal(desk.expire(), false);
  assert.equal(desk.expire(), true);
  assert.equal(desk.meter.sum("murmur_hints_expired_total"), 1500);
});

test("a damaged hint is dropped and counted, whoever meets it, and the others are found", () => {
  const meets: ((desk: Desk) => void)[] = [
    (desk) => desk.crash("lost"),
    (desk) => void desk.oldest(),
    (desk) => void desk.keep("b", "b2"),
  ];
  for (const meet of meets) {
    const desk = new Desk();
    for (const key of ["a", "b", "c"]) desk.keep(key, `${key}1`);
    const [, key] = desk.disk.keys(ALL_HINTS.from, ALL_HINTS.to, 10) as [Uint8Array, Uint8Array];
    desk.disk.flip(key, 300);
    meet(desk);
    desk.pass(10);
    assert.equal(desk.meter.sum("murmur_hints_dropped_total", { reason: "damaged" }), 1);
    assert.deepEqual(
      desk.values.filter((value) => !value.startsWith("b")),
      ["a1", "c1"],
    );
    desk.crash("lost");
    assert.deepEqual(
      desk.values.filter((value) => !value.startsWith("b")),
      ["a1", "c1"],
    );
  }
});

test("a page that cannot be read costs its hints, never the node", () => {
  const desk = new Desk();
  for (const key of ["a", "b", "c"]) desk.keep(key, `${key}1`);
  const [, key] = desk.disk.keys(ALL_HINTS.from, ALL_HINTS.to, 10) as [Uint8Array, Uint8Array];
  desk.disk.damage(key);
  assert.equal(desk.keep("b", "b2"), true, "written anew");
  desk.disk.damage(key);
  assert.deepEqual(desk.values, ["a1", "c1"]);
  desk.pass(10);
  desk.crash("lost");
  assert.deepEqual(desk.values, ["a1", "c1"]);
});

test("what cannot be a hint is refused: for oneself, for no owner, of no row, without a state", () => {
  const desk = new Desk();
  assert.equal(desk.keep("ada", "x", "n1"), false);
  assert.equal(desk.keep("ada", "x", "n9"), false);
  assert.equal(desk.meter.sum("murmur_hints_refused_total", { reason: "malformed" }), 2);
});
