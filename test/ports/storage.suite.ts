/**
 * What every Storage must do, real or simulated. The body tells how to let the
 * disk work, how to crash, and how to fill the disk.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Storage } from "../../src/ports.js";
import { bytes, commit, type Harness, type Outcome, put, remove, text } from "./storage-harness.js";
import { randomHistories } from "./storage-model.js";

const LAST = bytes(0xff, 0xff, 0xff, 0xff);
/** Does not fit into any room that a full disk may have left in its files. */
const LARGE = new Uint8Array(256 * 1024).fill(7);

function show(value: Uint8Array | undefined): string | undefined {
  return value === undefined ? undefined : Buffer.from(value).toString();
}

function keysOf(storage: Storage, from: Uint8Array, to: Uint8Array, limit: number): string[] {
  return storage.scan(from, to, limit).map(({ key }) => Buffer.from(key).toString("hex"));
}

export function storageSuite(name: string, make: () => Harness, histories: number): void {
  const check = (sentence: string, body: (harness: Harness) => Promise<void>): void => {
    test(sentence, async () => {
      const harness = make();
      try {
        await body(harness);
      } finally {
        await harness.close();
      }
    });
  };

  describe(`the port Storage, ${name}`, () => {
    viewTests(check);
    orderTests(check);
    fullDiskTests(check);
    scanTests(check);
    test("random histories with crashes equal a slow obvious model", () => randomHistories(make, histories));
  });
}

type Check = (sentence: string, body: (harness: Harness) => Promise<void>) => void;

function viewTests(check: Check): void {
  check("the name of its files stays", async (harness) => {
    const name = harness.storage.identity();
    commit(harness.storage, [put("a", "1")]);
    await harness.settle();
    assert.equal(harness.storage.identity(), name);
    assert.notEqual(name, "");
  });

  check("latest sees a commit at once, durable when it is done", async (harness) => {
    const { storage } = harness;
    const outcome = commit(storage, [put("a", "1")]);
    assert.equal(outcome.isDone, false, "no port calls back inside its own call");
    assert.equal(show(storage.latest(text("a"))), "1");
    assert.equal(storage.durable(text("a")), undefined);
    await harness.begin();
    assert.equal(show(storage.durable(text("a"))), outcome.isDone ? "1" : undefined);
    await harness.settle();
    assert.deepEqual(outcome, { isDone: true, error: undefined });
    assert.equal(show(storage.durable(text("a"))), "1");
  });

  check("1,000 merges of one key within one turn lose none", async (harness) => {
    const { storage } = harness;
    for (let merge = 0; merge < 1000; merge++) {
      const merged = new Uint8Array([...(storage.latest(text("set")) ?? []), merge % 251]);
      storage.commit([{ key: text("set"), value: merged }], () => {});
    }
    storage.release();
    await harness.settle();
    assert.equal(storage.durable(text("set"))?.length, 1000);
    assert.ok(storage.durable(text("set"))?.every((value, index) => value === index % 251));
  });

  check("what durable and scan show, a crash does not take back", async (harness) => {
    for (let round = 0; round < 5; round++) {
      commit(harness.storage, [put("a", `${round}`)]);
      await harness.settle();
      commit(harness.storage, [put("a", "on its way"), put("b", "on its way")]);
      await harness.begin();
      const seen = show(harness.storage.durable(text("a")));
      harness.crash();
      const found = show(harness.storage.durable(text("a"))) ?? "nothing";
      assert.ok([seen, "on its way"].includes(found), `${found} after ${seen} was shown`);
      commit(harness.storage, [remove("b")]);
    }
  });

  check("deleted rows are gone, and may come back", async (harness) => {
    const { storage } = harness;
    commit(storage, [put("a", "1"), remove("never there")]);
    commit(storage, [remove("a")]);
    assert.equal(storage.latest(text("a")), undefined);
    await harness.settle();
    assert.equal(storage.durable(text("a")), undefined);
    commit(storage, [put("a", "2")]);
    await harness.settle();
    harness.crash();
    assert.equal(show(harness.storage.durable(text("a"))), "2");
  });

  check("values of 1 MiB and of no bytes come back whole", async (harness) => {
    const large = new Uint8Array(1024 * 1024).map((_, index) => (index * 31) >>> 3);
    commit(harness.storage, [{ key: text("large"), value: large }, put("empty", "")]);
    await harness.settle();
    harness.crash();
    assert.ok(Buffer.from(large).equals(harness.storage.durable(text("large")) ?? bytes()));
    assert.equal(harness.storage.latest(text("empty"))?.length, 0);
  });
}

function orderTests(check: Check): void {
  check("callbacks come in call order, also of commits called in a callback", async (harness) => {
    const { storage } = harness;
    const called: string[] = [];
    const note = (name: string) => () => void called.push(name);
    for (let index = 0; index < 50; index++) {
      storage.commit(index % 3 === 0 ? [] : [put(`${index % 7}`, `${index}`)], note(`${index}`));
      if (index % 5 === 0) storage.release();
      if (index % 11 === 0) await harness.begin();
    }
    storage.commit([put("outer", "")], () => {
      called.push("outer");
      storage.commit([put("inner", "")], note("inner"));
      storage.release();
    });
    storage.release();
    await harness.settle();
    await harness.settle();
    assert.deepEqual(called, [...Array.from({ length: 50 }, (_, index) => `${index}`), "outer", "inner"]);
  });

  check("commits called while a group is on its way are neither lost nor acknowledged with it", async (harness) => {
    const { storage } = harness;
    const seen: string[] = [];
    storage.commit([put("a", "1")], () => seen.push(`a ${show(storage.durable(text("a")))}`));
    storage.release();
    await harness.begin();
    storage.commit([put("a", "2"), put("b", "2")], () => seen.push(`b ${show(storage.durable(text("b")))}`));
    storage.release();
    await harness.settle();
    assert.deepEqual(seen, ["a 1", "b 2"]);
    assert.equal(show(storage.durable(text("a"))), "2");
  });

  check("a barrier is done when its key is durable, not before", async (harness) => {
    const { storage } = harness;
    commit(storage, [put("a", "first")]);
    await harness.settle();
    commit(storage, [put("a", "second")]);
    await harness.begin();
    let seen: string | undefined;
    // A merge that adds nothing to `latest` may acknowledge only what a crash cannot take back.
    storage.commit([], () => {
      seen = show(storage.durable(text("a")));
    });
    storage.release();
    assert.equal(seen, undefined, "no port calls back inside its own call");
    await harness.settle();
    assert.equal(seen, "second");
  });

  check("a barrier with nothing pending is done in a later input", async (harness) => {
    const outcome = commit(harness.storage, []);
    assert.equal(outcome.isDone, false);
    await harness.settle();
    assert.deepEqual(outcome, { isDone: true, error: undefined });
  });
}

