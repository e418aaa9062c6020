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
import { Writer } from "../src/base/bytes.js";
import { below, happens, pick, type Random } from "../src/base/random.js";
import { packFrames } from "../src/real/frames.js";
import { writeMessage } from "../src/wire/codec.js";
import type { Message } from "../src/wire/messages.js";
import { anyMessage } from "../test/wire/any-message.js";

const MESSAGES = 4000;
const REMAINING_MS = 1000;
const RANDOM_BYTES_MAX = 300;
const LENGTH_OFFSET = 4;
const HEADER_BYTES = 12;
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

  /** What a proven member sends: a frame with a checksum that is right. `id`: of the question that it answers. */
  payload(id = this.random.u32()): Uint8Array {
    const { random } = this;
    if (happens(random, 0.1)) return this.randomBytes();
    const layoutVersion = happens(random, 0.05) ? random.u32() : this.layoutVersion;
    const writer = new Writer()
      .u32(id)
      .u32(layoutVersion)
      .u32(happens(random, 0.1) ? random.u32() : REMAINING_MS);
    const message = pick(random, this.messages);
    writeMessage(writer, message);
    return message.kind === "pong" ? writer.finish() : this.mangled(writer.finish());
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

function harmless(message: Message): Message {
  return message.kind === "pong" ? { ...message, rememberedBoundUs: 0 } : message;
}

function flip(random: Random, bytes: Buffer): void {
  const at = below(random, bytes.length);
  bytes[at] = (bytes[at] as number) ^ (1 << below(random, 8));
}
