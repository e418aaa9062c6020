/**
 * Notes, from inside a node's process, how far its log was synced: each sync is
 * noted when it has ended and before anybody is told of it. So after a kill the
 * note never claims too much, and whoever was acknowledged anything lies before it.
 *
 * The functions that sync are replaced in the module of Node.js, so the store is
 * the one that is shipped and knows nothing of this.
 */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { INDEX_HEAD_BYTES, type LogMark, markOfIndex } from "./log-files.js";

/** `noteFile` is written over with each sync. */
export function noteSyncs(noteFile: string): void {
  const { fdatasync, fdatasyncSync } = fs;
  const note = fs.openSync(noteFile, "w");
  // Never closed: closing any descriptor of the index would give up the locks that SQLite holds on it.
  let index: number | undefined;
  const markOf = (descriptor: number): LogMark | undefined => {
    const path = fs.readlinkSync(`/proc/self/fd/${descriptor}`);
    if (!path.endsWith("-wal")) return undefined;
    index ??= fs.openSync(path.replace(/-wal$/, "-shm"), "r");
    const head = Buffer.alloc(INDEX_HEAD_BYTES);
    fs.readSync(index, head, 0, head.length, 0);
    return markOfIndex(head);
  };
  const write = (mark: LogMark | undefined): void => {
    if (mark !== undefined) fs.writeSync(note, `${mark.salts} ${String(mark.frames).padStart(10)}\n`, 0);
  };
  fs.fdatasync = Object.assign((descriptor: number, onDone: fs.NoParamCallback) => {
    const mark = markOf(descriptor);
    fdatasync(descriptor, (error) => {
      if (error === null) write(mark);
      onDone(error);
    });
  }, fdatasync);
  fs.fdatasyncSync = (descriptor: number) => {
    const mark = markOf(descriptor);
    fdatasyncSync(descriptor);
    write(mark);
  };
  syncBuiltinESMExports();
}

/** What the note of a killed process says. */
export function readNote(noteFile: string): LogMark | undefined {
  const [salts, frames] = fs.readFileSync(noteFile, "latin1").trim().split(/ +/);
  return salts === undefined || frames === undefined ? undefined : { salts, frames: Number(frames) };
}
