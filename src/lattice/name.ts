/**
 * Names of entries: texts as one character for each byte of their UTF-8.
 *
 * The order of such strings is the order of the bytes, which all platforms
 * agree on; they compare as fast as numbers, and go to bytes and back by copying.
 */
import { bytesToMapKey, textOf, utf8 } from "../base/bytes.js";

export function nameOf(text: string): string {
  return isAscii(text) ? text : bytesToMapKey(utf8(text));
}

/** Whether it is the name of a text. */
export function isName(name: string): boolean {
  return isAscii(name) || textOf(bytesOfName(name)) !== undefined;
}

export function textOfName(name: string): string {
  return isAscii(name) ? name : (textOf(bytesOfName(name)) as string);
}

export function bytesOfName(name: string): Uint8Array {
  return Buffer.from(name, "latin1");
}

function isAscii(text: string): boolean {
  for (let index = 0; index < text.length; index++) if (text.charCodeAt(index) > 0x7f) return false;
  return true;
}
