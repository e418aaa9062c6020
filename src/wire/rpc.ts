/**
 * Questions and answers over a datagram promise: request ids, deadlines, late answers.
 *
 * The transport may lose, delay, repeat and reorder. So each question has an id
 * and a deadline, its callback comes exactly once (an answer, or undefined when
 * the deadline passed), and an answer that nobody waits for is dropped. Each
 * carries the time its asker will still wait; after that no answer is sent.
 * A question to oneself takes the same path within the turn, without bytes.
 *
 * A question may be recalled. Whoever was asleep finds question and recall in
 * one read of the socket, and refuses without having worked: its callback still
 * comes exactly once.
 */
import { assert } from "../base/assert.js";
import { MalformedBytes, Reader, Writer } from "../base/bytes.js";
import type { Cancel, Lane, NodeId, World } from "../ports.js";
import type { Turn } from "../turn.js";
import { kindByte, readMessage, writeMessage } from "./codec.js";
import { laneOf } from "./lane.js";
import type { Message, OnReply, Refused, Reply, ReplyTo, Request, RequestOf } from "./messages.js";

/** Who answers here. */
export interface RpcHost {
  /** Why a question, whose asker waits for so much longer, is not worked on; undefined when it is. */
  refusal(request: Request, remainingMs: number): Refused["reason"] | undefined;
  /** Answers one question, now or later, at most once. */
  onRequest(from: NodeId, request: Request, reply: (reply: Reply) => void): void;
  /** A peer answered: it lives, and both directions of the path to it work. */
  onAnswered(from: NodeId): void;
  /** A question to a peer went unanswered until its deadline. */
  onUnanswered(to: NodeId): void;
}

interface Waiting {
  readonly to: NodeId;
  readonly expects: Reply["kind"];
  readonly onReply: (reply: Reply | undefined) => void;
  readonly cancel: Cancel;
}

const EXPECTED = {
  ping: "pong",
  "ping-request": "ping-request-reply",
  "push-pull": "push-pull-reply",
  read: "read-reply",
  merge: "merge-reply",
  "keep-hint": "keep-hint-reply",
  "sync-shared": "sync-shared-reply",
  "sync-blocks": "sync-blocks-reply",
  scan: "scan-reply",
  "reap-vote": "reap-reply",
  reap: "reap-reply",
} as const satisfies { [Kind in Request["kind"]]: ReplyTo[Kind]["kind"] };

const ID_LIMIT = 2 ** 32;

/** Of a frame, before the message: id, layout version, remaining milliseconds. */
const HEADER_BYTES = 12;
const ID_BYTES = 4;

/** Tells whoever was asked that the answer is of no more use. Harmless when it has come. */
export type Recall = () => void;

export class Rpc {
  private readonly waiting = new Map<number, Waiting>();
  private nextId: number;
  /** Of one message after the other: their frames take no more memory than they have bytes. */
  private readonly writer = new Writer(SMALL_FRAME_BYTES);
  private readonly world: World;

  /** `layoutVersion` goes with every message; data of another layout is refused. */
  constructor(
    private readonly self: NodeId,
    private readonly turn: Turn,
    private readonly layoutVersion: number,
    private readonly host: RpcHost,
  ) {
    this.world = turn.world;
    // A restarted node must not take an answer to its former life for its own.
    this.nextId = this.world.random.u32();
    this.world.transport.onReceive((from, frames) => {
      const recalled = recalledIn(frames);
      for (const frame of frames) this.onFrame(from, frame, recalled);
    });
  }

  /** Asks `to`. `onReply` comes once: the answer, a refusal, or undefined after `timeoutMs`. */
  call<Kind extends Request["kind"]>(
    to: NodeId,
    request: RequestOf<Kind>,
    timeoutMs: number,
    onReply: OnReply<Kind>,
  ): Recall {
    assert(timeoutMs > 0, "a question needs time for its answer");
    const id = this.nextId;
    this.nextId = (this.nextId + 1) % ID_LIMIT;
    const cancel = this.world.clock.after(timeoutMs, () => this.onOverdue(id, to));
    const expects = EXPECTED[request.kind];
    this.waiting.set(id, { to, expects, onReply: onReply as Waiting["onReply"], cancel });
    if (to === this.self) {
      this.callSelf(id, request);
      return () => {};
    }
    const lane = this.send(to, id, timeoutMs, request);
    // In the lane of its question: it must not arrive before it.
    return () => {
      if (this.waiting.has(id)) this.send(to, id, 0, CANCEL, lane);
    };
  }

