/**
 * How far an import has come. Records are acknowledged in any order; what a
 * later run may skip is the longest beginning of the file of which every
 * record is settled.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { usage } from "./exit.js";
import type { Place } from "./import-split.js";

/** What an import is; a checkpoint of another one is of no use. */
export interface ImportIdentity {
  readonly bucket: string;
  readonly keyField: string;
  readonly fileBytes: number;
  readonly fileChangedMs: number;
}

export interface Progress {
  readonly place: Place;
  /** Acknowledged and refused so far. */
  readonly records: number;
  readonly failed: number;
}

/** What an earlier run has left. */
export interface Checkpoint extends Progress {
  /** What the import calls itself in the names of its changes, over all its runs. */
  readonly name: string;
}

interface Settlement {
  readonly next: Place;
  result: "pending" | "stored" | "failed";
}

/** The settled beginning of the file. */
export class Settled implements Progress {
  place: Place;
  records: number;
  failed: number;
  private readonly begun: Settlement[] = [];
  private first = 0;

  constructor(from: Progress) {
    this.place = from.place;
    this.records = from.records;
    this.failed = from.failed;
  }

  /** Records behind the settled beginning. */
  get ahead(): number {
    return this.begun.length - this.first;
  }

  /** A record is on its way; the result is called once. Calls come in the order of the file. */
  begin(next: Place): (result: "stored" | "failed") => void {
    const settlement: Settlement = { next, result: "pending" };
    this.begun.push(settlement);
    return (result) => {
      settlement.result = result;
      this.advance();
    };
  }

  private advance(): void {
    for (
      let head = this.begun[this.first];
      head !== undefined && head.result !== "pending";
      head = this.begun[this.first]
    ) {
      this.place = head.next;
      if (head.result === "stored") this.records++;
      else this.failed++;
      this.first++;
    }
    if (this.first < 1024) return;
    this.begun.splice(0, this.first);
    this.first = 0;
  }
}

/** Written beside and renamed, so that a crash leaves the old one or the new one. */
export function saveCheckpoint(path: string, identity: ImportIdentity, checkpoint: Checkpoint): void {
  const beside = `${path}.new`;
  const { place, records, failed, name } = checkpoint;
  writeFileSync(beside, `${JSON.stringify({ ...identity, place, records, failed, name })}\n`);
  renameSync(beside, path);
}

export function removeCheckpoint(path: string): void {
  rmSync(path, { force: true });
}

/** Where an earlier run of this import ended; undefined when there was none. */
export function loadCheckpoint(path: string, identity: ImportIdentity): Checkpoint | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw usage(`${path}: ${(error as Error).message}`);
  }
  const saved = parsed(text);
  for (const [name, value] of Object.entries(identity)) {
    if (saved?.[name as keyof ImportIdentity] === value) continue;
    throw usage(
      `${path} is no checkpoint of this import (${WORDS[name as keyof ImportIdentity]}); start over without --resume`,
    );
  }
  return saved;
}

const WORDS: Readonly<Record<keyof ImportIdentity, string>> = {
  bucket: "it has another bucket",
  keyField: "it has another key",
  fileBytes: "the file has changed since",
  fileChangedMs: "the file has changed since",
};

function parsed(text: string): (ImportIdentity & Checkpoint) | undefined {
  try {
    return JSON.parse(text) as ImportIdentity & Checkpoint;
  } catch {
    return undefined;
  }
}
