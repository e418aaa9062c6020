/** A real store whose tree of keys is broken by flipped bits, and put together anew. */
import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { tokenOf } from "../../src/base/hash.js";
import { DEFAULT_LIMITS } from "../../src/config.js";
import { openStorage, type SqliteStorage } from "../../src/real/storage.js";
import { ALL_ROWS, encodeRecord, encodeRow, isSoundRecord, orderedToken } from "../../src/replica/rows.js";
import { barrier, commit } from "./storage-harness.js";
import { close, makeTemporaryDirectory } from "./storage-real.js";

const ROWS = 2000;
const PAGE_BYTES = 8192;

function open(dir: string): SqliteStorage {
  return openStorage({ dir, durability: "os", limits: DEFAULT_LIMITS });
}

function rowAt(index: number): Uint8Array {
  const key = Buffer.from(`key ${index}`);
  return encodeRow({ placement: 0, token: orderedToken(tokenOf(key)), bucket: "b", key, sort: new Uint8Array(0) });
}

const stateAt = (index: number) => Buffer.alloc(100, `state ${index} `);

/** A store with rows, closed; its file is changed by `spoil`. */
async function spoilt(dir: string, spoil: (file: Buffer) => void): Promise<SqliteStorage> {
  const storage = open(dir);
  for (let index = 0; index < ROWS; index++) {
    const row = rowAt(index);
    storage.commit([{ key: row, value: encodeRecord(row, stateAt(index)) }], () => {});
  }
  await barrier(storage);
  await close(storage);
  const file = join(dir, "store.db");
  const bytes = readFileSync(file);
  spoil(bytes);
  writeFileSync(file, bytes);
  return open(dir);
}

/** A bit of the token of every tenth row: its place in the tree is no longer that of its key. */
function flipKeys(file: Buffer): void {
  for (let index = 0; index < ROWS; index += 10) {
    const row = rowAt(index);
    // Pages that were split hold copies that count no more.
    for (let at = file.indexOf(row); at >= 0; at = file.indexOf(row, at + 1))
      file[at + 2] = (file[at + 2] as number) ^ 0x80;
  }
}

function salvage(storage: SqliteStorage): Promise<number | undefined> {
  return new Promise((resolve) => {
    storage.salvage(resolve);
    storage.release();
  });
}

function foundRows(storage: SqliteStorage): number {
  let found = 0;
  for (let index = 0; index < ROWS; index++) if (storage.durable(rowAt(index)) !== undefined) found++;
  return found;
}

async function inFolder(body: (dir: string) => Promise<void>): Promise<void> {
  const dir = makeTemporaryDirectory();
  try {
    await body(dir);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

describe("salvage of a store on disk", () => {
  test("keys out of order are put in order: each sound row is found again, each flipped one under the key it has", () =>
    inFolder(async (dir) => {
      const storage = await spoilt(dir, flipKeys);
      assert.ok(foundRows(storage) < ROWS * 0.9, "searches in a tree out of order miss rows that are there");
      assert.equal(await salvage(storage), ROWS);
      assert.equal(foundRows(storage), ROWS * 0.9);
      const rows = storage.scan(ALL_ROWS.from, ALL_ROWS.to, 10_000);
      assert.equal(rows.length, ROWS);
      assert.ok(rows.every(({ key }, at) => at === 0 || Buffer.compare(rows[at - 1]?.key as Uint8Array, key) < 0));
      assert.equal(rows.filter(({ key, value }) => isSoundRecord(key, value)).length, ROWS * 0.9);
      await close(storage);
    }));

  test("what is written while it runs is kept, and all of it is there after a restart", () =>
    inFolder(async (dir) => {
      const storage = await spoilt(dir, flipKeys);
      const name = storage.identity();
      const before = commit(storage, [{ key: rowAt(ROWS), value: stateAt(ROWS) }]);
      const done = salvage(storage);
      const during = commit(storage, [{ key: rowAt(ROWS + 1), value: stateAt(ROWS + 1) }]);
      assert.ok(((await done) as number) >= ROWS);
      await barrier(storage);
      assert.notEqual(storage.identity(), name);
      assert.deepEqual([before.isDone, during.isDone], [true, true]);
      await close(storage);
      const again = open(dir);
      assert.ok(again.durable(rowAt(ROWS)) !== undefined && again.durable(rowAt(ROWS + 1)) !== undefined);
      assert.equal(again.scan(ALL_ROWS.from, ALL_ROWS.to, 10_000).length, ROWS + 2);
      await close(again);
    }));

  test("pages that cannot be read are left behind, and what lies between them is not", () =>
    inFolder(async (dir) => {
      // Every fifth page, but not those at the top of the tree.
      const storage = await spoilt(dir, (file) => {
        for (let page = 5; page < file.length / PAGE_BYTES; page += 5) {
          if (file[page * PAGE_BYTES] === LEAF_PAGE) file.fill(0xff, page * PAGE_BYTES, page * PAGE_BYTES + 100);
        }
      });
      const rows = await salvage(storage);
      assert.ok(rows !== undefined && rows > ROWS * 0.7 && rows < ROWS, `${rows} rows`);
      assert.equal(foundRows(storage), rows);
      await close(storage);
    }));
});

/** The first byte of a leaf of an index, which a table without row ids is. */
const LEAF_PAGE = 0x0a;
