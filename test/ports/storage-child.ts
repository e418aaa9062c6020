/**
 * A process with a storage, for tests that kill it or take something from it.
 *
 *     storage-child.js write <dir>       writes for ever; prints the name of each row once it is acknowledged
 *     storage-child.js sync-fails <dir>  the second sync fails; prints what was acknowledged
 *     storage-child.js no-room <dir>     writes until a commit fails; prints why, and what is left
 */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { TIGHT_LIMITS } from "./storage-real.js";

const WRITERS = 8;
const ROWS_MAX = 100_000;
const [mode, dir = ""] = process.argv.slice(2);

if (mode === "sync-fails") {
  const { fdatasync } = fs;
  let calls = 0;
  fs.fdatasync = ((file: number, onDone: fs.NoParamCallback) => {
    calls += 1;
    if (calls < 2) fdatasync(file, onDone);
    else setImmediate(onDone, Object.assign(new Error("EIO: i/o error, fdatasync"), { code: "EIO" }));
  }) as typeof fs.fdatasync;
  syncBuiltinESMExports();
}

// Loaded after the change above, which it would not see otherwise.
const { openStorage } = await import("../../src/real/storage.js");
const storage = openStorage({ dir, durability: "group", limits: TIGHT_LIMITS });

/** Waits while nobody reads, where `fs.writeSync` throws EAGAIN: a quick disk acknowledges more than the pipe holds. */
function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function write(name: string, value: Uint8Array, onDone: (failure: string | undefined) => void): void {
  storage.commit([{ key: Buffer.from(name), value }], (error) => onDone(error?.kind));
  storage.release();
}

/** One row after the other, each after the last was acknowledged. */
function writeOn(writer: number, row: number): void {
  const name = `${writer}/${row}`;
  write(name, Buffer.alloc(400, row), (failure) => {
    if (mode === "no-room" && failure !== undefined) {
      say(`${failure} ${storage.scan(Buffer.from("0/"), Buffer.from("0/~"), ROWS_MAX).length === row}`);
      process.exit();
    }
    say(name);
    if (row < ROWS_MAX) writeOn(writer, row + 1);
  });
}

for (let writer = 0; writer < (mode === "write" ? WRITERS : 1); writer++) writeOn(writer, 0);
