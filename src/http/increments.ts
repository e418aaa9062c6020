/**
 * The plain increments of one batch: an item that repeats one before it is not taken apart again.
 *
 * A large batch counts few counters up, and most of its items differ in nothing
 * but their amount. Such an item needs none of the checks that its forerunner has passed.
 */
import type { WriteRequest } from "../coordinator/outcome.js";
import type { Fields } from "./json-body.js";

/** Of an item that says what and by how much, and nothing else. */
const PLAIN_FIELDS = 3;

export class Increments {
  private readonly byBucket = new Map<unknown, Map<unknown, WriteRequest>>();

  /** Remembers what an item asked for, if it is a plain increment. */
  keep(item: Fields, request: WriteRequest): void {
    if (amountOf(item) === undefined) return;
    const { bucket, key } = item;
    const ofBucket = this.byBucket.get(bucket);
    if (ofBucket === undefined) this.byBucket.set(bucket, new Map([[key, request]]));
    else ofBucket.set(key, request);
  }

  /** What an item asks for that differs from one before it in its amount at most; undefined for all others. */
  like(item: unknown): WriteRequest | undefined {
    if (typeof item !== "object" || item === null) return undefined;
    const { bucket, key } = item as Fields;
    const known = this.byBucket.get(bucket)?.get(key);
    const by = known === undefined ? undefined : amountOf(item as Fields);
    if (known === undefined || by === undefined) return undefined;
    return known.op.kind === "add" && known.op.by === by ? known : { ...known, op: { kind: "add", by } };
  }
}

/** Undefined unless it is a plain increment by a safe integer. */
function amountOf(item: Fields): number | undefined {
  const { bucket, key, op } = item;
  if (typeof bucket !== "string" || typeof key !== "string" || typeof op !== "object" || op === null) return undefined;
  const { add } = op as Fields;
  const isPlain = Number.isSafeInteger(add) && fieldCount(op) === 1 && fieldCount(item) === PLAIN_FIELDS;
  // Plus nothing: there is one zero.
  return isPlain ? (add as number) + 0 : undefined;
}

/** Of an object out of JSON. */
function fieldCount(object: object): number {
  let count = 0;
  for (const _ in object) count++;
  return count;
}
