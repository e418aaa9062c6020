/**
 * The keys of a bucket, a page at a time.
 */
import { badRequest, MurmurError } from "./errors.js";
import type { KeyPage, KeysOptions } from "./options.js";
import { askAny } from "./rest-call.js";
import type { Shared } from "./shared.js";

export async function listKeys(shared: Shared, bucket: string, options: KeysOptions): Promise<KeyPage> {
  const { limit, after, consistency } = options;
  if (limit !== undefined && !(Number.isSafeInteger(limit) && limit > 0)) {
    throw badRequest(`limit is a number of keys from 1 on, not ${limit}`);
  }
  const query = new URLSearchParams();
  if (limit !== undefined) query.set("limit", String(limit));
  if (after !== undefined) query.set("after", after);
  if (consistency !== undefined) query.set("r", String(consistency));
  const path = (timeoutMs: number) => `/v1/buckets/${bucket}/keys?${query}&timeout=${timeoutMs}ms`;
  const { json, node } = await askAny(shared, { method: "GET", path, isWrite: false, ...options });
  const { keys, next } = json as { keys?: readonly string[]; next?: string | null };
  if (!Array.isArray(keys)) throw new MurmurError({ code: "bad-answer", detail: "not a page of keys", node });
  return { keys, next: next ?? undefined };
}

/** Each page is asked for when the one before was read to its end. */
export async function* eachKey(
  shared: Shared,
  bucket: string,
  options: KeysOptions,
): AsyncGenerator<string, void, undefined> {
  let after = options.after;
  do {
    const page = await listKeys(shared, bucket, after === undefined ? options : { ...options, after });
    yield* page.keys;
    after = page.next;
  } while (after !== undefined);
}