  /** The node stops: nobody waits for anything any more. */
  close(): void {
    for (const { cancel } of this.waiting.values()) cancel();
    this.waiting.clear();
  }

  private callSelf(id: number, request: Request): void {
    this.turn.later(() =>
      this.host.onRequest(this.self, request, (reply) => this.turn.later(() => this.settle(id, reply))),
    );
  }

  private send(to: NodeId, id: number, remainingMs: number, message: Message, wanted?: Lane): Lane {
    const { writer } = this;
    writer.u32(id).u32(this.layoutVersion).u32(Math.ceil(remainingMs));
    writeMessage(writer, message);
    const bytes = writer.take();
    const lane = wanted ?? laneOf(message, bytes.length);
    this.world.transport.send(to, bytes, lane);
    return lane;
  }

  private onFrame(from: NodeId, frame: Uint8Array, recalled: ReadonlySet<number>): void {
    try {
      const reader = new Reader(frame);
      const id = reader.u32();
      const layoutVersion = reader.u32();
      const remainingMs = reader.u32();
      const message = readMessage(reader);
      reader.end();
      if (message.kind === "cancel") return;
      if (!isRequest(message)) this.onReply(from, id, message);
      else if (recalled.has(id)) this.send(from, id, 0, RECALLED);
      else this.onRequest(from, id, layoutVersion, remainingMs, message);
    } catch (error) {
      if (!(error instanceof MalformedBytes)) throw error;
      this.world.meter.count("murmur_malformed_frames_total");
    }
  }

  private onRequest(from: NodeId, id: number, layoutVersion: number, remainingMs: number, request: Request): void {
    const answer = (reply: Reply): void => void this.send(from, id, 0, reply);
    // Liveness is asked across layouts; data never is.
    if (layoutVersion !== this.layoutVersion && !IS_OF_LIVENESS.has(request.kind)) {
      answer({ kind: "refused", reason: "wrong-layout" });
      return;
    }
    const reason = this.host.refusal(request, remainingMs);
    if (reason !== undefined) return answer({ kind: "refused", reason });
    const deadlineMs = this.world.clock.nowMs() + remainingMs;
    this.host.onRequest(from, request, (reply) => {
      // Nobody waits any more: the asker has given up, and its callback has come.
      if (this.world.clock.nowMs() <= deadlineMs) answer(reply);
    });
  }

  private onReply(from: NodeId, id: number, reply: Reply): void {
    const waiting = this.waiting.get(id);
    if (waiting === undefined || waiting.to !== from) return;
    if (reply.kind !== waiting.expects && reply.kind !== "refused") return;
    this.host.onAnswered(from);
    this.settle(id, reply);
  }

  private onOverdue(id: number, to: NodeId): void {
    this.settle(id, undefined);
    if (to !== this.self) this.host.onUnanswered(to);
  }

  private settle(id: number, reply: Reply | undefined): void {
    const waiting = this.waiting.get(id);
    if (waiting === undefined) return;
    this.waiting.delete(id);
    waiting.cancel();
    waiting.onReply(reply);
  }
}

const IS_OF_LIVENESS: ReadonlySet<Request["kind"]> = new Set(["ping", "ping-request", "push-pull"]);
const SMALL_FRAME_BYTES = 512;
const CANCEL = { kind: "cancel" } as const;
const RECALLED = { kind: "refused", reason: "recalled" } as const;
const CANCEL_BYTE = kindByte("cancel");
const NOTHING: ReadonlySet<number> = new Set();

/** The questions among these frames, or before them, that need no answer. */
function recalledIn(frames: readonly Uint8Array[]): ReadonlySet<number> {
  let recalled: Set<number> | undefined;
  for (const frame of frames) {
    if (frame[HEADER_BYTES] !== CANCEL_BYTE) continue;
    recalled ??= new Set();
    recalled.add(new Reader(frame.subarray(0, ID_BYTES)).u32());
  }
  return recalled ?? NOTHING;
}

function isRequest(message: Request | Reply): message is Request {
  return message.kind in EXPECTED;
}
