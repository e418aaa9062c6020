/**
 * What a client calls a change, as owners keep it: hashes, so that each takes the same few bytes.
 *
 * The time at which a value expires is not compared: it is counted from when the request came, and a retry comes later.
 */
import { utf8, Writer } from "../base/bytes.js";
import { hash128 } from "../base/hash.js";
import { BODY_BYTES, type ChangeId, type Op } from "../lattice/op.js";
import { writeOp } from "../wire/minting.js";

const KEY_SEED = 0x69646b65;
const BODY_SEED = 0x6964626f;

/** Of an `Idempotency-Key` and the operation that it is to make once. */
export function changeIdOf(key: string, op: Op): ChangeId {
  const writer = new Writer();
  writeOp(writer, op.kind === "put" ? { ...op, expiresAtMs: undefined } : op);
  return { id: hash128(KEY_SEED, utf8(key)), body: hash128(BODY_SEED, writer.finish()).subarray(0, BODY_BYTES) };
}
