/**
 * The thread that copies a broken store, so that the event loop need not: see storage-salvage.ts.
 */
import { parentPort, workerData } from "node:worker_threads";
import { assert } from "../base/assert.js";
import { type Copied, copyRows } from "./storage-salvage.js";

const port = parentPort;
assert(port !== null, "the salvaging thread is started by its storage");

function copy(): Copied {
  try {
    return { rows: copyRows(workerData as string) };
  } catch (error) {
    return { error: String(error) };
  }
}

port.postMessage(copy());
