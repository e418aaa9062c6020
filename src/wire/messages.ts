/**
 * Everything nodes say to each other: a closed union of questions and answers.
 *
 * One verb moves data. `merge` serves client writes, mends, hints, hand-off and
 * anti-entropy; it is idempotent and order-free, so retries, duplicates and
 * races need no thought. All messages are plural. A row is named by its full
 * storage address (replica/rows.ts), so that no receiver hashes a key again.
 */
import type { Actor, Stamp } from "../lattice/stamp.js";
import type { NodeId } from "../ports.js";
import type { Mint, MintReply, Once } from "./mint-messages.js";
import type { Range, RangeReply } from "./range-messages.js";
import type { SyncBlocks, SyncBlocksReply, SyncShared, SyncSharedReply } from "./sync-messages.js";

/** Why states are sent; overload sheds by it, in this order from the end. */
export const CAUSES = ["write", "mend", "hint", "hand-off", "sync"] as const;
export type Cause = (typeof CAUSES)[number];

/** One state of one row on its way to an owner. */
export interface Entry {
  readonly row: Uint8Array;
  /** An encoded state of the bucket's lattice. */
  readonly state: Uint8Array;
  /** When the state was minted, or asked of a voting owner, or the oldest of these; microseconds since 1970. */
  readonly bornAtUs: number;
  /** Of a client's write: the highest stamp that the client had seen; undefined when it did not say. */
  readonly seen?: Stamp;
}

/** Whether you live, what your clock says, and how far your stamps may have gone. */
export interface Ping {
  readonly kind: "ping";
  readonly actor: Actor;
  readonly boundUs: number;
  /** News of members: an encoded part of their table; see membership/members.ts. */
  readonly gossip: Uint8Array;
}

export interface Pong {
  readonly kind: "pong";
  readonly actor: Actor;
  readonly boundUs: number;
  /** The answerer's wall clock. */
  readonly wallMs: number;
  /** The highest bound that the answerer ever heard of the asker's actor: more than the asker knows means that it forgot. */
  readonly rememberedBoundUs: number;
  /** Per placement, one bit for each partition in which the answerer votes. Empty: in all that it owns. */
  readonly votes: readonly Uint8Array[];
  readonly gossip: Uint8Array;
}

/** `target` does not answer me: does it answer you? */
export interface PingRequest {
  readonly kind: "ping-request";
  readonly target: NodeId;
  /** How long to wait for it. An answer comes in any case: whoever asks learns by it that its own messages pass. */
  readonly timeoutMs: number;
  readonly gossip: Uint8Array;
}

export interface PingRequestReply {
  readonly kind: "ping-request-reply";
  readonly reached: boolean;
  readonly gossip: Uint8Array;
}

/** Are our tables of members the same? And what I know that you do not, once I know what you know. */
export interface PushPull {
  readonly kind: "push-pull";
  /** Of the asker's whole table. */
  readonly digest: Uint8Array;
  readonly table: Uint8Array;
}

export interface PushPullReply {
  readonly kind: "push-pull-reply";
  /** Empty when the digests agree; else the answerer's whole table. */
  readonly table: Uint8Array;
}

export interface Read {
  readonly kind: "read";
  readonly rows: readonly Uint8Array[];
}

export interface RowAnswer {
  /** found, absent (bottom), or damaged: an unreadable row is an error, never "absent". */
  readonly status: "found" | "absent" | "damaged";
  /** False while the answerer rebuilds this partition: its answer is merged but never counted. */
  readonly votes: boolean;
  /** The encoded state when found. */
  readonly state: Uint8Array | undefined;
}

export interface ReadReply {
  readonly kind: "read-reply";
  readonly answers: readonly RowAnswer[];
}

export interface Merge {
  readonly kind: "merge";
  readonly cause: Cause;
  readonly entries: readonly Entry[];
}

/** ok: held durably. beaten: a higher stamp is held, durably or soon. stale: born too long ago. All but the first two: not held. */
export const MERGE_STATUSES = ["ok", "beaten", "disk-full", "damaged", "overloaded", "refused", "stale"] as const;
export type MergeStatus = (typeof MERGE_STATUSES)[number];

export interface MergeResult {
  readonly status: MergeStatus;
  readonly votes: boolean;
  /** beaten: by this. ok: held in the place of this value, which a client's write had not seen (replica/unseen.ts). */
  readonly stamp: Stamp | undefined;
}

export interface MergeReply {
  readonly kind: "merge-reply";
  readonly results: readonly MergeResult[];
}

/** Under which of its asker's questions a node answers. */
export interface Further {
  readonly node: NodeId;
  readonly id: number;
}

/**
 * A Merge of a write for several owners in the receiver's datacenter (Cassandra's forwarding of mutations): the
 * receiver does its own, forwards the others theirs, and all of them answer whoever asked. See wire/rpc.ts.
 */
export interface Relay {
  readonly kind: "relay";
  readonly entries: readonly Entry[];
  readonly further: readonly Further[];
}