function fullDiskTests(check: Check): void {
  check("a full disk drops the batch and all later pending ones whole, and the store goes on", async (harness) => {
    const { storage } = harness;
    commit(storage, [put("a", "old"), put("b", "old")]);
    await harness.settle();
    harness.setFull(true);
    const outcomes = [
      commit(storage, [put("a", "new"), { key: text("large"), value: LARGE }]),
      commit(storage, [remove("b")]),
      commit(storage, []),
    ];
    await harness.begin();
    outcomes.push(commit(storage, [put("c", "new")]), commit(storage, []));
    await harness.settle();
    assert.deepEqual(
      outcomes.slice(0, 3).map(({ error }) => error?.kind),
      ["full", "full", "full"],
    );
    for (const view of [storage.latest(text("a")), storage.durable(text("a"))]) assert.equal(show(view), "old");
    assert.equal(show(storage.latest(text("b"))), "old");
    assert.equal(storage.latest(text("large")), undefined);

    harness.setFull(false);
    const late = commit(storage, [put("a", "newer"), { key: text("large"), value: LARGE }]);
    await harness.settle();
    assert.deepEqual(late, { isDone: true, error: undefined });
    harness.crash();
    assert.equal(show(harness.storage.durable(text("a"))), "newer");
    assert.equal(harness.storage.durable(text("large"))?.length, LARGE.length);
  });

  check("a commit called in the callback of a failed one is not failed with it", async (harness) => {
    const { storage } = harness;
    harness.setFull(true);
    let retried: Outcome | undefined;
    storage.commit([{ key: text("large"), value: LARGE }], (error) => {
      assert.equal(error?.kind, "full");
      harness.setFull(false);
      retried = commit(storage, [put("a", "1")]);
    });
    const last = commit(storage, [put("b", "1")]);
    await harness.settle();
    await harness.settle();
    assert.ok(retried?.isDone);
    assert.equal(last.error?.kind, "full");
    assert.equal(retried.error, undefined);
    assert.equal(show(storage.durable(text("a"))), "1");
    assert.equal(storage.latest(text("b")), undefined);
  });
}

function scanTests(check: Check): void {
  const keys = [
    bytes(),
    bytes(0),
    bytes(0, 0),
    bytes(0, 0xff),
    bytes(1),
    text("a"),
    text("aa"),
    text("b"),
    bytes(0xff),
    bytes(0xff, 0),
    bytes(0xff, 0xff),
  ];

  check("a scan is in order of unsigned bytes, from its start up to its end", async (harness) => {
    const { storage } = harness;
    for (const key of [...keys].reverse()) commit(storage, [{ key, value: key }]);
    await harness.settle();
    assert.deepEqual(
      keysOf(storage, bytes(), LAST, 100),
      keys.map((key) => Buffer.from(key).toString("hex")),
    );
    assert.deepEqual(keysOf(storage, bytes(0, 0), text("aa"), 100), ["0000", "00ff", "01", "61"]);
    assert.deepEqual(keysOf(storage, bytes(0, 0), text("aa"), 2), ["0000", "00ff"]);
    assert.deepEqual(keysOf(storage, text("b"), text("a"), 100), []);
    assert.deepEqual(keysOf(storage, text("b"), text("b"), 100), []);
    assert.deepEqual(keysOf(storage, bytes(), LAST, 0), []);
    for (const key of keys) assert.deepEqual(Buffer.from(storage.durable(key) ?? text("?")), Buffer.from(key));
  });

  check("a scan ends early once its values have reached their bytes, and never without a row", async (harness) => {
    const { storage } = harness;
    for (let key = 0; key < 6; key++) commit(storage, [{ key: bytes(key), value: new Uint8Array(100) }]);
    await harness.settle();
    const lengthOf = (bytesMax: number) => storage.scan(bytes(), LAST, 5, bytesMax).length;
    assert.deepEqual([1, 100, 101, 250, 10_000].map(lengthOf), [1, 1, 2, 3, 5]);
  });

  check("a scan shows what is durable, whatever is under way", async (harness) => {
    const { storage } = harness;
    commit(storage, [put("a", "1"), put("b", "1")]);
    await harness.settle();
    const outcome = commit(storage, [remove("a"), put("c", "1")]);
    assert.deepEqual(keysOf(storage, bytes(), LAST, 100), ["61", "62"]);
    await harness.begin();
    assert.deepEqual(keysOf(storage, bytes(), LAST, 100), outcome.isDone ? ["62", "63"] : ["61", "62"]);
    await harness.settle();
    assert.deepEqual(keysOf(storage, bytes(), LAST, 100), ["62", "63"]);
  });
}
