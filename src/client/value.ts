/**
 * Values as bytes with a content type. Pure.
 */
import { utf8 } from "../base/bytes.js";
import { BYTES_TYPE, JSON_TYPE, TEXT_TYPE } from "../base/decoded-value.js";
import { badRequest } from "./errors.js";

export interface Encoded {
  readonly bytes: Uint8Array;
  readonly contentType: string;
}

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
export function jsonOf(value: unknown, what = "the value"): string {
  let json: string | undefined;
  try {
    json = JSON.stringify(value);
  } catch (error) {
    throw badRequest(`${what} is not JSON: ${(error as Error).message}`);
  }
  if (json === undefined) throw badRequest(`a ${typeof value} is no value; delete the key, or put null`);
  return json;
}
