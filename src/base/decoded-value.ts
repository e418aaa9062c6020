/**
 * Values as JavaScript has them, from their bytes and content type. Pure.
 */
import { asBuffer } from "./bytes.js";

export const JSON_TYPE = "application/json";
export const TEXT_TYPE = "text/plain; charset=utf-8";
export const BYTES_TYPE = "application/octet-stream";

/** Parsed JSON, a string, or the bytes. A value that belies its type is given as its bytes: it can still be read. */
export function decodeValue(bytes: Uint8Array, contentType: string): unknown {
  if (contentType === BYTES_TYPE) return ownBytes(bytes);
  const essence = essenceOf(contentType);
  if (essence === JSON_TYPE) return parsedJson(bytes);
  return essence.startsWith("text/") ? asBuffer(bytes).toString("utf8") : ownBytes(bytes);
}

/** A type without its parameters. */
export function essenceOf(contentType: string): string {
  const end = contentType.indexOf(";");
  return (end < 0 ? contentType : contentType.slice(0, end)).trim().toLowerCase();
}

function parsedJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(asBuffer(bytes).toString("utf8"));
  } catch {
    return ownBytes(bytes);
  }
}

/** A plain Uint8Array, as promised: a Buffer differs from it in `slice` and in how it is printed. */
function ownBytes(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
