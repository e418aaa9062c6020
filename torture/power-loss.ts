/**
 * A loss of power, after the fact: of the log of a killed node, the bytes that
 * were not synced are gone, torn, or turned into something else.
 *
 * What was synced stays: by the note of synced.ts, and by SQLite's own index of
 * the log, as a fold syncs the frames that it copies.
 */
import { closeSync, existsSync, ftruncateSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { below, happens, type Random } from "../src/base/random.js";
import { FRAME_BYTES, foldedFrames, framesOfLog, LOG_HEADER_BYTES, markOfIndex, saltsOfLog } from "./log-files.js";
import { readNote } from "./synced.js";

/** A disk loses whole blocks. */
const BLOCK_BYTES = 512;

/** Cuts the tail of the log in `dir`. Returns how many bytes were at stake. */
export function losePower(random: Random, dir: string, noteFile: string): number {
  const [file, indexFile] = [join(dir, "store.db-wal"), join(dir, "store.db-shm")];
  if (!existsSync(file)) return 0;
  const log = readFileSync(file);
  if (log.length < LOG_HEADER_BYTES) return 0;
  const durableBytes = LOG_HEADER_BYTES + durableFrames(log, indexFile, noteFile) * FRAME_BYTES;
  const endBytes = LOG_HEADER_BYTES + framesOfLog(log) * FRAME_BYTES;
  // With the machine, memory is gone.
  rmSync(indexFile, { force: true });
  if (endBytes <= durableBytes) return 0;
  const descriptor = openSync(file, "r+");
  if (happens(random, 0.5)) {
    ftruncateSync(descriptor, durableBytes + below(random, endBytes - durableBytes));
  } else {
    for (let at = durableBytes; at < endBytes; at += BLOCK_BYTES) {
      if (happens(random, 0.5))
        writeSync(descriptor, garbage(random, Math.min(BLOCK_BYTES, endBytes - at)), 0, null, at);
    }
  }
  closeSync(descriptor);
  return endBytes - durableBytes;
}

/** Zeroes, as of a block never written, or anything. */
function garbage(random: Random, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  if (happens(random, 0.5)) for (let at = 0; at < length; at++) bytes[at] = below(random, 256);
  return bytes;
}

function durableFrames(log: Buffer, indexFile: string, noteFile: string): number {
  const salts = saltsOfLog(log);
  const note = readNote(noteFile);
  const noted = note?.salts === salts ? note.frames : 0;
  const index = existsSync(indexFile) ? readFileSync(indexFile) : Buffer.alloc(0);
  const isOfThisLog = index.length > 0 && markOfIndex(index).salts === salts;
  return Math.max(noted, isOfThisLog ? foldedFrames(index) : 0);
}
