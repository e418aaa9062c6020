/**
 * The path of a key. URLs are rewritten on their way (`..`, `%2F`), so only a
 * plain key travels as itself; every other one in base64url.
 */
import { usage } from "./exit.js";

const BUCKET = /^(?!\.+$)[A-Za-z0-9_.-]{1,64}$/;
const PLAIN_KEY = /^[A-Za-z0-9_-]+$/;
const KEY_BYTES_MAX = 1024;

export function checkBucket(bucket: string): void {
  if (BUCKET.test(bucket)) return;
  throw usage(`expected a bucket name of 1 to 64 characters out of A-Z a-z 0-9 _ . -, found ${JSON.stringify(bucket)}`);
}

/** What is wrong with a key, or undefined. */
export function keyTrouble(key: string): string | undefined {
  const bytes = Buffer.byteLength(key);
  if (bytes === 0) return "the key is empty";
  if (bytes > KEY_BYTES_MAX) return `the key has ${bytes} bytes; the limit is ${KEY_BYTES_MAX}`;
  return undefined;
}

export function checkKey(key: string): void {
  const trouble = keyTrouble(key);
  if (trouble !== undefined) throw usage(trouble);
}

export function keyPath(bucket: string, key: string): string {
  return PLAIN_KEY.test(key) ? `/v1/buckets/${bucket}/keys/${key}` : `/v1/buckets/${bucket}/keys64/${base64url(key)}`;
}

export function ownersPath(bucket: string, key: string): string {
  return PLAIN_KEY.test(key) ? `/v1/owners/${bucket}/${key}` : `/v1/owners64/${bucket}/${base64url(key)}`;
}

function base64url(key: string): string {
  return Buffer.from(key, "utf8").toString("base64url");
}
