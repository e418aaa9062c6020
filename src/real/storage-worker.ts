/**
 * The thread that folds the log into the database file, so that the event loop need not.
 *
 * Its connection syncs the log before the database is written and the database
 * before the log may be written over. A pass never waits for a reader or the
 * writer: what is still in use stays in the log for the next pass.
 */
import { parentPort, workerData } from "node:worker_threads";
import { assert } from "../base/assert.js";
import { errorCode } from "./storage-errors.js";
import { connect } from "./storage-open.js";

/** How far a pass came: frames in the log, and how many of them the database file holds too. */
export interface FoldResult {
  readonly frames: number;
  readonly folded: number;
  /** SQLite's name of the error that ended the pass, or "". */
  readonly error: string;
}

const port = parentPort;
assert(port !== null, "the folding thread is started by its engine");
const connection = connect(workerData as string);
const pass = connection.prepare<[], [number, number, number]>("PRAGMA wal_checkpoint(PASSIVE)").raw();

function fold(): FoldResult {
  try {
    const [busy, frames, folded] = pass.get() ?? [1, 0, 0];
    return { frames, folded, error: busy === 0 ? "" : "SQLITE_BUSY" };
  } catch (error) {
    if (!errorCode(error).startsWith("SQLITE_")) throw error;
    return { frames: 0, folded: 0, error: errorCode(error) };
  }
}

port.on("message", (order: "fold" | "end") => {
  if (order === "fold") port.postMessage(fold());
  else {
    connection.close();
    port.close();
  }
});
