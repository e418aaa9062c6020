/**
 * What a bucket and a key may be called, said before a node is asked.
 */
import { usage } from "./exit.js";

const BUCKET = /^(?!\.+$)[A-Za-z0-9_.-]{1,64}$/;
const KEY_BYTES_MAX = 1024;

export function checkBucket(bucket: string): void {
  if (BUCKET.test(bucket)) return;
  throw usage(
    `expected a bucket name of 1 to 64 characters out of A-Z a-z 0-9 _ . -, not dots alone, found ${JSON.stringify(bucket)}`,
  );
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
