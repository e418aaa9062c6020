/**
 * Where a listing goes on, as the opaque `next` and `after`.
 *
 * A version, a checksum over the bucket and all that follows, the token, the
 * key, the sort key. So a text that we never answered is found out, and so is that of
 * another bucket; what it reveals is only the key that was listed last.
 */
import { asBuffer, equalBytes, Reader, utf8, Writer } from "../base/bytes.js";
import { hash128, tokenOf } from "../base/hash.js";
import type { ListPosition } from "../coordinator/list.js";
import { orderedToken } from "../replica/rows.js";
import { base64urlDecoded } from "./decode.js";

const VERSION = 2;
const SEED = 0x6e657874;
const CHECKSUM_BYTES = 8;
const LEAST_BYTES = 1 + CHECKSUM_BYTES + 8 + 2;

export function pageToken(bucket: string, { token, key, sort }: ListPosition): string {
  const place = new Writer().u64(token).u16(key.length).raw(key).raw(sort).finish();
  const writer = new Writer().u8(VERSION).raw(checksum(bucket, place)).raw(place);
  return asBuffer(writer.finish()).toString("base64url");
}

/** The position in `text`; undefined when it is none that we answered for this bucket. */
export function readPageToken(bucket: string, text: string): ListPosition | undefined {
  const bytes = base64urlDecoded(text);
  if (bytes === undefined || bytes.length < LEAST_BYTES || bytes[0] !== VERSION) return undefined;
  const reader = new Reader(bytes.subarray(1));
  const sum = reader.raw(CHECKSUM_BYTES);
  const place = reader.rest();
  return equalBytes(sum, checksum(bucket, place)) ? positionIn(new Reader(place)) : undefined;
}

/** Anybody can make the checksum: it tells accidents, not malice. */
function positionIn(place: Reader): ListPosition | undefined {
  const token = place.u64();
  const keyBytes = place.u16();
  if (keyBytes > place.remaining) return undefined;
  const key = place.raw(keyBytes);
  return key.length > 0 && token !== orderedToken(tokenOf(key)) ? undefined : { token, key, sort: place.rest() };
}

function checksum(bucket: string, place: Uint8Array): Uint8Array {
  const name = utf8(bucket);
  const bytes = new Writer(1 + name.length + place.length).short(name).raw(place).finish();
  return hash128(SEED, bytes).subarray(0, CHECKSUM_BYTES);
}
