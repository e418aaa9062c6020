/**
 * SQLite's log as bytes: which frames are in it, and which of them a loss of
 * power may take.
 *
 *     store.db-wal   header of 32 bytes (the salts at 16), then frames: a header of 24 bytes (the salts at 8), a page
 *     store.db-shm   its index: frames of the log at 16, the salts at 32, frames that a fold has begun to copy at 128
 *
 * The index is a file in shared memory; what a killed process wrote there last can
 * be read afterwards. (The formats are SQLite's, fileformat2.html section 4 and walformat.html.)
 */
import { PAGE_BYTES } from "../src/real/storage-open.js";

export const LOG_HEADER_BYTES = 32;
export const FRAME_BYTES = 24 + PAGE_BYTES;
const LOG_SALTS_OFFSET = 16;
const FRAME_SALTS_OFFSET = 8;
const INDEX_FRAMES_OFFSET = 16;
const INDEX_SALTS_OFFSET = 32;
const INDEX_FOLDED_OFFSET = 128;
export const INDEX_HEAD_BYTES = 136;

/** A place in the log: so many frames of the generation that has these salts. */
export interface LogMark {
  readonly salts: string;
  readonly frames: number;
}

/** Where the log ends, by the head of its index. Its numbers are in the order of this machine, its salts as in the log. */
export function markOfIndex(head: Buffer): LogMark {
  return { salts: saltsAt(head, INDEX_SALTS_OFFSET), frames: head.readUInt32LE(INDEX_FRAMES_OFFSET) };
}

/** Frames that a fold has synced and begun to copy: a loss of power takes none of them. */
export function foldedFrames(head: Buffer): number {
  return head.readUInt32LE(INDEX_FOLDED_OFFSET);
}

export function saltsOfLog(log: Buffer): string {
  return saltsAt(log, LOG_SALTS_OFFSET);
}

/** How many frames of the log's present generation follow each other from its start. */
export function framesOfLog(log: Buffer): number {
  const salts = saltsOfLog(log);
  let frames = 0;
  for (let at = LOG_HEADER_BYTES; at + FRAME_BYTES <= log.length; at += FRAME_BYTES) {
    if (saltsAt(log, at + FRAME_SALTS_OFFSET) !== salts) break;
    frames++;
  }
  return frames;
}

function saltsAt(bytes: Buffer, offset: number): string {
  return bytes.toString("hex", offset, offset + 8);
}
