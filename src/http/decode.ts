/**
 * Strict decoding of what travels in URLs and headers.
 *
 * Strict, because one key must have one name: whatever does not decode to the
 * very bytes that a careful client meant is refused, never guessed.
 */
import { textOf } from "../base/bytes.js";

const PERCENT = 0x25;
const ASCII_MAX = 0x7f;

/**
 * The bytes of a percent-encoded text of the request line, decoded exactly once; undefined when a `%` lacks its two
 * hexadecimal digits. The HTTP parser hands over one character per byte, so a raw byte beyond ASCII stays that byte.
 */
export function percentDecoded(text: string): Uint8Array | undefined {
  if (!text.includes("%")) return Buffer.from(text, "latin1");
  const bytes = Buffer.allocUnsafe(text.length);
  let length = 0;
  for (let index = 0; index < text.length; index++) {
    let byte = text.charCodeAt(index);
    if (byte === PERCENT) {
      const high = hexDigit(text.charCodeAt(++index));
      const low = hexDigit(text.charCodeAt(++index));
      if (high < 0 || low < 0) return undefined;
      byte = high * 16 + low;
    }
    bytes[length++] = byte;
  }
  return bytes.subarray(0, length);
}

/** The text of one part of a query, decoded as a key is; undefined when it has none. */
export function decodedText(text: string): string | undefined {
  if (isPlain(text)) return text;
  const bytes = percentDecoded(text);
  return bytes === undefined ? undefined : textOf(bytes);
}

function isPlain(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code === PERCENT || code > ASCII_MAX) return false;
  }
  return true;
}

/** The bytes of a base64url text; undefined unless it is the one text that encodes them, without padding. */
export function base64urlDecoded(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, "base64url");
  return bytes.toString("base64url") === text ? bytes : undefined;
}

/** The bytes of a base64 text; undefined unless it is the one text that encodes them, padding included. */
export function base64Decoded(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, "base64");
  return bytes.toString("base64") === text ? bytes : undefined;
}

/** The value of a hexadecimal digit, or -1; a character beyond the end of a text is NaN and gives -1 too. */
function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const lowerCase = code | 0x20;
  return lowerCase >= 0x61 && lowerCase <= 0x66 ? lowerCase - 0x61 + 10 : -1;
}
