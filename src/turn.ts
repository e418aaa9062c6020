/**
 * A turn: one input, run to completion.
 *
 * An input is a socket read, a timer, a finished commit or a client's call. It
 * runs without interruption, then the local queue runs (messages to oneself,
 * answers of oneself), and only then are sends and commits released together.
 * So what was asserted at the top of a handler still holds at its bottom, one
 * turn costs one write per peer and one storage batch, and a run is a plain
 * sequence of inputs that a simulator can repeat. The same loop runs in real/
 * and sim/ (DESIGN 3; the idea is etcd/raft's and TigerBeetle's).
 */
import { assert } from "./base/assert.js";
import type { Cancel, Clock, Lane, NodeId, Storage, StorageError, Transport, World, Write } from "./ports.js";

export class Turn {
  private running = false;
  private readonly localQueue: Array<() => void> = [];
  private readonly answers: Array<() => void> = [];

  /** The ports as the core sees them: every callback they make is an input of its own turn. */
  readonly world: World;

  constructor(private readonly raw: World) {
    this.world = {
      ...raw,
      clock: this.turningClock(),
      transport: this.turningTransport(),
      storage: this.turningStorage(),
    };
  }

  /** Runs one input from outside as a turn. Never from within a turn: there it is `later`. */
  run<Result>(input: () => Result): Result {
    assert(!this.running, "a port or an edge called back inside a turn");
    this.running = true;
    const result = input();
    while (this.localQueue.length > 0) this.localQueue.shift()?.();
    this.running = false;
    this.raw.storage.release();
    this.raw.transport.release();
    while (this.answers.length > 0) this.answers.shift()?.();
    return result;
  }

  /** Runs `step` in this same turn, after the present input has come to its end. */
  later(step: () => void): void {
    assert(this.running, "only a turn has a later");
    this.localQueue.push(step);
  }

  /** Tells somebody above the core, after this turn: whoever is told may at once begin the next one. */
  answer(tell: () => void): void {
    assert(this.running, "only a turn has answers");
    this.answers.push(tell);
  }

  private turningClock(): Clock {
    const { clock } = this.raw;
    return {
      nowMs: () => clock.nowMs(),
      wallMs: () => clock.wallMs(),
      after: (delayMs: number, fn: () => void): Cancel => clock.after(delayMs, () => this.run(fn)),
    };
  }

  private turningTransport(): Transport {
    const { transport } = this.raw;
    return {
      send: (to: NodeId, bytes: Uint8Array, lane?: Lane) => transport.send(to, bytes, lane),
      onReceive: (receiver) => transport.onReceive((from, frames) => this.run(() => receiver(from, frames))),
      release: () => assert(false, "the turn releases, nobody else"),
    };
  }

  private turningStorage(): Storage {
    const { storage } = this.raw;
    return {
      latest: (key: Uint8Array) => storage.latest(key),
      durable: (key: Uint8Array) => storage.durable(key),
      scan: (from: Uint8Array, to: Uint8Array, rowsMax: number, bytesMax?: number) =>
        storage.scan(from, to, rowsMax, bytesMax),
      commit: (batch: readonly Write[], onDone: (error?: StorageError) => void) =>
        storage.commit(batch, (error) => this.run(() => onDone(error))),
      salvage: (onDone) => storage.salvage((rows) => this.run(() => onDone(rows))),
      identity: () => storage.identity(),
      release: () => assert(false, "the turn releases, nobody else"),
    };
  }
}
