/**
 * The way to one peer: dials it, keeps the connection, queues what is sent.
 *
 * Each node dials each peer for its own sends, so a pair has two connections of
 * one direction each and nobody need decide which of two dials wins.
 *
 * Frames for a peer that is not connected are dropped, not kept for later: whoever
 * sent them has set a deadline and will have given up or asked another by the
 * time the peer is back, and a returning peer should not be met with stale work.
 *
 * Invariant: queued and unwritten bytes stay within peerQueueBytesMax.
 */
import { connect } from "node:net";
import { jitter, type Random } from "../base/random.js";
import type { Limits } from "../config.js";
import type { Cancel, Clock, Log, NodeId } from "../ports.js";
import { Connection } from "./connection.js";
import { FRAME_HEADER_BYTES } from "./frames.js";
import { Handshake, type Party } from "./handshake.js";
import type { Standing } from "./standing.js";

/** Waits differ by this much either way, so that restarted nodes do not dial in step. */
const DIAL_JITTER = 0.2;

/** A member and where it is dialled. */
export interface Peer {
  readonly id: NodeId;
  readonly host: string;
  readonly port: number;
}

/** What the two directions of a transport share. */
export interface Ground {
  readonly party: Party;
  readonly clock: Clock;
  readonly random: Random;
  readonly limits: Limits;
  readonly log: Log;
  readonly standing: Standing;
}

export class Link {
  framesSent = 0;
  bytesSent = 0;
  framesDropped = 0;
  private connection: Connection | undefined;
  private isConnected = false;
  private failures = 0;
  private cancelRedial: Cancel | undefined;
  private isClosed = false;
  private queue: Uint8Array[] = [];
  private queuedBytes = 0;
  private releasedFrames = 0;

  constructor(
    readonly peer: Peer,
    private readonly ground: Ground,
  ) {
    this.dial();
  }

  get connected(): boolean {
    return this.isConnected;
  }

  send(bytes: Uint8Array): void {
    const { peerQueueBytesMax, frameBytesMax } = this.ground.limits;
    const frameBytes = FRAME_HEADER_BYTES + bytes.length;
    const waitingBytes = this.connection?.waitingBytes ?? 0;
    if (
      !this.isConnected ||
      bytes.length > frameBytesMax ||
      waitingBytes + this.queuedBytes + frameBytes > peerQueueBytesMax
    ) {
      this.framesDropped++;
      return;
    }
    this.queue.push(bytes);
    this.queuedBytes += frameBytes;
  }

  /** What is queued now may be written. */
  release(): void {
    this.releasedFrames = this.queue.length;
  }

  /** Writes what was released. */
  flush(): void {
    if (this.releasedFrames === 0 || this.connection === undefined) return;
    const frames = this.queue.splice(0, this.releasedFrames);
    let bytes = 0;
    for (const frame of frames) bytes += FRAME_HEADER_BYTES + frame.length;
    this.releasedFrames = 0;
    this.queuedBytes -= bytes;
    this.framesSent += frames.length;
    this.bytesSent += bytes;
    this.connection.write(frames);
  }

  tick(): void {
    this.connection?.tick();
  }

  close(): void {
    this.isClosed = true;
    this.cancelRedial?.();
    this.connection?.destroy();
  }

  private dial(): void {
    const { party, random, clock, limits, log, standing } = this.ground;
    const { id, host, port } = this.peer;
    const socket = connect({ host, port, noDelay: true });
    this.connection = new Connection(socket, new Handshake(party, id, random), clock, limits, {
      onAccepted: () => {
        this.isConnected = true;
        this.failures = 0;
        standing.onAccepted(id);
        log.info("connected to a peer", { peer: id });
      },
      onRefused: (end) => standing.onRefused(end),
      // Only pulses come back on a connection we dialled.
      onFrames: () => this.connection?.destroy(),
      onClosed: (malformed) => this.onClosed(malformed),
    });
  }

  private onClosed(malformed: string | undefined): void {
    const { id: peer, host, port } = this.peer;
    const { limits, random, clock, log, standing } = this.ground;
    if (this.isConnected) log.info("lost the connection to a peer", { peer });
    if (malformed !== undefined) {
      standing.warn(`${peer}\nmalformed`, `${peer} at ${host}:${port} does not speak as a node`, { peer, malformed });
    }
    this.isConnected = false;
    this.connection = undefined;
    this.framesDropped += this.queue.length;
    this.queue = [];
    this.queuedBytes = 0;
    this.releasedFrames = 0;
    if (this.isClosed) return;
    const waitMs = Math.min(limits.dialRetryMsMax, limits.dialRetryMsMin * 2 ** this.failures++);
    this.cancelRedial = clock.after(jitter(random, waitMs, DIAL_JITTER), () => this.dial());
  }
}
