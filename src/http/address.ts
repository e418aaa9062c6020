/**
 * Which key a path names.
 *
 * The path is taken from the raw request line and never normalised: `..`,
 * `__proto__` and `%2F` are bytes of a key like any others. A key is one path
 * segment, percent-encoded, or base64url below the sibling path with `64`, for
 * the names that clients rewrite in URLs.
 */
import { isUtf8 } from "node:buffer";
import { base64urlDecoded, percentDecoded } from "./decode.js";
import { badRequest, Problem } from "./problem.js";

export interface Address {
  readonly bucket: string;
  readonly key: Uint8Array;
}

const BUCKETS_PREFIX = "/v1/buckets/";
const KEYS_SUFFIX = "/keys";
export const BATCH_PATH = "/v1/batch";
const BUCKET_CHARACTERS_MAX = 64;
export const BUCKET_NAME_EXPECTED = "a bucket's name is 1 to 64 of A-Z a-z 0-9 _ . -";

/** The path and the query of a request line's target, both as they came. */
export function splitTarget(target: string): { readonly path: string; readonly queryText: string } {
  const queryAt = target.indexOf("?");
  if (queryAt < 0) return { path: target, queryText: "" };
  return { path: target.slice(0, queryAt), queryText: target.slice(queryAt + 1) };
}

/** Whether a request is a batch, by its request line's target: it may be larger than a value, and names its keys in its body. */
export function isBatch(target: string): boolean {
  return target === BATCH_PATH || target.startsWith(`${BATCH_PATH}?`);
}

/** The key of `/v1/buckets/{bucket}/keys/{key}` or its `keys64` form; undefined when the path has neither form. */
export function keyAddress(path: string, keyBytesMax: number): Address | Problem | undefined {
  return addressBelow("keys", path, keyBytesMax);
}

/** The key of `/v1/buckets/{bucket}/partitions/{key}` or its `partitions64` form; undefined when the path has neither form. */
export function partitionAddress(path: string, keyBytesMax: number): Address | Problem | undefined {
  return addressBelow("partitions", path, keyBytesMax);
}

function addressBelow(folder: "keys" | "partitions", path: string, keyBytesMax: number): Address | Problem | undefined {
  if (!path.startsWith(BUCKETS_PREFIX)) return undefined;
  const bucketEnd = path.indexOf("/", BUCKETS_PREFIX.length);
  if (bucketEnd < 0 || !path.startsWith(folder, bucketEnd + 1)) return undefined;
  const bucket = path.slice(BUCKETS_PREFIX.length, bucketEnd);
  const nameAt = bucketEnd + 1 + folder.length;
  if (path.startsWith("/", nameAt)) return percentAddress(bucket, path.slice(nameAt + 1), keyBytesMax);
  if (path.startsWith("64/", nameAt)) return base64Address(bucket, path.slice(nameAt + 3), keyBytesMax);
  return undefined;
}

/** The key of `/v1/owners/{bucket}/{key}` or its `owners64` form; undefined when the path has neither form. */
export function ownersAddress(path: string, keyBytesMax: number): Address | Problem | undefined {
  for (const [prefix, address] of OWNERS_FORMS) {
    if (!path.startsWith(prefix)) continue;
    const bucketEnd = path.indexOf("/", prefix.length);
    if (bucketEnd < 0) return undefined;
    return address(path.slice(prefix.length, bucketEnd), path.slice(bucketEnd + 1), keyBytesMax);
  }
  return undefined;
}

function percentAddress(bucket: string, name: string, keyBytesMax: number): Address | Problem {
  if (name.includes("/")) return new Problem("not-found", "no such path; write a / inside a key as %2F");
  if (name.includes("#")) return badRequest("a request line has no fragment; write a # inside a key as %23");
  const key = percentDecoded(name);
  if (key === undefined) return badRequest("the key has a % without two hexadecimal digits after it");
  return addressOf(bucket, key, keyBytesMax);
}

function base64Address(bucket: string, name: string, keyBytesMax: number): Address | Problem {
  const key = base64urlDecoded(name);
  if (key === undefined) return badRequest("the key is not base64url without padding");
  return addressOf(bucket, key, keyBytesMax);
}

const OWNERS_FORMS = [
  ["/v1/owners/", percentAddress],
  ["/v1/owners64/", base64Address],
] as const;

/** The address, or what is wrong with it. */
function addressOf(bucket: string, key: Uint8Array, keyBytesMax: number): Address | Problem {
  if (!isBucketName(bucket)) return badRequest(BUCKET_NAME_EXPECTED);
  const trouble = keyTrouble(key, keyBytesMax);
  return trouble === undefined ? { bucket, key } : badRequest(trouble);
}

/** What is wrong with a key, or undefined. */
export function keyTrouble(key: Uint8Array, keyBytesMax: number): string | undefined {
  if (key.length === 0) return "the key is empty";
  if (key.length > keyBytesMax) return `the key has ${key.length} bytes; the limit is ${keyBytesMax}`;
  return isUtf8(key) ? undefined : "the key is not valid UTF-8";
}

/** The bucket of `/v1/buckets/{bucket}/keys`; undefined when the path is none. */
export function bucketAddress(path: string): string | Problem | undefined {
  if (!path.startsWith(BUCKETS_PREFIX) || !path.endsWith(KEYS_SUFFIX)) return undefined;
  const bucket = path.slice(BUCKETS_PREFIX.length, -KEYS_SUFFIX.length);
  if (bucket.includes("/")) return undefined;
  return isBucketName(bucket) ? bucket : badRequest(BUCKET_NAME_EXPECTED);
}

export function isBucketName(name: string): boolean {
  if (name.length === 0 || name.length > BUCKET_CHARACTERS_MAX) return false;
  for (let index = 0; index < name.length; index++) {
    if (!BUCKET_CHARACTERS.includes(name.charAt(index))) return false;
  }
  return true;
}

const BUCKET_CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
