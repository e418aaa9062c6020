/**
 * The way to one peer: dials it, keeps the connection, queues what is sent.
 *
 * Each node dials each peer for its own sends, so a pair has two connections of
 * one direction each and nobody need decide which of two dials wins.
 *
 * Frames for a peer that is not connected are dropped, not kept for later: whoever
 * sent them has set a deadline and will have given up or asked another by the
 * time the peer is back, and a returning peer should not be met with stale work.
 * But a peer that has just dialled us is there and may have asked: it is dialled back at
 * once, and what is said to it until that dial ends waits for it.
 *
 * What the socket has not taken yet can no longer be overtaken: so it is given a
 * little at a time, and the rest waits in lanes (wire/lane-queue.ts).
 *
 * Invariant: each lane's bytes stay within its bound, and unwritten ones within a write and a frame.
 */
import { connect } from "node:net";
import { jitter, type Random } from "../base/random.js";
import type { Limits } from "../config.js";
import type { Cancel, Clock, Lane, Log, Meter, NodeId } from "../ports.js";
import { LaneQueue, laneBytes } from "../wire/lane-queue.js";
import { Connection } from "./connection.js";
import { FRAME_HEADER_BYTES } from "./frames.js";
import { Handshake, type Party } from "./handshake.js";
import type { Standing } from "./standing.js";

/** Waits differ by this much either way, so that restarted nodes do not dial in step. */
const DIAL_JITTER = 0.2;

/** So much is handed to the socket at once: enough for a busy line, little enough to be overtaken soon. */
const WRITE_BYTES = 256 * 1024;

/** A member and where it is dialled. */
export interface Peer {
  readonly id: NodeId;
  readonly host: string;
  readonly port: number;
  /** As sent bytes are told of: what goes to another one may be slow and is paid for. */
  readonly datacenter?: string;
}

/** What the two directions of a transport share. */
export interface Ground {
  readonly party: Party;
  readonly clock: Clock;
  readonly random: Random;
  readonly limits: Limits;
  readonly log: Log;
  readonly meter: Meter;
  readonly standing: Standing;
}

export class Link {
  framesSent = 0;
  bytesSent = 0;
  /** For want of a connection. */
  framesDropped = 0;
  private connection: Connection | undefined;
  private isConnected = false;
  /** It dialled us and is being dialled: what is sent waits. */
  private isExpected = false;
  private failures = 0;
  private cancelRedial: Cancel | undefined;
  private isClosed = false;
  private readonly queue: LaneQueue;
  private readonly labels: { readonly datacenter: string };

  constructor(
    readonly peer: Peer,
    private readonly ground: Ground,
  ) {
    this.labels = { datacenter: peer.datacenter ?? "" };
    this.queue = new LaneQueue(laneBytes(ground.limits), FRAME_HEADER_BYTES);
    this.dial();
  }

  get connected(): boolean {
    return this.isConnected;
  }

  /** The peer has dialled us: no use to wait longer before the next dial. */
  onDialled(): void {
    if (this.isConnected || this.isClosed) return;
    this.isExpected = true;
    if (this.connection !== undefined) return;
    this.cancelRedial?.();
    this.dial();
  }

  send(bytes: Uint8Array, lane: Lane): void {
    const { limits, meter } = this.ground;
    if (!(this.isConnected || this.isExpected) || bytes.length > limits.frameBytesMax) {
      this.framesDropped++;
    } else if (!this.queue.push(bytes, lane)) {
      this.framesDropped++;
      meter.count("murmur_frames_dropped_total", { lane });
    }
  }

  /** What is queued now may be written. */
  release(): void {
    this.queue.release();
  }

  /** Writes what was released, as far as the socket has room; the rest when it has again. */
  flush(): void {
    const { connection } = this;
    if (connection === undefined || !this.isConnected || !this.queue.mayLeave) return;
    const roomBytes = WRITE_BYTES - connection.waitingBytes;
    if (roomBytes <= 0) return;
    const frames = this.queue.take(roomBytes);
    const bytes = frames.reduce((sum, frame) => sum + FRAME_HEADER_BYTES + frame.length, 0);
    this.bytesSent += bytes;
    this.framesSent += frames.length;
    this.ground.meter.count("murmur_sent_bytes_total", this.labels, bytes);
    connection.write(frames);
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
        this.isExpected = false;
        log.info("connected to a peer", { peer: id });
        this.flush();
      },
      onRefused: (end) => standing.onRefused(end),
      // Only pulses come back on a connection we dialled.
      onFrames: () => this.connection?.destroy(),
      onWritten: () => this.flush(),
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
    this.isExpected = false;
    this.connection = undefined;
    this.framesDropped += this.queue.clear();
    if (this.isClosed) return;
    const waitMs = Math.min(limits.dialRetryMsMax, limits.dialRetryMsMin * 2 ** this.failures++);
    this.cancelRedial = clock.after(jitter(random, waitMs, DIAL_JITTER), () => this.dial());
  }
}
