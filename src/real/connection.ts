/**
 * One TCP connection from its first byte to its last: the handshake under a
 * deadline, then frames. Both ends are this; what differs is in link.ts (the
 * end that dialled) and acceptor.ts.
 *
 * Frames flow from the dialler to the acceptor only. Both ends write a pulse, an
 * empty frame, at every tick. An end that heard nothing for peerSilenceMsMax
 * closes: TCP by itself keeps a connection to a vanished machine for a quarter
 * of an hour, and after a partition it may wait two minutes to try again.
 * Silence is counted in ticks, not in milliseconds, so that a pause of this
 * process is not taken for silence of the other.
 *
 * Invariants: a stranger makes us hold no more than one small message; bad bytes
 * close this connection and touch no other; `onClosed` comes last, exactly once.
 */
import type { Socket } from "node:net";
import type { Limits } from "../config.js";
import type { Cancel, Clock, NodeId } from "../ports.js";
import { FrameParser, packFrames } from "./frames.js";
import type { Handshake, HandshakeEnd, RefusedEnd } from "./handshake.js";

const PULSE = Buffer.concat(packFrames([new Uint8Array(0)]));

export interface ConnectionEvents {
  onAccepted(peer: NodeId, instance: Uint8Array): void;
  onRefused(end: RefusedEnd): void;
  /** All frames of one read; the chunk they came in had `chunkBytes`. */
  onFrames(frames: readonly Uint8Array[], chunkBytes: number): void;
  /** All that was written has been taken by the kernel, after some of it had to wait. */
  onWritten(): void;
  /** `malformed` tells what was wrong with the bytes, if that was the reason. */
  onClosed(malformed: string | undefined): void;
}

export class Connection {
  private readonly parser: FrameParser;
  private readonly cancelDeadline: Cancel;
  private phase: "handshake" | "accepted" | "ending" = "handshake";
  private malformed: string | undefined;
  private silentTicks = 0;

  constructor(
    private readonly socket: Socket,
    private readonly handshake: Handshake,
    clock: Clock,
    private readonly limits: Limits,
    private readonly events: ConnectionEvents,
  ) {
    this.parser = new FrameParser(limits.handshakeBytesMax);
    this.cancelDeadline = clock.after(limits.handshakeDeadlineMs, () => this.destroy());
    socket.on("drain", () => events.onWritten());
    socket.on("data", (chunk: Buffer) => this.onData(chunk));
    // An error is followed by "close", which is all we act on.
    socket.on("error", () => {});
    socket.on("close", () => {
      this.cancelDeadline();
      events.onClosed(this.malformed);
    });
    const opening = handshake.open();
    if (opening.length > 0) this.write(opening);
  }

  /** Bytes accepted for writing that the kernel has not taken yet. */
  get waitingBytes(): number {
    return this.socket.writableLength;
  }

  /** Writes these payloads as frames with one system call. */
  write(payloads: readonly Uint8Array[]): void {
    this.socket.cork();
    for (const buffer of packFrames(payloads)) this.socket.write(buffer);
    this.socket.uncork();
  }

  /** Comes every pingIntervalMs. */
  tick(): void {
    if (this.phase !== "accepted") return;
    this.silentTicks++;
    if (this.silentTicks * this.limits.pingIntervalMs > this.limits.peerSilenceMsMax) this.destroy();
    else this.socket.write(PULSE);
  }

  destroy(): void {
    this.phase = "ending";
    this.socket.destroy();
  }

  private onData(chunk: Buffer): void {
    if (this.phase === "ending") return;
    this.silentTicks = 0;
    const { payloads, malformed } = this.parser.push(chunk);
    let next = 0;
    while (this.phase === "handshake" && next < payloads.length) this.onHandshake(payloads[next++] as Uint8Array);
    if (this.isAccepted()) {
      const frames = payloads.slice(next).filter((payload) => payload.length > 0);
      if (frames.length > 0) this.events.onFrames(frames, chunk.length);
    }
    if (malformed !== undefined) this.onMalformed(malformed);
  }

  private onHandshake(message: Uint8Array): void {
    const { say, end } = this.handshake.onMessage(message);
    if (say.length > 0) this.write(say);
    if (end !== undefined) this.onHandshakeEnd(end);
  }

  private onHandshakeEnd(end: HandshakeEnd): void {
    if (end.kind === "accepted") {
      this.phase = "accepted";
      this.cancelDeadline();
      this.parser.payloadBytesMax = this.limits.frameBytesMax;
      this.events.onAccepted(end.peer, end.instance);
    } else if (end.kind === "refused") {
      // What was said last must still arrive; the deadline stays set for a peer that does not read it.
      this.phase = "ending";
      this.socket.end();
      this.events.onRefused(end);
    } else {
      this.onMalformed(end.detail);
    }
  }

  private onMalformed(detail: string): void {
    this.malformed ??= detail;
    this.destroy();
  }

  private isAccepted(): boolean {
    return this.phase === "accepted";
  }
}
