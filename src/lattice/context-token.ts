/**
 * A causal context as a client carries it: with a check of the key that it is of.
 *
 * An owner mints the changes of all its keys under one name, so a context of
 * one key means something for every other: sent with another key, it would
 * supersede what its client has never seen. Four bytes of a hash of the bucket,
 * the key and the sort key find that mistake, all but one time in four billion.
 * They are no proof: who means harm may write what he likes without a context.
 *
 * The bytes: the format, the check, the context as `encodeContext` writes it.
 * Before they had a check, they began with the context's own format, 1 or 2.
 */
import { Writer } from "../base/bytes.js";
import { hash128 } from "../base/hash.js";
import { wordAt } from "../base/short-bytes.js";
import { type Context, decodeContext, encodeContext } from "./context.js";

/** What a context is of: a key, or a cell of one. */
export interface ContextOwner {
  readonly bucket: string;
  readonly key: Uint8Array;
  readonly sort?: Uint8Array | undefined;
}

const FORMAT = 3;
const CHECK_SEED = 0x63747874;
const HEAD_BYTES = 5;
/** Of one key after the other. */
const checked = new Writer(256);

/** Canonical: equal contexts of one key are equal bytes, those of two keys are not. */
export function encodeContextToken(owner: ContextOwner, context: Context): Uint8Array {
  const bytes = encodeContext(context);
  return new Writer(HEAD_BYTES + bytes.length).u8(FORMAT).u32(checkOf(owner)).raw(bytes).finish();
}

/** The context in `token`, whichever key it is of; undefined when no node ever answered it. */
export function decodeContextToken(token: Uint8Array): Context | undefined {
  return token[0] === FORMAT && token.length > HEAD_BYTES ? decodeContext(token.subarray(HEAD_BYTES)) : undefined;
}

/** Whether a token that was decoded is of this key. */
export function isContextOf(owner: ContextOwner, token: Uint8Array): boolean {
  return wordAt(token, 1) === checkOf(owner);
}

/** Whether `token` is of the time before they had a check. */
export function isUncheckedContext(token: Uint8Array): boolean {
  return decodeContext(token) !== undefined;
}

/** The length before the key and none before the rest: that is injective. A key's own differs from any cell's, for no sort key is empty. */
function checkOf({ bucket, key, sort }: ContextOwner): number {
  checked.clear();
  checked.shortText(bucket).u16(key.length).raw(key);
  if (sort !== undefined) checked.raw(sort);
  return wordAt(hash128(CHECK_SEED, checked.finish()), 0);
}
