/** What SQLite and the disk under it must do: power cuts, kill -9, folding, damage, broken syncs. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { DEFAULT_LIMITS } from "../../src/config.js";
import { StorageDamage } from "../../src/ports.js";
import { openStorage, type SqliteStorage } from "../../src/real/storage.js";
import { StorageOpenError } from "../../src/real/storage-errors.js";
import { PAGE_BYTES } from "../../src/real/storage-open.js";
import { barrier, commit, put, text } from "./storage-harness.js";
import { close, filesOf, makeTemporaryDirectory, TIGHT_LIMITS, writeFiles } from "./storage-real.js";

const CHILD = fileURLToPath(new URL("./storage-child.js", import.meta.url));
const root = makeTemporaryDirectory();
after(() => rmSync(root, { recursive: true }));

let directories = 0;
function newDirectory(): string {
  directories += 1;
  return join(root, `${directories}`);
}

function open(dir: string): SqliteStorage {
  return openStorage({ dir, durability: "group", limits: TIGHT_LIMITS });
}

function rows(storage: SqliteStorage): Map<string, string> {
  const found = storage.scan(text(""), text("~"), 1_000_000);
  return new Map(found.map(({ key, value }) => [Buffer.from(key).toString(), Buffer.from(value).toString()]));
}

/** Overwrites rows until the log has been folded and starts anew. Leaves `last` = the number of the newest. */
async function writeUntilFolded(storage: SqliteStorage): Promise<number> {
  let highest = 0;
  for (let number = 0; ; number++) {
    commit(storage, [put(`${number % 50}`.padEnd(900, "-"), `${number}`), put("last", `${number}`)]);
    await barrier(storage);
    if (storage.walBytes() < highest / 2) return number;
    highest = Math.max(highest, storage.walBytes());
    assert.ok(highest < 3 * TIGHT_LIMITS.walBytesMax, "writers wait when the log is at twice its limit");
  }
}

describe("a power cut", () => {
  test("whatever becomes of the unsynced tail of the log, the acknowledged rows are there", async () => {
    const dir = newDirectory();
    const storage = open(dir);
    // A log that was folded once has frames of its former life behind its end.
    await writeUntilFolded(storage);
    commit(storage, [put("acked", "1"), put("other", "1")]);
    await barrier(storage);
    const acked = rows(storage);
    const ackedBytes = storage.walBytes();
    commit(storage, [put("acked", "2"), put("new", "2")]);
    await barrier(storage);
    const files = filesOf(dir);
    const whole = JSON.stringify([...rows(storage)]);
    const endBytes = storage.walBytes();
    await close(storage);
    assert.ok(endBytes > ackedBytes && files.log.length > endBytes);

    for (let offset = ackedBytes; offset <= endBytes; offset += 127) {
      const flipped = Buffer.from(files.log);
      flipped[offset] = (flipped[offset] as number) ^ 0x40;
      const zeroed = Buffer.from(files.log).fill(0, offset, offset + 512);
      for (const log of [files.log.subarray(0, offset), flipped, zeroed]) {
        const copy = newDirectory();
        writeFiles(copy, { database: files.database, log });
        const found = open(copy);
        const shown = JSON.stringify([...rows(found)]);
        assert.ok(shown === JSON.stringify([...acked]) || shown === whole, `lost rows when cut at ${offset}`);
        await close(found);
        rmSync(copy, { recursive: true });
      }
    }
  });

  test("at any moment between two folds the files hold all that was acknowledged", async () => {
    const dir = newDirectory();
    const storage = open(dir);
    for (let round = 0; round < 4; round++) {
      const last = await writeUntilFolded(storage);
      const copy = newDirectory();
      const { database, log } = filesOf(dir);
      writeFiles(copy, { database, log: log.subarray(0, storage.walBytes()) });
      const found = open(copy);
      assert.equal(rows(found).get("last"), `${last}`);
      assert.deepEqual(rows(found), rows(storage));
      await close(found);
    }
    await close(storage);
  });
});

