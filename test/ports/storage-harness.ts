/** What a body of Storage offers to the suite, and short words for its tests. */
import assert from "node:assert/strict";
import type { Storage, StorageError, Write } from "../../src/ports.js";

/** One storage with its disk. Everything is an event: nothing here waits for time to pass. */
export interface Harness {
  /** The storage as it is now: another object after a crash. */
  readonly storage: Storage;
  /** Lets released groups get on their way to the disk, but not necessarily there. */
  begin(): Promise<void>;
  /** Until everything that was committed before has called back. */
  settle(): Promise<void>;
  /** Kills the process as kill -9 does and opens what the disk has. */
  crash(): void;
  /** A full disk takes nothing that needs room. */
  setFull(isFull: boolean): void;
  /** Ends the storage and removes its disk. */
  close(): Promise<void>;
}

/** A commit's outcome: undefined until it called back. */
export interface Outcome {
  error?: StorageError | undefined;
  isDone: boolean;
}

/** Commits and releases a batch. */
export function commit(storage: Storage, batch: readonly Write[]): Outcome {
  const outcome: Outcome = { isDone: false };
  storage.commit(batch, (error) => {
    assert.equal(outcome.isDone, false, "a commit calls back once");
    outcome.error = error;
    outcome.isDone = true;
  });
  storage.release();
  return outcome;
}

/** Commits a barrier: done when everything that was committed has called back. */
export function barrier(storage: Storage): Promise<void> {
  return new Promise((resolve) => {
    storage.commit([], () => resolve());
    storage.release();
  });
}

export const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
export const text = (value: string): Uint8Array => new TextEncoder().encode(value);
export const put = (key: string, value: string): Write => ({ key: text(key), value: text(value) });
export const remove = (key: string): Write => ({ key: text(key), value: undefined });
