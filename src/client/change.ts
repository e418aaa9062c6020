/**
 * Counters, sets and maps: what changes them as JSON, and their values out of a node's answers. Pure.
 */
import { asBuffer } from "../base/bytes.js";
import { badRequest, MurmurError } from "./errors.js";
import type { ChangeResult, GetResult, ReadResult } from "./options.js";
import type { HttpAnswer } from "./pool.js";
import { jsonOf } from "./value.js";

/** Throws BadRequestError. */
export function checkedBy(by: number): number {
  if (Number.isSafeInteger(by)) return by;
  throw badRequest(`a counter takes an integer up to ${Number.MAX_SAFE_INTEGER}, not ${by}`);
}

export function listOf(elements: string | readonly string[]): readonly string[] {
  return typeof elements === "string" ? [elements] : elements;
}

export function encodeOp(op: object): Uint8Array {
  return Buffer.from(jsonOf(op));
}

/** What a POST has left. */
export function changeOf<Value>({ body, headers }: HttpAnswer, node: string): ChangeResult<Value> {
  const value = innerValue<Value>(parsed(body));
  if (value !== undefined) return { value, context: headers["murmur-context"] as string };
  throw new MurmurError({
    code: "bad-answer",
    detail: "a change whose value cannot be read",
    status: 200,
    mayHaveApplied: true,
    node,
  });
}

/** A get's result as that of a counter, a set or a map; `absent` in place of none. */
export function readOf<Value>({ found, context, replicas, value: json }: GetResult, absent: Value): ReadResult<Value> {
  const value = found ? innerValue<Value>(json) : absent;
  const isOfKind = typeof value === typeof absent && Array.isArray(value) === Array.isArray(absent);
  if (value !== undefined && isOfKind) return { found, value, context, replicas };
  const kind = Array.isArray(absent) ? "set" : KINDS[typeof absent];
  throw badRequest(`this key is not a ${kind}: its bucket has another type; read it with get`);
}

const KINDS: Readonly<Record<string, string>> = { number: "counter", object: "map" };

/** A counter, a set and a map are answered as the `value` of an object. */
export function innerValue<Value>(json: unknown): Value | undefined {
  return typeof json === "object" && json !== null ? (json as { value?: Value }).value : undefined;
}

function parsed(body: Uint8Array): unknown {
  try {
    return JSON.parse(asBuffer(body).toString("utf8"));
  } catch {
    return undefined;
  }
}
