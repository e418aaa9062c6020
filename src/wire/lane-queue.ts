/**
 * Frames that wait for one peer, in lanes (FAULTS: control last to be shed).
 *
 * Whatever says who lives must not wait behind data, and what a client waits for
 * not behind what repairs by and by. So control leaves first, then small frames,
 * and bulk yields; but not for ever: with each write one frame of bulk
 * leaves, or a large value never would while small ones keep coming.
 *
 * Invariant: each lane holds at most its bytes. What has no room is dropped, as a
 * datagram may be, and no lane takes the room of another. Pure.
 */
import type { Limits } from "../config.js";
import type { Lane } from "../ports.js";

class WaitingFrames {
  private frames: Uint8Array[] = [];
  /** Those before are gone. */
  private first = 0;
  /** Those before may leave. */
  private released = 0;
  bytes = 0;

  /** `frameBytes` is what each frame costs beside its own bytes. */
  constructor(
    private readonly bytesMax: number,
    private readonly frameBytes: number,
  ) {}

  get mayLeave(): boolean {
    return this.first < this.released;
  }

  /** Whether it finds room. */
  push(frame: Uint8Array): boolean {
    const bytes = this.frameBytes + frame.length;
    if (this.bytes + bytes > this.bytesMax) return false;
    this.frames.push(frame);
    this.bytes += bytes;
    return true;
  }

  release(): void {
    this.released = this.frames.length;
  }

  /** Takes what was released, until it comes to `bytesMax`; returns what it came to. */
  take(bytesMax: number, into: Uint8Array[]): number {
    if (!this.mayLeave) return 0;
    let bytes = 0;
    while (this.mayLeave && bytes < bytesMax) {
      const frame = this.frames[this.first++] as Uint8Array;
      into.push(frame);
      bytes += this.frameBytes + frame.length;
    }
    this.bytes -= bytes;
    // Only when as many are gone as are left: so each frame is moved once at most.
    if (this.first > 0 && 2 * this.first >= this.frames.length) {
      this.frames = this.first === this.frames.length ? [] : this.frames.slice(this.first);
      this.released -= this.first;
      this.first = 0;
    }
    return bytes;
  }

  clear(): number {
    const count = this.frames.length - this.first;
    this.frames = [];
    [this.first, this.released, this.bytes] = [0, 0, 0];
    return count;
  }
}

/** The bounds of the lanes of one peer. */
export function laneBytes(limits: Pick<Limits, "controlQueueBytesMax" | "peerQueueBytesMax">): Record<Lane, number> {
  const { controlQueueBytesMax: control, peerQueueBytesMax: data } = limits;
  return { control, small: data, bulk: data };
}

export class LaneQueue {
  private readonly control: WaitingFrames;
  private readonly small: WaitingFrames;
  private readonly bulk: WaitingFrames;

  /** `frameBytes` is what each frame costs beside its own bytes. */
  constructor({ control, small, bulk }: Readonly<Record<Lane, number>>, frameBytes: number) {
    this.control = new WaitingFrames(control, frameBytes);
    this.small = new WaitingFrames(small, frameBytes);
    this.bulk = new WaitingFrames(bulk, frameBytes);
  }

  /** Whether there was room for it. */
  push(frame: Uint8Array, lane: Lane): boolean {
    if (lane === "control") return this.control.push(frame);
    return lane === "small" ? this.small.push(frame) : this.bulk.push(frame);
  }

  /** What is queued now may leave. */
  release(): void {
    this.control.release();
    this.small.release();
    this.bulk.release();
  }

  /** Whether something that was released waits. */
  get mayLeave(): boolean {
    return this.control.mayLeave || this.small.mayLeave || this.bulk.mayLeave;
  }

  /** Takes released frames in the order of lanes, until they come to `bytesMax`, and a frame of bulk at least. */
  take(bytesMax: number): Uint8Array[] {
    const frames: Uint8Array[] = [];
    const { control, small, bulk } = this;
    let leftBytes = bytesMax - control.take(bytesMax, frames);
    leftBytes -= small.take(leftBytes, frames);
    bulk.take(Math.max(1, leftBytes), frames);
    return frames;
  }

  /** Forgets everything; returns how many frames that were. */
  clear(): number {
    return this.control.clear() + this.small.clear() + this.bulk.clear();
  }
}
