/**
 * Frames on a byte stream: a header of twelve bytes, then the payload.
 *
 *     magic u16 · version u8 · reserved u8 (zero) · length u32 · crc32 of the payload u32
 *
 * TCP's own checksum misses about one damaged segment in 2^16, and a proxy may
 * have none at all: the crc turns a wrong value into a lost connection. After
 * one bad byte nothing that follows can be trusted, so a stream never
 * resynchronises; its connection is closed.
 *
 * Invariants of the parser: what it holds is at most twice what has arrived,
 * whatever length was claimed; a byte is copied only when its frame spans two
 * reads, and then at most a constant number of times; the frames it gives do
 * not depend on how the stream was cut into chunks.
 */
import { crc32 } from "node:zlib";
import { assert } from "../base/assert.js";

export const FRAME_HEADER_BYTES = 12;
const MAGIC = 0x6d75;
const VERSION = 1;
const NOTHING = Buffer.alloc(0);

/** Payloads up to this are copied together into one buffer: cheaper than a vector element each. */
const PACKED_BYTES_MAX = 16 * 1024;

/** The bytes of these payloads as frames, in as few buffers as is cheap. */
export function packFrames(payloads: readonly Uint8Array[]): Buffer[] {
  let packedBytes = 0;
  for (const payload of payloads) packedBytes += FRAME_HEADER_BYTES + (isPacked(payload) ? payload.length : 0);
  const pack = Buffer.allocUnsafe(packedBytes);
  const buffers: Buffer[] = [];
  let start = 0;
  let end = 0;
  for (const payload of payloads) {
    end = writeHeader(pack, end, payload);
    if (isPacked(payload)) {
      pack.set(payload, end);
      end += payload.length;
    } else {
      buffers.push(pack.subarray(start, end), Buffer.from(payload.buffer, payload.byteOffset, payload.length));
      start = end;
    }
  }
  if (end > start) buffers.push(pack.subarray(start, end));
  return buffers;
}

function isPacked(payload: Uint8Array): boolean {
  return payload.length <= PACKED_BYTES_MAX;
}

function writeHeader(target: Buffer, offset: number, payload: Uint8Array): number {
  target.writeUInt16BE(MAGIC, offset);
  target.writeUInt16BE(VERSION << 8, offset + 2);
  target.writeUInt32BE(payload.length, offset + 4);
  return target.writeUInt32BE(crc32(payload), offset + 8);
}

/** The payloads one chunk completed, and why nothing more will come, if so. */
export interface Parsed {
  readonly payloads: readonly Uint8Array[];
  readonly malformed: string | undefined;
}

export class FrameParser {
  /** The beginning of a frame whose end has not arrived: `held` bytes of `partial` are in use. */
  private partial: Buffer = NOTHING;
  private held = 0;
  private malformed: string | undefined;

  /** `payloadBytesMax` may be raised later: strangers get little, members much. */
  constructor(public payloadBytesMax: number) {}

  /** Takes the next bytes of the stream. The payloads are views of `chunk` where they can be. */
  push(chunk: Buffer): Parsed {
    const payloads: Uint8Array[] = [];
    if (this.malformed !== undefined) return { payloads, malformed: this.malformed };
    let offset = this.held > 0 ? this.completePartial(chunk, payloads) : 0;
    while (this.malformed === undefined && offset < chunk.length) {
      const frameBytes = this.frameBytes(chunk, offset, chunk.length);
      if (this.malformed !== undefined) break;
      if (frameBytes === undefined || frameBytes > chunk.length - offset) {
        this.hold(chunk, offset, chunk.length, frameBytes);
        break;
      }
      this.take(chunk, offset, frameBytes, payloads);
      offset += frameBytes;
    }
    return { payloads, malformed: this.malformed };
  }

  /** Gives the held frame what it lacks; the offset of the first byte that is not part of it. */
  private completePartial(chunk: Buffer, payloads: Uint8Array[]): number {
    const headerEnd = Math.min(Math.max(0, FRAME_HEADER_BYTES - this.held), chunk.length);
    this.hold(chunk, 0, headerEnd);
    const frameBytes = this.frameBytes(this.partial, 0, this.held);
    if (frameBytes === undefined) return headerEnd;
    const end = Math.min(headerEnd + frameBytes - this.held, chunk.length);
    this.hold(chunk, headerEnd, end, frameBytes);
    if (this.held === frameBytes) {
      this.take(this.partial, 0, frameBytes, payloads);
      this.partial = NOTHING;
      this.held = 0;
    }
    return end;
  }

  /** Appends bytes to the held frame. Its buffer doubles as bytes arrive, up to the `frameBytes` it will need. */
  private hold(chunk: Buffer, start: number, end: number, frameBytes = Number.POSITIVE_INFINITY): void {
    const needed = this.held + end - start;
    if (needed > this.partial.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(needed, Math.min(2 * needed, frameBytes)));
      this.partial.copy(larger, 0, 0, this.held);
      this.partial = larger;
    }
    chunk.copy(this.partial, this.held, start, end);
    this.held = needed;
  }

  /** The whole length of the frame at `offset`; undefined when its header is incomplete or malformed. */
  private frameBytes(source: Buffer, offset: number, end: number): number | undefined {
    if (end - offset < FRAME_HEADER_BYTES) return undefined;
    const length = source.readUInt32BE(offset + 4);
    if (source.readUInt16BE(offset) !== MAGIC) this.malformed = "not a frame";
    else if (source.readUInt16BE(offset + 2) !== VERSION << 8) this.malformed = "a frame of another version";
    else if (length > this.payloadBytesMax) this.malformed = `a frame of ${length} bytes`;
    return this.malformed === undefined ? FRAME_HEADER_BYTES + length : undefined;
  }

  private take(source: Buffer, offset: number, frameBytes: number, payloads: Uint8Array[]): void {
    assert(offset + frameBytes <= source.length, "a frame is taken when all of it is there");
    const payload = source.subarray(offset + FRAME_HEADER_BYTES, offset + frameBytes);
    if (crc32(payload) === source.readUInt32BE(offset + 8)) payloads.push(payload);
    else this.malformed = "a frame whose checksum does not match";
  }
}
