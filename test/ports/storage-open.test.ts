/** Opening a data directory: every error is one sentence with the path and the remedy. */
import assert from "node:assert/strict";
import { cpSync, mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import type Sqlite from "better-sqlite3";
import { DEFAULT_LIMITS } from "../../src/config.js";
import { openStorage } from "../../src/real/storage.js";
import { openErrorOf, StorageOpenError } from "../../src/real/storage-errors.js";
import { close, makeTemporaryDirectory } from "./storage-real.js";

const require = createRequire(import.meta.url);
const Database = require("better-sqlite3") as typeof Sqlite;
const root = makeTemporaryDirectory();
after(() => rmSync(root, { recursive: true }));

const open = (dir: string) => openStorage({ dir, durability: "group", limits: DEFAULT_LIMITS });

function refuses(dir: string, remedy: RegExp): void {
  assert.throws(
    () => open(dir),
    (error) => {
      assert.ok(error instanceof StorageOpenError, String(error));
      assert.ok(error.message.includes(dir), `${error.message} names ${dir}`);
      assert.match(error.message, remedy);
      assert.equal(error.message.includes("\n"), false, "one line");
      return true;
    },
  );
}

/** A directory whose store.db is a database that `make` has worked on. */
function withDatabase(name: string, make: (database: Sqlite.Database) => void): string {
  const dir = join(root, name);
  mkdirSync(dir);
  const database = new Database(join(dir, "store.db"));
  make(database);
  database.close();
  return dir;
}

describe("opening a data directory", () => {
  test("makes it, with all that leads to it", async () => {
    await close(open(join(root, "a", "b", "c")));
  });

  test("refuses a second opener, and takes it once the first has closed", async () => {
    const dir = join(root, "twice");
    const first = open(dir);
    refuses(dir, /is in use by another process: stop that one, or give this node a directory of its own/);
    await close(first);
    await close(open(dir));
  });

  test("names the files: the same ones after a restart, others once a copy has taken their place", async () => {
    const dir = join(root, "original");
    const nameOf = async () => {
      const storage = open(dir);
      const name = storage.identity();
      await close(storage);
      return name;
    };
    const name = await nameOf();
    const { ino, birthtimeNs } = statSync(join(dir, "store.db"), { bigint: true });
    assert.equal(name, `${ino} ${birthtimeNs}`);
    assert.equal(await nameOf(), name);
    cpSync(dir, join(root, "copy"), { recursive: true, preserveTimestamps: true });
    rmSync(dir, { recursive: true });
    cpSync(join(root, "copy"), dir, { recursive: true, preserveTimestamps: true });
    assert.notEqual(await nameOf(), name);
  });

  test("refuses what is not a directory, or cannot become one", () => {
    const file = join(root, "file");
    writeFileSync(file, "");
    refuses(file, /not a directory: name another place/);
    refuses(join(file, "below"), /not a directory: name another place/);
    mkdirSync(join(root, "folder", "store.db"), { recursive: true });
    refuses(join(root, "folder"), /cannot be opened as a file/);
  });

  test("refuses a file that is no database", () => {
    const dir = join(root, "text");
    mkdirSync(dir);
    writeFileSync(join(dir, "store.db"), "Once upon a time ".repeat(1000));
    refuses(dir, /damaged or no database: move the directory away/);
  });

  test("refuses another program's database, and leaves it as it was", () => {
    const dir = withDatabase("foreign", (database) => database.exec("CREATE TABLE theirs (a)"));
    refuses(dir, /belongs to another program/);
    const database = new Database(join(dir, "store.db"), { readonly: true });
    assert.equal(database.pragma("journal_mode", { simple: true }), "delete");
    database.close();
  });

  test("refuses a format of another version", async () => {
    const dir = join(root, "format");
    await close(open(dir));
    const database = new Database(join(dir, "store.db"));
    database.pragma("user_version = 7");
    database.close();
    refuses(dir, /has format 7, this version reads 1: start the version/);
  });

  test("says what to do when the native part of better-sqlite3 is missing or of another Node.js", () => {
    const path = require.resolve("better-sqlite3");
    const cached = require.cache[path];
    assert.ok(cached !== undefined);
    const real = cached.exports;
    cached.exports = class {
      constructor() {
        throw Object.assign(new Error("was compiled against a different Node.js version\nmore"), {
          code: "ERR_DLOPEN_FAILED",
        });
      }
    };
    try {
      refuses(join(root, "no-binding"), /npm rebuild better-sqlite3.*python3, make and g\+\+.*--foreground-scripts/);
    } finally {
      cached.exports = real;
    }
    const missing = openErrorOf("/data", new Error("Could not locate the bindings file. Tried:\n → build"));
    assert.match(String(missing), /StorageOpenError: the data directory \/data .*npm rebuild better-sqlite3/);
  });

  test("names the remedy of every error that a file system gives", () => {
    const cases: Array<[string, RegExp]> = [
      ["EACCES", /may not be read and written by this user: change its owner or mode/],
      ["EROFS", /make it and the files in it writable/],
      ["SQLITE_READONLY_DIRECTORY", /make it and the files in it writable/],
      ["ENOSPC", /free some, or name a directory on another disk/],
      ["SQLITE_CORRUPT", /move the directory away/],
      ["SQLITE_IOERR_READ", /check the disk/],
    ];
    for (const [code, remedy] of cases) {
      const error = openErrorOf("/data", Object.assign(new Error("failed"), { code }));
      assert.ok(error instanceof StorageOpenError);
      assert.match(error.message, remedy);
      assert.match(error.message, /^the data directory \/data /);
    }
    const unknown = new Error("a mistake of ours");
    assert.equal(openErrorOf("/data", unknown), unknown);
  });
});
