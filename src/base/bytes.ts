/**
 * Bytes: comparing, writing and reading them.
 *
 * All integers are big-endian, so that the order of bytes is the order of
 * numbers. A Reader never trusts a length: it fails with `MalformedBytes`
 * before anything is allocated or read beyond the end.
 */
import { assert } from "./assert.js";
import { asciiText, copyOf, isAscii, isEqual, putAscii, putBytes, putWord, wordAt } from "./short-bytes.js";

/** The input ended early, or held what its format does not allow. An operating error: the bytes came from outside. */
export class MalformedBytes extends Error {
  override readonly name = "MalformedBytes";
}

/** The global's name is looked up by a call each time. */
const Bytes = Buffer;
const HIGH = 2 ** 32;
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Names are looked at faster than they are handed to a decoder. */
const SHORT_TEXT_BYTES = 32;
const KEPT_BYTES_MAX = 64 * 1024;

/** Through which integers of 64 bits go: their halves need no big integers of their own then. */
const word64 = new DataView(new ArrayBuffer(8));

export const NO_BYTES: Uint8Array = new Uint8Array(0);

/** Unsigned lexicographic order: negative, zero or positive. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  return Bytes.compare(a, b);
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a === b || (a.length === b.length && isEqual(a, b));
}

/** A string with one character per byte: a Map key, never for people. Their order is that of the bytes. */
export function bytesToMapKey(bytes: Uint8Array): string {
  return asBuffer(bytes).latin1Slice(0, bytes.length);
}

export function utf8(text: string): Uint8Array {
  if (text.length > SHORT_TEXT_BYTES) return Bytes.from(text, "utf8");
  const bytes = Bytes.allocUnsafe(text.length);
  return putAscii(bytes, 0, text) ? bytes : Bytes.from(text, "utf8");
}

/** Strict UTF-8 to text; undefined when the bytes are not UTF-8. */
export function textOf(bytes: Uint8Array): string | undefined {
  if (bytes.length <= SHORT_TEXT_BYTES && isAscii(bytes)) return asciiText(bytes);
  try {
    return UTF8.decode(bytes);
  } catch {
    return undefined;
  }
}

type NativeBuffer = Buffer & { latin1Slice(start: number, end: number): string };

/** The same memory as a Buffer, whose methods are native. */
export function asBuffer(bytes: Uint8Array): NativeBuffer {
  const buffer = Bytes.isBuffer(bytes) ? bytes : Bytes.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return buffer as NativeBuffer;
}

/** Appends to a buffer that doubles when full. `finish` gives the bytes without copying them. */
export class Writer {
  private buffer: Buffer;
  private length = 0;

  constructor(private readonly sizeHintBytes = 256) {
    this.buffer = Bytes.allocUnsafe(sizeHintBytes);
  }

  u8(value: number): this {
    this.reserve(1);
    this.buffer[this.length++] = value;
    return this;
  }

  u16(value: number): this {
    assert(value >>> 16 === 0, "an integer of 16 bits");
    return this.u8(value >>> 8).u8(value);
  }

  u32(value: number): this {
    assert(value >>> 0 === value, "an integer of 32 bits");
    this.reserve(4);
    putWord(this.buffer, this.length, value);
    this.length += 4;
    return this;
  }

  /** A non-negative safe integer in eight bytes. */
  u53(value: number): this {
    const high = Math.floor(value / HIGH);
    return this.u32(high).u32(value - high * HIGH);
  }

  /** A non-negative safe integer in one byte for each seven of its bits, the lowest first (LEB128). */
  varint(value: number): this {
    let rest = value;
    for (; rest > 0x7f; rest = Math.floor(rest / 128)) this.u8((rest % 128) | 0x80);
    return this.u8(rest);
  }

  /** A finite double. */
  f64(value: number): this {
    this.reserve(8);
    this.length = this.buffer.writeDoubleBE(value, this.length);
    return this;
  }

  u64(value: bigint): this {
    word64.setBigUint64(0, value);
    return this.u32(word64.getUint32(0)).u32(word64.getUint32(4));
  }

  raw(bytes: Uint8Array): this {
    this.reserve(bytes.length);
    putBytes(this.buffer, this.length, bytes);
    this.length += bytes.length;
    return this;
  }

  /** Integers of 32 bits, one after the other. */
  words(values: Uint32Array): this {
    for (const value of values) this.u32(value);
    return this;
  }

  /** A length in one byte, then at most 255 bytes. */
  short(bytes: Uint8Array): this {
    return this.u8(bytes.length).raw(bytes);
  }

  /** As `short`, of a text. Names are mostly ASCII, for which nobody else need be called. */
  shortText(value: string): this {
    this.reserve(1 + value.length);
    if (!putAscii(this.buffer, this.length + 1, value)) return this.short(utf8(value));
    this.buffer[this.length] = value.length;
    this.length += 1 + value.length;
    return this;
  }

