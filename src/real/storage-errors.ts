/**
 * What an error of SQLite or of the file system means for the store.
 *
 * A read without a trustworthy answer is `StorageDamage`. A commit that did not
 * happen is a `StorageError`. A sync that failed is neither: the kernel may
 * have dropped the pages it could not write, and a second sync would succeed
 * without them, so the process must end and start from what the disk really
 * has. At opening, every error becomes one sentence with path and remedy.
 */
import type { StorageError } from "../ports.js";
import { StorageDamage } from "../ports.js";

/** The store cannot be opened. The message is one sentence that names the path and the remedy. */
export class StorageOpenError extends Error {
  override readonly name = "StorageOpenError";
}

/** The disk did not keep a promise. Thrown where nobody catches it: the process ends. */
export class DiskBroken extends Error {
  override readonly name = "DiskBroken";
}

/** SQLite's name of an error, such as SQLITE_FULL, or the operating system's, such as EACCES. */
export function errorCode(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}

/** What a failed read throws. */
export function damageOf(error: unknown): unknown {
  const code = errorCode(error);
  if (!code.startsWith("SQLITE_")) return error;
  return new StorageDamage(`the store cannot be read: ${code}: ${messageOf(error)}`);
}

/** What a failed transaction reports. Throws what a commit cannot survive. */
export function commitErrorOf(error: unknown): StorageError {
  const code = errorCode(error);
  if (code.includes("FSYNC")) throw diskBroken(error);
  if (!code.startsWith("SQLITE_")) throw error;
  // The index of the log is a file too: when it cannot grow, the disk is full.
  const full = code === "SQLITE_FULL" || code === "SQLITE_IOERR_SHMSIZE";
  return { kind: full ? "full" : "io", detail: `${code}: ${messageOf(error)}` };
}

/** The end of the process, after a sync that failed. */
export function diskBroken(error: unknown): DiskBroken {
  return new DiskBroken(
    `the disk failed to sync (${messageOf(error)}): what was written may be lost, so this process ends; check the disk before starting it again`,
  );
}

/** Opening `dir` failed with `error`. */
export function openErrorOf(dir: string, error: unknown): unknown {
  if (error instanceof StorageOpenError) return error;
  const code = errorCode(error);
  const remedy = OPEN_REMEDIES.find(([pattern]) => pattern.test(code) || pattern.test(messageOf(error)));
  if (remedy === undefined) return error;
  return new StorageOpenError(`the data directory ${dir} ${remedy[1]} (${code || messageOf(error).split("\n")[0]})`, {
    cause: error,
  });
}

/** The first pattern that fits the error's code or message tells what to do. */
const OPEN_REMEDIES: ReadonlyArray<readonly [RegExp, string]> = [
  [
    /ERR_DLOPEN_FAILED|MODULE_NOT_FOUND|bindings file/,
    "cannot be opened without the native part of better-sqlite3: run `npm rebuild better-sqlite3` (it needs python3, make and g++) or `npm install --foreground-scripts`, with the Node.js that runs MurmurDB",
  ],
  [
    /^SQLITE_BUSY|^SQLITE_LOCKED/,
    "is in use by another process: stop that one, or give this node a directory of its own",
  ],
  [/^ENOTDIR|^EEXIST/, "is or lies under something that is not a directory: name another place, or move the file away"],
  [/^EACCES|^EPERM|^SQLITE_PERM|^SQLITE_AUTH/, "may not be read and written by this user: change its owner or mode"],
  [/^EROFS|^SQLITE_READONLY/, "cannot be written: make it and the files in it writable for this user"],
  [/^ENOSPC|^EDQUOT|^SQLITE_FULL/, "has no space left: free some, or name a directory on another disk"],
  [
    /^SQLITE_NOTADB|^SQLITE_CORRUPT/,
    "holds a store.db that is damaged or no database: move the directory away and start again, the node is then rebuilt from its peers",
  ],
  [
    /^SQLITE_CANTOPEN|^ENOENT|^EISDIR/,
    "cannot be made, or holds something that cannot be opened as a file: name a place where this user may make folders, and see that store.db and lock.db are files",
  ],
  [/^SQLITE_IOERR|^EIO/, "cannot be read or written: check the disk, or name a directory on another one"],
];

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
