/**
 * Garbage for the port of the peers, from a seed: what a stranger may send
 * before it has proved anything, and what a member may send that lost its mind.
 *
 * Messages of the second kind are made of valid ones: as they are, but with
 * nonsense in every field; with bits turned, cut off, lengthened, counts that
 * lie; and random bytes. Two lies are left out, as no store without signatures
 * survives a member that tells them: a state that somebody else never wrote, in
 * answer to a read, and "I remember more of you than you do yourself".
 */
import fc from "fast-check";
import { NO_BYTES, Reader, utf8, Writer } from "../src/base/bytes.js";
import { tokenOf } from "../src/base/hash.js";
import { below, happens, pick, type Random } from "../src/base/random.js";
import { packFrames } from "../src/real/frames.js";
import { encodeRow, orderedToken } from "../src/replica/rows.js";
import { readMessage, writeMessage } from "../src/wire/codec.js";
import type { Message } from "../src/wire/messages.js";
import { anyMessage } from "../test/wire/any-message.js";

const MESSAGES = 4000;
const REMAINING_MS = 1000;
const RANDOM_BYTES_MAX = 300;
const LENGTH_OFFSET = 4;
const HEADER_BYTES = 12;
const ID_BYTES = 4;
/** Wide enough that a claimed length of nearly 2^32 is among them. */
const LIES = [0xffffffff, 0x7fffffff, 0x80000000, 0x01000000, 0xffff, 0];

export class FrameGarbage {
  private readonly messages: readonly Message[];

  constructor(
    private readonly random: Random,
    seed: number,
    private readonly layoutVersion: number,
  ) {
    this.messages = fc.sample(anyMessage, { numRuns: MESSAGES, seed }).map(harmless);
  }

  /** What a proven member sends: a frame with a checksum that is right. */
  payload(): Uint8Array {
    if (happens(this.random, 0.1)) return this.randomBytes();
    return this.framed(this.random.u32(), pick(this.random, this.messages));
  }

  /** An answer to this frame of somebody else, mostly of the kind that is expected; undefined when it is no question. */
  answer(frame: Uint8Array): Uint8Array | undefined {
    const reader = new Reader(frame);
    const id = reader.u32();
    reader.raw(HEADER_BYTES - ID_BYTES);
    const { kind } = readMessage(reader);
    if (kind.endsWith("reply") || kind === "pong" || kind === "refused") return undefined;
    const expected = kind === "ping" ? "pong" : `${kind}-reply`;
    const fitting = this.messages.filter((message) => message.kind === expected);
    const isFitting = fitting.length > 0 && happens(this.random, 0.8);
    return this.framed(id, pick(this.random, isFitting ? fitting : this.messages));
  }

  private framed(id: number, message: Message): Uint8Array {
    const { random } = this;
    const layoutVersion = happens(random, 0.05) ? random.u32() : this.layoutVersion;
    const writer = new Writer()
      .u32(id)
      .u32(layoutVersion)
      .u32(happens(random, 0.1) ? random.u32() : REMAINING_MS);
    writeMessage(writer, message);
    // A bit of these that turns may be one of the lies that are left out.
    const isKept = message.kind === "pong" || message.kind === "read-reply";
    return isKept ? writer.finish() : this.mangled(writer.finish());
  }

  /** A frame after which a connection is over. */
  spoiled(): Buffer {
    const { random } = this;
    const frame = Buffer.concat(packFrames([this.payload()]));
    const manner = below(random, 5);
    if (manner === 0) frame[below(random, 4)] = below(random, 256);
    else if (manner === 1) frame.writeUInt32BE(pick(random, LIES), LENGTH_OFFSET);
    else if (manner === 2) frame.writeUInt32BE(random.u32(), 8);
    else if (manner === 3) flip(random, frame);
    else return frame.subarray(0, below(random, frame.length));
    return frame;
  }

  /** What comes from somebody who never introduced himself. `handshake`: one that was overheard. */
  stranger(handshake: readonly Buffer[]): Buffer {
    const { random } = this;
    switch (below(random, 6)) {
      case 0:
        return this.randomBytes();
      case 1:
        return Buffer.concat(packFrames([this.payload()]));
      case 2:
        return this.spoiled();
      case 3:
        return Buffer.concat(handshake);
      case 4:
        return Buffer.from("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
      default: {
        const hello = Buffer.concat(handshake.slice(0, 1 + below(random, handshake.length)));
        const payload = hello.subarray(HEADER_BYTES);
        if (payload.length === 0) return hello;
        flip(random, payload);
        return Buffer.concat(packFrames([payload]));
      }
    }
  }

  private mangled(bytes: Uint8Array): Uint8Array {
    const { random } = this;
    const copy = Buffer.from(bytes);
    switch (below(random, 5)) {
      case 0:
        for (let count = 1 + below(random, 8); count > 0; count--) flip(random, copy);
        return copy;
      case 1:
        return copy.subarray(0, Math.max(1, below(random, copy.length)));
      case 2:
        return Buffer.concat([copy, this.randomBytes()]);
      case 3:
        if (copy.length > HEADER_BYTES + 5) {
          copy.writeUInt32BE(pick(random, LIES), HEADER_BYTES + 1 + below(random, copy.length - HEADER_BYTES - 4));
        }
        return copy;
      default:
        return copy;
    }
  }

  private randomBytes(): Buffer {
    const { random } = this;
    return Buffer.from(Array.from({ length: 1 + below(random, RANDOM_BYTES_MAX) }, () => below(random, 256)));
  }
}

/** Of the valid messages, those that no other lie of a member could be told from; half of the rows are real ones. */
function harmless(message: Message, index: number): Message {
  switch (message.kind) {
    case "pong":
      return { ...message, rememberedBoundUs: 0 };
    case "read-reply":
      return {
        ...message,
        answers: message.answers.map((answer) =>
          answer.state === undefined ? answer : { ...answer, state: Buffer.concat([NO_STATE, answer.state]) },
        ),
      };
    case "read":
      return index % 2 === 0 ? message : { ...message, rows: message.rows.map((_, at) => realRow(index + at)) };
    case "merge":
      if (index % 2 === 0) return message;
      return { ...message, entries: message.entries.map((entry, at) => ({ ...entry, row: realRow(index + at) })) };
    default:
      return message;
  }
}

/** No lattice has this tag. */
const NO_STATE = Uint8Array.of(0xff);

function realRow(number: number): Uint8Array {
  const key = utf8(`garbage ${number % 100}`);
  const token = orderedToken(tokenOf(key));
  return encodeRow({ placement: 0, token, bucket: "garbage", key, sort: NO_BYTES });
}

function flip(random: Random, bytes: Buffer): void {
  const at = below(random, bytes.length);
  bytes[at] = (bytes[at] as number) ^ (1 << below(random, 8));
}
