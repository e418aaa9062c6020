/**
 * Random histories of a Storage against a slow, obvious model of it.
 *
 * The model is a sorted list of what is durable and a list of what is pending.
 * It is driven by the callbacks, so it needs no idea of when a disk is done;
 * what it checks is that both views, at every moment, are what the callbacks
 * so far have said, and that a crash leaves what was acknowledged plus, at
 * most, the first few of the pending batches, each whole.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Storage, StorageError, Write } from "../../src/ports.js";
import { bytes, type Harness } from "./storage-harness.js";

type Rows = ReadonlyMap<string, Uint8Array>;

type Step =
  | { readonly kind: "commit"; readonly batch: readonly Write[] }
  | { readonly kind: "release" | "begin" | "settle" | "crash" | "fill" | "free" }
  | { readonly kind: "scan"; readonly from: Uint8Array; readonly to: Uint8Array; readonly limit: number };

const KEYS = [bytes(), bytes(0), bytes(0, 0), bytes(0, 0xff), bytes(0x61), bytes(0xff), bytes(0xff, 0)];
const LAST = bytes(0xff, 0xff);

const anyKey = fc.constantFrom(...KEYS);
const anyValue = fc.option(
  fc.tuple(fc.constantFrom(0, 1, 100, 9_000), fc.nat(255)).map(([length, fill]) => new Uint8Array(length).fill(fill)),
  { nil: undefined, freq: 4 },
);
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("commit" as const),
      batch: fc.array(fc.record({ key: anyKey, value: anyValue }), { maxLength: 4 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom("release" as const, "begin" as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("settle" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom("crash" as const, "fill" as const, "free" as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("scan" as const), from: anyKey, to: anyKey, limit: fc.nat(4) }),
  },
);

/** Throws, with the shrunk history, when a storage and the model differ. */
export async function randomHistories(make: () => Harness, count: number): Promise<void> {
  const property = fc.asyncProperty(fc.array(anyStep, { maxLength: 60, size: "max" }), async (steps) => {
    const harness = make();
    const model = new Model();
    try {
      for (const step of steps) {
        await run(step, harness, model);
        model.check(harness.storage);
      }
      await harness.settle();
      assert.equal(model.pendingCount, 0, "every commit calls back");
      model.check(harness.storage);
    } finally {
      await harness.close();
    }
  });
  await fc.assert(property, { numRuns: count });
}

async function run(step: Step, harness: Harness, model: Model): Promise<void> {
  const { storage } = harness;
  switch (step.kind) {
    case "commit":
      storage.commit(step.batch, model.onCommit(step.batch));
      break;
    case "release":
      storage.release();
      break;
    case "begin":
      await harness.begin();
      break;
    case "settle":
      await harness.settle();
      break;
    case "crash":
      harness.crash();
      model.onCrash(harness.storage);
      break;
    case "fill":
    case "free":
      harness.setFull(step.kind === "fill");
      break;
    case "scan":
      assert.deepEqual(
        shown(storage.scan(step.from, step.to, step.limit)),
        shown(model.scan(step.from, step.to).slice(0, step.limit)),
      );
  }
}

class Model {
  private durable: Rows = new Map();
  private pending: Array<readonly Write[]> = [];
  /** How many of the pending ones must fail because an earlier one has failed. */
  private doomed = 0;
  /** A real storage whose files were copied lives on after its crash; nobody is there to hear it. */
  private life = 0;

  get pendingCount(): number {
    return this.pending.length;
  }

  onCommit(batch: readonly Write[]): (error?: StorageError) => void {
    this.pending.push(batch);
    const { life } = this;
    return (error) => {
      if (life !== this.life) return;
      assert.equal(this.pending[0], batch, "callbacks come in call order");
      this.pending.shift();
      if (error !== undefined && this.doomed === 0) this.doomed = this.pending.length + 1;
      assert.equal(error !== undefined, this.doomed > 0, "when one fails, all later pending ones fail");
      if (error === undefined) this.durable = after(this.durable, batch);
      else this.doomed -= 1;
    };
  }

  /** Whatever the disk has must be acknowledged, or a beginning of what was pending. */
  onCrash(storage: Storage): void {
    const found = shown(storage.scan(bytes(), LAST, 100));
    let rows = this.durable;
    for (const batch of [[], ...this.pending]) {
      rows = after(rows, batch);
      if (JSON.stringify(shown(rowsOf(rows))) !== JSON.stringify(found)) continue;
      this.durable = rows;
      this.pending = [];
      this.life += 1;
      return;
    }
    assert.fail("after a crash there is less than was acknowledged, or part of a batch");
  }

  check(storage: Storage): void {
    const latest = this.pending.reduce(after, this.durable);
    for (const key of KEYS) {
      assert.deepEqual(hex(storage.durable(key)), hex(this.durable.get(hex(key) as string)), "durable");
      assert.deepEqual(hex(storage.latest(key)), hex(latest.get(hex(key) as string)), "latest");
    }
  }

  scan(from: Uint8Array, to: Uint8Array): Write[] {
    return rowsOf(this.durable).filter(({ key }) => Buffer.compare(key, from) >= 0 && Buffer.compare(key, to) < 0);
  }
}

function after(rows: Rows, batch: readonly Write[]): Rows {
  const next = new Map(rows);
  for (const { key, value } of batch) {
    if (value === undefined) next.delete(hex(key) as string);
    else next.set(hex(key) as string, value);
  }
  return next;
}

function rowsOf(rows: Rows): Write[] {
  const sorted = [...rows].sort(([a], [b]) => (a < b ? -1 : 1));
  return sorted.map(([key, value]) => ({ key: Buffer.from(key, "hex"), value }));
}

function shown(rows: readonly Write[]): string[] {
  return rows.map(({ key, value }) => `${hex(key)}=${hex(value)}`);
}

function hex(value: Uint8Array | undefined): string | undefined {
  return value === undefined ? undefined : Buffer.from(value).toString("hex");
}
