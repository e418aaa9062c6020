/**
 * Short byte strings, byte by byte: most keys, digests and messages have fewer
 * bytes than native code could copy or read in the time that it takes to be called.
 */

/** The global's name is looked up by a call each time. */
const Bytes = Buffer;
/** So few bytes are written or compared one by one in less time than native code takes to be called. */
const SHORT_BYTES = 64;
/** To copy them takes memory too. */
const SHORT_COPY_BYTES = 256;

/** The first `length` bytes in memory of their own. */
export function copyOf(bytes: Uint8Array, length = bytes.length): Uint8Array {
  const copy = Bytes.allocUnsafe(length);
  if (length > SHORT_COPY_BYTES) copy.set(length === bytes.length ? bytes : bytes.subarray(0, length));
  else for (let index = 0; index < length; index++) copy[index] = bytes[index] as number;
  return copy;
}

/** The integer of 32 bits that begins at `at`, where bytes are known to be. */
export function wordAt(bytes: Uint8Array, at: number): number {
  const high = ((bytes[at] as number) << 24) | ((bytes[at + 1] as number) << 16);
  return (high | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number)) >>> 0;
}

export function isAscii(bytes: Uint8Array, start = 0, end = bytes.length): boolean {
  for (let index = start; index < end; index++) if ((bytes[index] as number) > 0x7f) return false;
  return true;
}

/** The text of bytes that are ASCII, from `start` to `end` - 1. */
export function asciiText(bytes: Uint8Array, start = 0, end = bytes.length): string {
  let text = "";
  for (let index = start; index < end; index++) text += String.fromCharCode(bytes[index] as number);
  return text;
}

/** Whether all of the text is ASCII, and so was written from `at` on. */
export function putAscii(into: Uint8Array, at: number, text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code > 0x7f) return false;
    into[at + index] = code;
  }
  return true;
}

export function putBytes(into: Uint8Array, at: number, bytes: Uint8Array): void {
  if (bytes.length > SHORT_BYTES) into.set(bytes, at);
  else for (let index = 0; index < bytes.length; index++) into[at + index] = bytes[index] as number;
}

/** An integer of 32 bits. */
export function putWord(into: Uint8Array, at: number, value: number): void {
  into[at] = value >>> 24;
  into[at + 1] = value >>> 16;
  into[at + 2] = value >>> 8;
  into[at + 3] = value;
}

/** Of two of one length. */
export function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length > SHORT_BYTES) return Bytes.compare(a, b) === 0;
  for (let index = 0; index < a.length; index++) if (a[index] !== b[index]) return false;
  return true;
}
