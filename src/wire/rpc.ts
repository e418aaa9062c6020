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
 *
 * A write may travel through a relay: one message to one of its owners, which forwards it to the others under
 * ids of the asker's. Each of them answers the asker itself, so a relay promises nothing for anybody else.
 *
 * A question that must not be worked on twice travels in an envelope: see once.ts.
 */
import { assert } from "../base/assert.js";
import { MalformedBytes, Reader, Writer } from "../base/bytes.js";
import type { Cancel, Lane, NodeId, World } from "../ports.js";
import type { Turn } from "../turn.js";
import { kindByte, readMessage, writeMessage } from "./codec.js";
import { laneOf } from "./lane.js";
import type {
  Entry,
  Forwarded,
  Merge,
  MergeReply,
  Message,
  OnReply,
  Refused,
  Relay,
  Reply,
  ReplyTo,
  Request,
  RequestOf,
} from "./messages.js";
import { AtMostOnce } from "./once.js";

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
  /** Through a relay: it tells nothing of the path from here to whoever is asked. */
  readonly isForwarded: boolean;
}

/** A write on its way to several owners through one of them. */
export interface RelayedWish {
  readonly entries: readonly Entry[];
  readonly timeoutMs: number;
  readonly onReply: (from: NodeId, reply: MergeReply | Refused | undefined) => void;
}

const EXPECTED = {
  ping: "pong",
  "ping-request": "ping-request-reply",
  "push-pull": "push-pull-reply",
  read: "read-reply",
  merge: "merge-reply",
  mint: "mint-reply",
  "keep-hint": "keep-hint-reply",
  "sync-shared": "sync-shared-reply",
  "sync-blocks": "sync-blocks-reply",
  scan: "scan-reply",
  range: "range-reply",
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
  private readonly atMostOnce: AtMostOnce;

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
    this.atMostOnce = new AtMostOnce(this.world.random);
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
    const id = this.expect(to, EXPECTED[request.kind], timeoutMs, onReply as Waiting["onReply"]);
    if (to === this.self) {
      this.callSelf(id, request);
      return () => {};
    }
    const lane = this.send(to, id, timeoutMs, this.atMostOnce.enclose(to, request));
    // In the lane of its question: it must not arrive before it.
    return () => {
      if (this.waiting.has(id)) this.send(to, id, 0, CANCEL, lane);
    };
  }

  /**
   * Asks a relay for itself and for `further`, which it forwards the question to: one message there, and from each
   * its own answer. `onReply` comes once for each of them, as of `call`.
   */
  callThrough(relay: NodeId, further: readonly NodeId[], wish: RelayedWish): void {
    const { entries, timeoutMs, onReply } = wish;
    const expect = (node: NodeId, isForwarded: boolean) =>
      this.expect(node, "merge-reply", timeoutMs, (reply) => onReply(node, reply as MergeReply), isForwarded);
    const id = expect(relay, false);
    const others = further.map((node) => ({ node, id: expect(node, true) }));
    this.send(relay, id, timeoutMs, { kind: "relay", entries, further: others });
  }

  private expect(
    to: NodeId,
    expects: Reply["kind"],
    timeoutMs: number,
    onReply: Waiting["onReply"],
    isForwarded = false,
  ): number {
    const id = this.nextId;
    this.nextId = (this.nextId + 1) % ID_LIMIT;
    const cancel = this.world.clock.after(timeoutMs, () => this.onOverdue(id));
    this.waiting.set(id, { to, expects, onReply, cancel, isForwarded });
    return id;
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
      const message = this.atMostOnce.open(from, readMessage(reader));
      reader.end();
      if (message === undefined || message.kind === "cancel") return;
      if (message.kind === "forwarded") this.onForwarded(id, layoutVersion, remainingMs, message);
      else if (message.kind === "relay") this.onRelay(from, id, layoutVersion, remainingMs, message);
      else if (!isRequest(message)) this.onReply(from, id, message);
      else if (recalled.has(id)) this.send(from, id, 0, RECALLED);
      else this.onRequest(from, id, layoutVersion, remainingMs, message);
    } catch (error) {
      if (!(error instanceof MalformedBytes)) throw error;
      this.world.meter.count("murmur_malformed_frames_total");
    }
  }

  /** What is refused here is not forwarded: its asker turns to the others itself. */
  private onRelay(from: NodeId, id: number, layoutVersion: number, remainingMs: number, relay: Relay): void {
    const { entries, further } = relay;
    if (further.some(({ node }) => node === this.self)) throw new MalformedBytes("a relay forwards to others");
    if (!this.onRequest(from, id, layoutVersion, remainingMs, mergeOf(entries))) return;
    for (const { node, id } of further) this.send(node, id, remainingMs, { kind: "forwarded", asker: from, entries });
  }

  private onForwarded(id: number, layoutVersion: number, remainingMs: number, { asker, entries }: Forwarded): void {
    if (asker === this.self) throw new MalformedBytes("nobody asks itself through a relay");
    this.onRequest(asker, id, layoutVersion, remainingMs, mergeOf(entries));
  }

  /** Whether it is worked on. */
  private onRequest(from: NodeId, id: number, layoutVersion: number, remainingMs: number, request: Request): boolean {
    const answer = (reply: Reply): void => void this.send(from, id, 0, reply);
    // Liveness is asked across layouts; data never is.
    if (layoutVersion !== this.layoutVersion && !IS_OF_LIVENESS.has(request.kind)) {
      answer({ kind: "refused", reason: "wrong-layout" });
      return false;
    }
    const reason = this.host.refusal(request, remainingMs);
    if (reason !== undefined) {
      answer({ kind: "refused", reason });
      return false;
    }
    const deadlineMs = this.world.clock.nowMs() + remainingMs;
    this.host.onRequest(from, request, (reply) => {
      // Nobody waits any more: the asker has given up, and its callback has come.
      if (this.world.clock.nowMs() <= deadlineMs) answer(reply);
    });
    return true;
  }

  private onReply(from: NodeId, id: number, reply: Reply): void {
    const waiting = this.waiting.get(id);
    if (waiting === undefined || waiting.to !== from) return;
    if (reply.kind !== waiting.expects && reply.kind !== "refused") return;
    if (!waiting.isForwarded) this.host.onAnswered(from);
    this.settle(id, reply);
  }

  private onOverdue(id: number): void {
    const waiting = this.waiting.get(id);
    this.settle(id, undefined);
    if (waiting?.isForwarded === false && waiting.to !== this.self) this.host.onUnanswered(waiting.to);
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

function mergeOf(entries: readonly Entry[]): Merge {
  return { kind: "merge", cause: "write", entries };
}

function isRequest(message: Request | Reply): message is Request {
  return message.kind in EXPECTED;
}
