/** One owner that makes changes: what it refuses, and what happens while a stamp or the disk lets it wait. */
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { utf8 } from "../../src/base/bytes.js";
import { DEFAULT_LIMITS } from "../../src/config.js";
import { contextUpTo, EMPTY_CONTEXT } from "../../src/lattice/context.js";
import { counter } from "../../src/lattice/counter.js";
import { type AnyLattice, latticeNamed } from "../../src/lattice/registry.js";
import type { Stamp } from "../../src/lattice/stamp.js";
import type { StorageError } from "../../src/ports.js";
import { Carriers } from "../../src/replica/carriers.js";
import { Minting, type MintingParts } from "../../src/replica/minting.js";
import { encodeRow } from "../../src/replica/rows.js";
import { SimMeter } from "../../src/sim/meter.js";
import type { Minted, MintResult, Wish } from "../../src/wire/mint-messages.js";

const NOW_US = 1_000_000_000_000;
const ROW = encodeRow({ placement: 0, token: 1n, bucket: "b", key: utf8("k"), sort: new Uint8Array(0) });
const COUNTER = latticeNamed("counter") as AnyLattice;

/** What the owner holds, and what waits: stamps and commits come when the test says so. */
let held: Uint8Array | undefined;
let stamps: { aboveUs: number; onStamp: (stamp: Stamp | undefined) => void }[];
let commits: { state: Uint8Array | undefined; onCommitted: (error?: StorageError) => void }[];
let [votes, isOff, isReadable, isKnown] = [true, false, true, true];
let minting: Minting;
let results: MintResult[];

beforeEach(() => {
  [held, stamps, commits, results] = [undefined, [], [], []];
  [votes, isOff, isReadable] = [true, false, true];
  const clock = { meter: new SimMeter(), limits: DEFAULT_LIMITS, nowMs: () => NOW_US / 1000, correctionMs: () => 0 };
  const parts = {
    world: { meter: new SimMeter() },
    limits: DEFAULT_LIMITS,
    latticeOf: () => COUNTER,
    mint: {
      observe: () => {},
      mint: (aboveUs: number, onStamp: (stamp: Stamp | undefined) => void) => stamps.push({ aboveUs, onStamp }),
    },
    carriers: new Carriers(clock),
    replica: {
      counts: () => votes,
      hasRoomFor: (bytes: number) => bytes < 1000,
      heldLatest: () => (isReadable ? { record: held, state: held } : undefined),
      commit(
        _row: Uint8Array,
        _held: unknown,
        state: Uint8Array | undefined,
        onCommitted: (error?: StorageError) => void,
      ) {
        if (state !== undefined) held = state;
        commits.push({ state, onCommitted });
      },
    },
    isVouched: () => isKnown,
    stampRefusal: () => (isOff ? "the clock is off" : undefined),
  } as unknown as MintingParts;
  minting = new Minting(parts);
});

function begin(wish: Partial<Wish> = {}): void {
  const op = { kind: "add", by: 1 } as const;
  minting.mint(
    [{ row: ROW, op, context: EMPTY_CONTEXT, id: undefined, known: undefined, hasRead: true, ...wish }],
    (made) => results.push(...made),
  );
}

/** The encoded state in which an actor has counted up to `sum`. */
function counted(actor: bigint, timeUs: number, sum: number): Uint8Array {
  const change = { op: { kind: "add", by: sum }, stamp: { timeUs, actor }, context: EMPTY_CONTEXT } as const;
  return counter.encode(counter.mutate(counter.bottom, change));
}

function valueOfState(state: Uint8Array): string {
  return Buffer.from(counter.view(counter.decode(state), 0).contents[0]?.value ?? []).toString();
}

const stampNext = (timeUs: number) => stamps.shift()?.onStamp({ timeUs, actor: 1n });

test("what must not or cannot be changed here is said before anything is stamped", () => {
  votes = false;
  begin();
  [votes, isOff] = [true, true];
  begin();
  [isOff, isKnown] = [false, false];
  begin();
  isKnown = true;
  begin({ known: { state: counted(2n, 1, 1), bornAtUs: NOW_US - (DEFAULT_LIMITS.carrierAgeMaxMs + 1) * 1000 } });
  begin({ known: { state: utf8("garbage"), bornAtUs: NOW_US } });
  begin({ op: { kind: "put", contentType: "", value: new Uint8Array(1000), expiresAtMs: undefined } });
  begin({ hasRead: false });
  isReadable = false;
  begin();
  const said = results.map(({ status }) => status);
  assert.deepEqual(said, [
    "not-voting",
    "clock-skew",
    "unvouched",
    "stale",
    "malformed",
    "overloaded",
    "absent",
    "damaged",
  ]);
  assert.deepEqual([stamps.length, commits.length], [0, 0]);
});

test("the stamp is above what is held, what the asker knows and what the client has seen", () => {
  held = counted(1n, 500, 5);
  begin();
  begin({ known: { state: counted(2n, 700, 3), bornAtUs: NOW_US } });
  begin({ context: contextUpTo({ timeUs: 900, actor: 3n }) });
  assert.deepEqual(
    stamps.map(({ aboveUs }) => aboveUs),
    [500, 700, 900],
  );
});

test("nothing is told before it is durable", () => {
  begin();
  stampNext(10);
  assert.deepEqual([commits.length, results.length], [1, 0]);
  commits[0]?.onCommitted();
  assert.equal(results[0]?.status, "minted");
});

test("what was merged while the stamp let it wait is in the state, and a stamp that is not above it is minted anew", () => {
  begin();
  held = counted(2n, 100, 7);
  stampNext(50);
  assert.deepEqual([commits.length, stamps[0]?.aboveUs], [0, 100]);
  stampNext(101);
  commits[0]?.onCommitted();
  assert.equal(valueOfState((results[0] as Minted).state), '{"value":8}');
});

test("a vote that lapses while the stamp is awaited makes no change; one that lapses later is told", () => {
  begin();
  votes = false;
  stampNext(10);
  assert.deepEqual([results[0]?.status, commits.length], ["not-voting", 0]);
  votes = true;
  begin();
  stampNext(20);
  votes = false;
  commits[0]?.onCommitted();
  const made = results[1];
  assert.ok(made?.status === "minted" && !made.votes);
});

test("a state is as old as what the asker knew, where that went into it", () => {
  begin({ known: { state: counted(2n, 100, 7), bornAtUs: NOW_US - 5000 } });
  stampNext(101);
  commits[0]?.onCommitted();
  assert.equal((results[0] as Minted).bornAtUs, NOW_US - 5000);
  assert.equal(valueOfState((results[0] as Minted).state), '{"value":8}');
});

test("a disk that refuses the bound of stamps, or the state, is told apart from one that is broken", () => {
  begin();
  stamps.shift()?.onStamp(undefined);
  for (const kind of ["full", "io"] as const) {
    begin();
    stampNext(10);
    held = undefined;
    commits.pop()?.onCommitted({ kind, detail: "" });
  }
  assert.deepEqual(
    results.map(({ status }) => status),
    ["disk-full", "disk-full", "damaged"],
  );
});

test("an operation of another type changes nothing, whoever let it pass", () => {
  begin({ op: { kind: "edit-set", add: ["a"], remove: [] } });
  stampNext(10);
  const [refused] = results;
  assert.ok(refused?.status === "refused" && refused.kind === "type-mismatch");
  assert.equal(commits.length, 0);
});
