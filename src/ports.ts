/**
 * The only door to the world: clock, chance, network, disk and meter.
 *
 * One and the same core runs on `real/` (TCP, SQLite) and on `sim/` (virtual
 * time, a seed). Each port promises so little that the simulator IS the
 * contract; the suites in test/ports run on both bodies.
 *
 * Two rules hold for every port:
 * - No port calls back inside its own call: a callback is always a new input.
 * - What an input did is released at the end of its turn (see turn.ts), so that
 *   one turn makes at most one write per peer and one storage batch.
 */

/** A member's name as in cluster.yaml, for instance `n1`. */
export type NodeId = string;

/** Stops a timer that has not fired; harmless afterwards. */
export type Cancel = () => void;

export interface Clock {
  /** Monotonic milliseconds (fractions allowed) since an arbitrary origin; never goes back. */
  nowMs(): number;
  /** Milliseconds since 1970, for stamps and expiry only: it may jump in either direction. */
  wallMs(): number;
  /** Calls `fn` once, `delayMs` from now or later. After a pause of the process, waiting network input comes first. */
  after(delayMs: number, fn: () => void): Cancel;
}

export interface Random {
  /** 32 uniform random bits, as an integer from 0 to 2^32 - 1. All else is derived in base/random.ts. */
  u32(): number;
}

/**
 * In the order in which frames leave: what says who lives, then what is small, then what is large or in no hurry.
 * A lane that is full drops its own frames and nobody else's.
 */
export const LANES = ["control", "small", "bulk"] as const;
export type Lane = (typeof LANES)[number];

/**
 * A datagram promise, even over TCP: what is sent may be lost, delayed,
 * repeated and reordered, and nothing is ever thrown. A failure shows only as
 * the absence of an answer before a deadline. What was sent to a process never
 * reaches a later one of the same name.
 */
export interface Transport {
  /**
   * Queues one frame of one byte or more for `to`, in a lane (`small` when none is named). The bytes belong to the
   * transport from now on. Never to oneself. Of what is released together, lanes leave in their order.
   */
  send(to: NodeId, bytes: Uint8Array, lane?: Lane): void;
  /**
   * The one receiver; what arrives before there is one is lost. All frames of one read of a socket are one input.
   * The frames belong to the receiver and are never written to again.
   */
  onReceive(receiver: (from: NodeId, frames: readonly Uint8Array[]) => void): void;
  /** What was queued may leave now. */
  release(): void;
}

/** One row to put, or to remove when `value` is undefined. */
export interface Write {
  readonly key: Uint8Array;
  readonly value: Uint8Array | undefined;
}

/** Why a commit failed. `full` may pass by itself; a node crashes on what cannot pass, so only these are reported. */
export type StorageError = { readonly kind: "full" | "io"; readonly detail: string };

/** One stored row as a scan or a read gives it. Never written to by the reader. */
export interface Row {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/**
 * An ordered map of bytes with two views.
 *
 * `latest` includes every commit called and not failed. Merge, mutate, deltas and
 * compare-and-delete use only this view, or two merges in one group commit
 * lose one. `durable` is what a crash cannot take back: the state at the last
 * `onDone`. Whatever leaves the node rests on this view alone. Neither waits.
 *
 * Commits become durable, and call back, in the order in which they were
 * called; several may become durable at one moment, before the first of them
 * calls back. A batch is atomic, its bytes belong to the storage from then on,
 * and after a crash a batch that had not called back is there whole or not at all. On a full disk the batch fails and so does every
 * later one that was pending, the `latest` view returns to what is durable,
 * and the store goes on working. A read of damaged storage throws `StorageDamage`.
 */
export interface Storage {
  latest(key: Uint8Array): Uint8Array | undefined;
  durable(key: Uint8Array): Uint8Array | undefined;
  /**
   * The durable rows with `from` <= key < `to` in key order (unsigned bytes): at most `rowsMax`, and no more
   * once their values have reached `bytesMax` in sum. So a scan takes a bounded time and memory, whatever is stored.
   * The result is complete when returned: no iterator outlives the call.
   */
  scan(from: Uint8Array, to: Uint8Array, rowsMax: number, bytesMax?: number): Row[];
  /**
   * Commits a batch; `onDone` comes in a later input, exactly once, in call order.
   * An empty batch is a barrier: it is done when all earlier ones are, and fails when the last pending one failed.
   */
  commit(batch: readonly Write[], onDone: (error?: StorageError) => void): void;
  /** What was committed in this turn may go to the disk now. */
  release(): void;
  /**
   * The keys are not in order any more: puts all rows that a walk over the disk can still read in order again, within
   * what is committed until `onDone`, which tells how many they are, undefined when nothing could be done. Commits
   * wait for it, reads may throw `StorageDamage`. A body whose order cannot break has nothing to do.
   */
  salvage(onDone: (rows: number | undefined) => void): void;
  /**
   * Names the very files that hold the rows, through all their lives: a copy of them has another name, and so has
   * what a salvage has made. A volume that was set back to a snapshot as a whole keeps it.
   */
  identity(): string;
}

/**
 * Thrown by `latest`, `durable` and `scan` when the disk gives no trustworthy answer. Never means "absent".
 * It has no stack trace: a rotten disk throws it for every row that is read, and whoever reads knows where.
 */
export class StorageDamage extends Error {
  override readonly name = "StorageDamage";

  constructor(message: string) {
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    super(message);
    Error.stackTraceLimit = stackTraceLimit;
  }
}

export interface Meter {
  /** Adds `by` (default 1) to a counter. `labels` is a small closed set: never a key. */
  count(name: string, labels?: Labels, by?: number): void;
  /** Sets a gauge. */
  gauge(name: string, value: number, labels?: Labels): void;
  /** Records a duration in milliseconds. */
  time(name: string, durationMs: number, labels?: Labels): void;
}

export type Labels = Readonly<Record<string, string>>;

/** Where a node says what an operator should read: one sentence and its facts. */
export interface Log {
  info(sentence: string, facts?: Record<string, unknown>): void;
  warn(sentence: string, facts?: Record<string, unknown>): void;
}

/** Everything a node is given. `bootId` changes when the kernel was started anew (power may have been lost). */
export interface World {
  readonly clock: Clock;
  readonly random: Random;
  readonly transport: Transport;
  readonly storage: Storage;
  readonly meter: Meter;
  readonly log: Log;
  readonly bootId: string;
}
