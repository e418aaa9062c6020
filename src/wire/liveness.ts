/**
 * The messages of membership as bytes: who lives, and what is known of whom.
 */
import { unreachable } from "../base/assert.js";
import type { Reader, Writer } from "../base/bytes.js";
import { DIGEST_BYTES } from "../base/hash.js";
import { readBoolean, readList, writeBoolean, writeList } from "./fields.js";
import type { Ping, PingRequest, PingRequestReply, Pong, PushPull, PushPullReply } from "./messages.js";

export type LivenessMessage = Ping | Pong | PingRequest | PingRequestReply | PushPull | PushPullReply;

export function writeLiveness(writer: Writer, message: LivenessMessage): void {
  switch (message.kind) {
    case "ping":
      writer.u64(message.actor).u53(message.boundUs).long(message.gossip);
      return;
    case "pong":
      writer.u64(message.actor).u53(message.boundUs).f64(message.wallMs).u53(message.rememberedBoundUs);
      writeList(writer, message.votes, (bits) => writer.long(bits));
      writer.long(message.gossip);
      return;
    case "ping-request":
      writer.text(message.target).u32(message.timeoutMs).long(message.gossip);
      return;
    case "ping-request-reply":
      writeBoolean(writer, message.reached);
      writer.long(message.gossip);
      return;
    case "push-pull":
      writer.raw(message.digest).long(message.table);
      return;
    case "push-pull-reply":
      writer.long(message.table);
      return;
    default:
      unreachable(message);
  }
}

export function readLiveness(kind: LivenessMessage["kind"], reader: Reader): LivenessMessage {
  switch (kind) {
    case "ping":
      return { kind, actor: reader.u64(), boundUs: reader.u53(), gossip: reader.long() };
    case "pong":
      return {
        kind,
        actor: reader.u64(),
        boundUs: reader.u53(),
        wallMs: reader.finite(),
        rememberedBoundUs: reader.u53(),
        votes: readList(reader, () => reader.long()),
        gossip: reader.long(),
      };
    case "ping-request":
      return { kind, target: reader.text(), timeoutMs: reader.u32(), gossip: reader.long() };
    case "ping-request-reply":
      return { kind, reached: readBoolean(reader), gossip: reader.long() };
    case "push-pull":
      return { kind, digest: reader.raw(DIGEST_BYTES), table: reader.long() };
    case "push-pull-reply":
      return { kind, table: reader.long() };
    default:
      return unreachable(kind);
  }
}