/** A Merge of a write that a relay passes on: its id is the asker's, and so is its time. */
export interface Forwarded {
  readonly kind: "forwarded";
  readonly asker: NodeId;
  readonly entries: readonly Entry[];
}

/** Keep these states for an owner that is down (Dynamo 4.6), beside the rows and never among them. */
export interface KeepHint {
  readonly kind: "keep-hint";
  readonly target: NodeId;
  readonly entries: readonly Entry[];
}

export interface KeepHintReply {
  readonly kind: "keep-hint-reply";
  /** For each entry, whether it is kept durably. */
  readonly kept: readonly boolean[];
}

/** Which keys of a bucket live, from each position (replica/pages.ts) to the end of its partition. */
export interface Scan {
  readonly kind: "scan";
  readonly bucket: string;
  /** Of each page. */
  readonly keysMax: number;
  readonly positions: readonly Uint8Array[];
}

export interface ScannedKey {
  readonly row: Uint8Array;
  /** Undefined: the row is damaged, and who holds it cannot say whether it lives. */
  readonly digest: Uint8Array | undefined;
}

/** Rows that hold no value any more are left out. */
export interface ScanPage {
  /** False while the answerer rebuilds this partition, does not own it, or cannot read it: its page does not count. */
  readonly votes: boolean;
  readonly keys: readonly ScannedKey[];
  /** All before this position was looked at; undefined: all of the partition. */
  readonly next: Uint8Array | undefined;
  /** How many rows were looked at, of this bucket or another. */
  readonly rowsSeen: number;
}

export interface ScanReply {
  readonly kind: "scan-reply";
  readonly pages: readonly ScanPage[];
}

/** What all owners of a row may forget: a dead state, or the ids of changes (lattice/with-ids.ts). */
export interface ToForget {
  readonly row: Uint8Array;
  /** Ids of changes first made up to this time, in microseconds since 1970; 0: the row. */
  readonly upToUs: number;
  /** Of just that, and the row. */
  readonly digest: Uint8Array;
}

/** Do you hold exactly these, durably, with nothing under way? See replica/reaper.ts. */
export interface ReapVote {
  readonly kind: "reap-vote";
  readonly rows: readonly ToForget[];
}

/** All owners have voted twice: forget these, if you are still who voted. */
export interface Reap {
  readonly kind: "reap";
  readonly actor: Actor;
  readonly rows: readonly ToForget[];
}

export interface ReapReply {
  readonly kind: "reap-reply";
  /** Who voted. */
  readonly actor: Actor;
  /** Of each row: held as asked; or forgotten. */
  readonly agreed: readonly boolean[];
}

/** expired: its asker may have given up while it waited to be read. overloaded: there is more important work. busy: it exchanges rows with somebody else. */
export const REFUSALS = [
  "wrong-layout",
  "not-ready",
  "malformed",
  "recalled",
  "expired",
  "overloaded",
  "busy",
] as const;

/** The question was not looked at. */
export interface Refused {
  readonly kind: "refused";
  readonly reason: (typeof REFUSALS)[number];
}

/** Whoever was asked had too much to do: it may have time later, and another may have it now. */
export function tellsOverload(reply: Reply): boolean {
  return reply.kind === "refused" && (reply.reason === "overloaded" || reply.reason === "expired");
}

/** The question of this frame's id is of no more use: if it was not looked at yet, it is refused unread. */
export interface Cancel {
  readonly kind: "cancel";
}

export type Request =
  | Ping
  | PingRequest
  | PushPull
  | Read
  | Merge
  | Mint
  | KeepHint
  | SyncShared
  | SyncBlocks
  | Scan
  | Range
  | ReapVote
  | Reap;
export type Reply =
  | Pong
  | PingRequestReply
  | PushPullReply
  | ReadReply
  | MergeReply
  | MintReply
  | KeepHintReply
  | SyncSharedReply
  | SyncBlocksReply
  | ScanReply
  | RangeReply
  | ReapReply
  | Refused;
/** Relay, Forwarded and Once are envelopes: whoever answers sees a Merge, or a Mint. */
export type Message = Request | Reply | Cancel | Relay | Forwarded | Once;

/** The answer to each question, unless it is refused. */
export interface ReplyTo {
  readonly ping: Pong;
  readonly "ping-request": PingRequestReply;
  readonly "push-pull": PushPullReply;
  readonly read: ReadReply;
  readonly merge: MergeReply;
  readonly mint: MintReply;
  readonly "keep-hint": KeepHintReply;
  readonly "sync-shared": SyncSharedReply;
  readonly "sync-blocks": SyncBlocksReply;
  readonly scan: ScanReply;
  readonly range: RangeReply;
  readonly "reap-vote": ReapReply;
  readonly reap: ReapReply;
}

export type RequestOf<Kind extends Request["kind"]> = Extract<Request, { kind: Kind }>;

/** Of whoever asked: gets the answer, a refusal, or undefined when neither came in time. */
export type OnReply<Kind extends Request["kind"]> = (reply: ReplyTo[Kind] | Refused | undefined) => void;
