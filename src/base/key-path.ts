/**
 * The path of a key. URLs are rewritten on their way (`..`, `%2F`), so only a
 * plain key travels as itself; every other one in base64url.
 */

const PLAIN_KEY = /^[A-Za-z0-9_-]+$/;

export function keyPath(bucket: string, key: string): string {
  return pathBelow(bucket, "keys", key);
}

/** Of a key's cells together. */
export function partitionPath(bucket: string, key: string): string {
  return pathBelow(bucket, "partitions", key);
}

function pathBelow(bucket: string, folder: string, key: string): string {
  const name = PLAIN_KEY.test(key) ? `${folder}/${key}` : `${folder}64/${base64url(key)}`;
  return `/v1/buckets/${bucket}/${name}`;
}

export function ownersPath(bucket: string, key: string): string {
  return PLAIN_KEY.test(key) ? `/v1/owners/${bucket}/${key}` : `/v1/owners64/${bucket}/${base64url(key)}`;
}

function base64url(key: string): string {
  return Buffer.from(key, "utf8").toString("base64url");
}