  /** A length in four bytes, then the bytes. */
  long(bytes: Uint8Array): this {
    return this.u32(bytes.length).raw(bytes);
  }

  /** A text of at most 65,535 UTF-8 bytes. */
  text(value: string): this {
    const bytes = utf8(value);
    return this.u16(bytes.length).raw(bytes);
  }

  finish(): Uint8Array {
    return this.buffer.subarray(0, this.length);
  }

  /** The bytes so far, in memory of their own; what is written next begins anew. */
  take(): Uint8Array {
    const bytes = copyOf(this.buffer, this.length);
    this.clear();
    return bytes;
  }

  /** What is written next begins anew, where `finish` has seen its bytes. */
  clear(): void {
    this.length = 0;
    // What one long message needed is not kept for all the short ones.
    if (this.buffer.length > KEPT_BYTES_MAX) this.buffer = Bytes.allocUnsafe(this.sizeHintBytes);
  }

  private reserve(bytes: number): void {
    if (this.length + bytes <= this.buffer.length) return;
    const larger = Bytes.allocUnsafe(Math.max(this.buffer.length * 2, this.length + bytes));
    this.buffer.copy(larger, 0, 0, this.length);
    this.buffer = larger;
  }
}

/** Reads what a Writer wrote. Byte strings are views of the input, not copies. */
export class Reader {
  protected readonly buffer: NativeBuffer;
  protected offset = 0;

  constructor(bytes: Uint8Array) {
    this.buffer = asBuffer(bytes);
  }

  get remaining(): number {
    return this.buffer.length - this.offset;
  }

  u8(): number {
    return this.buffer[this.take(1)] as number;
  }

  u16(): number {
    const high = this.u8();
    return (high << 8) | this.u8();
  }

  u32(): number {
    return wordAt(this.buffer, this.take(4));
  }

  u53(): number {
    const high = this.u32();
    if (high >= 2 ** 21) throw new MalformedBytes("an integer beyond 2^53");
    return high * HIGH + this.u32();
  }

  /** What `varint` wrote: in as few bytes as hold it. */
  varint(): number {
    let value = 0;
    for (let unit = 1; ; unit *= 128) {
      const byte = this.u8();
      value += (byte & 0x7f) * unit;
      if (!Number.isSafeInteger(value)) throw new MalformedBytes("an integer beyond 2^53");
      if (byte <= 0x7f && (byte > 0 || unit === 1)) return value;
      if (byte === 0) throw new MalformedBytes("an integer in more bytes than it takes");
    }
  }

  /** A double that is a number. */
  finite(): number {
    const value = this.buffer.readDoubleBE(this.take(8));
    if (!Number.isFinite(value)) throw new MalformedBytes("not a finite number");
    return value;
  }

  u64(): bigint {
    word64.setUint32(0, this.u32());
    word64.setUint32(4, this.u32());
    return word64.getBigUint64(0);
  }

  raw(length: number): Uint8Array {
    const start = this.take(length);
    return this.buffer.subarray(start, start + length);
  }

  mapKey(length: number): string {
    const start = this.take(length);
    return this.buffer.latin1Slice(start, start + length);
  }

  words(count: number): Uint32Array {
    if (4 * count > this.remaining) throw new MalformedBytes(`${count} words expected, ${this.remaining} bytes left`);
    const values = new Uint32Array(count);
    for (let index = 0; index < count; index++) values[index] = this.u32();
    return values;
  }

  short(): Uint8Array {
    return this.raw(this.u8());
  }

  /** Undefined when it is not UTF-8. */
  shortText(): string | undefined {
    return this.utf8(this.u8());
  }

  /** The same, of so many bytes. */
  utf8(length: number): string | undefined {
    const [start, { buffer, offset: end }] = [this.take(length), this];
    if (!isAscii(buffer, start, end)) return textOf(buffer.subarray(start, end));
    return length > SHORT_TEXT_BYTES ? buffer.latin1Slice(start, end) : asciiText(buffer, start, end);
  }

  long(): Uint8Array {
    return this.raw(this.u32());
  }

  text(): string {
    const text = this.utf8(this.u16());
    if (text === undefined) throw new MalformedBytes("a text that is not UTF-8");
    return text;
  }

  rest(): Uint8Array {
    return this.raw(this.remaining);
  }

  /** Fails unless everything was read: trailing bytes mean another format. */
  end(): void {
    if (this.remaining !== 0) throw new MalformedBytes(`${this.remaining} bytes too many`);
  }

  protected take(length: number): number {
    if (length > this.remaining) throw new MalformedBytes(`${length} bytes expected, ${this.remaining} left`);
    const start = this.offset;
    this.offset += length;
    return start;
  }
}
