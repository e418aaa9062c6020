/**
 * Values as bytes with a content type, and back. Pure.
 */
import { asBuffer, utf8 } from "../base/bytes.js";
import { badRequest } from "./errors.js";

export interface Encoded {
  readonly bytes: Uint8Array;
  readonly contentType: string;
}

const JSON_TYPE = "application/json";
const TEXT_TYPE = "text/plain; charset=utf-8";
const BYTES_TYPE = "application/octet-stream";

/** A string, bytes, or anything that JSON can say. `contentType` only names what they are. */
export function encodeValue(value: unknown, contentType?: string): Encoded {
  if (contentType !== undefined && !/^[\x20-\x7e]+$/.test(contentType)) {
    throw badRequest(`contentType takes printable ASCII, not ${JSON.stringify(contentType)}`);
  }
  if (typeof value === "string") return { bytes: utf8(value), contentType: contentType ?? TEXT_TYPE };
  if (value instanceof Uint8Array) return { bytes: value, contentType: contentType ?? BYTES_TYPE };
  return { bytes: utf8(jsonOf(value)), contentType: contentType ?? JSON_TYPE };
}

/** Throws BadRequestError for what JSON cannot say. */
export function jsonOf(value: unknown): string {
  let json: string | undefined;
  try {
    json = JSON.stringify(value);
  } catch (error) {
    throw badRequest(`the value is not JSON: ${(error as Error).message}`);
  }
  if (json === undefined) throw badRequest(`a ${typeof value} is no value; delete the key, or put null`);
  return json;
}

/** Parsed JSON, a string, or the bytes. A value that belies its type is given as its bytes: it can still be read. */
export function decodeValue(bytes: Uint8Array, contentType: string): unknown {
  if (contentType === BYTES_TYPE) return ownBytes(bytes);
  const essence = essenceOf(contentType);
  if (essence === JSON_TYPE) return parsedJson(bytes);
  return essence.startsWith("text/") ? asBuffer(bytes).toString("utf8") : ownBytes(bytes);
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

function essenceOf(contentType: string): string {
  const end = contentType.indexOf(";");
  return (end < 0 ? contentType : contentType.slice(0, end)).trim().toLowerCase();
}