describe("processes", () => {
  function start(
    mode: string,
    dir: string,
  ): { child: ChildProcess; lines: string[]; nextLine: () => Promise<unknown> } {
    const child = spawn(process.execPath, [CHILD, mode, dir], { stdio: ["ignore", "pipe", "pipe"] });
    after(() => child.kill("SIGKILL"));
    const lines: string[] = [];
    const reader = createInterface({ input: child.stdout as NonNullable<typeof child.stdout> });
    reader.on("line", (line) => lines.push(line));
    return { child, lines, nextLine: () => once(reader, "line") };
  }

  test("kill -9 loses no acknowledged row, and leaves no lock", async () => {
    const dir = newDirectory();
    const { child, lines, nextLine } = start("write", dir);
    while (lines.length < 1000) await nextLine();
    assert.throws(
      () => open(dir),
      (error) =>
        error instanceof StorageOpenError && error.message.includes(dir) && /in use by another/.test(error.message),
    );
    child.kill("SIGKILL");
    await once(child, "close");
    const storage = open(dir);
    const found = rows(storage);
    for (const line of lines) assert.ok(found.has(line), `${line} was acknowledged and is lost`);
    await close(storage);
  });

  test("a sync that fails ends the process, and what it should have synced is not acknowledged", async () => {
    const { child, lines } = start("sync-fails", newDirectory());
    let complaint = "";
    child.stderr?.on("data", (chunk) => {
      complaint += chunk;
    });
    const [code] = await once(child, "close");
    assert.notEqual(code, 0);
    assert.deepEqual(lines, ["0/0"]);
    assert.match(complaint, /DiskBroken: the disk failed to sync \(EIO/);
  });

  test("a file that cannot grow fails commits, and the rows stay readable", async () => {
    const dir = newDirectory();
    const limited = `ulimit -f 400; exec "$0" "$@"`;
    const child = spawn("sh", ["-c", limited, process.execPath, CHILD, "no-room", dir], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const lines: string[] = [];
    for await (const line of createInterface({ input: child.stdout })) lines.push(line);
    assert.match(lines.at(-1) ?? "", /^(io|full) true$/);
  });
});

describe("a store in its directory", () => {
  test("close finishes what is pending, folds the log and gives the directory back", async () => {
    const dir = newDirectory();
    const storage = open(dir);
    const outcome = commit(storage, [put("a", "1")]);
    const closed = close(storage);
    assert.equal(outcome.isDone, false);
    await closed;
    assert.deepEqual(outcome, { isDone: true, error: undefined });
    assert.equal(existsSync(join(dir, "store.db-wal")), false);
    const next = open(dir);
    assert.equal(rows(next).get("a"), "1");
    await close(next);
  });

  test("what waits for the disk is counted, once for each key", async () => {
    const storage = openStorage({ dir: newDirectory(), durability: "group", limits: DEFAULT_LIMITS });
    assert.equal(storage.pendingBytes(), 0);
    for (let turn = 0; turn < 10; turn++) commit(storage, [put("key", "1234567")]);
    assert.equal(storage.pendingBytes(), 10);
    await barrier(storage);
    assert.equal(storage.pendingBytes(), 0);
    await close(storage);
  });

  test("a damaged page is StorageDamage to reads and an error to commits that meet it, never absence", async () => {
    const dir = newDirectory();
    const storage = open(dir);
    const keys = Array.from({ length: 200 }, (_, index) => `${index}`.padStart(3, "0"));
    for (const key of keys) commit(storage, [put(key, "v".repeat(200))]);
    await close(storage);
    const database = readFileSync(join(dir, "store.db"));
    // The first two pages are the schema and the root of the tree.
    for (let page = 2; page * PAGE_BYTES < database.length; page += 2) {
      database.fill(0xff, page * PAGE_BYTES, page * PAGE_BYTES + 64);
    }
    writeFileSync(join(dir, "store.db"), database);

    const damaged = open(dir);
    let failures = 0;
    for (const key of keys) {
      try {
        assert.equal(damaged.durable(text(key))?.length, 200);
      } catch (error) {
        assert.ok(error instanceof StorageDamage);
        assert.throws(() => damaged.latest(text(key)), StorageDamage);
        const outcome = commit(damaged, [put(key, "new")]);
        await barrier(damaged);
        failures += outcome.error?.kind === "io" ? 1 : 0;
      }
    }
    assert.ok(failures > 0 && failures < keys.length, `${failures} of ${keys.length}`);
    assert.throws(() => damaged.scan(text(""), text("~"), 1000), StorageDamage);
    await close(damaged);
  });
});
