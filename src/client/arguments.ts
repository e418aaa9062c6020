/**
 * What a caller gives, checked before anything is sent: throws BadRequestError.
 */
import { utf8 } from "../base/bytes.js";
import { TIMER_MS_MAX } from "../base/duration.js";
import { badRequest } from "./errors.js";

const NAME = /^(?!\.+$)[A-Za-z0-9_.-]{1,64}$/;
const KEY_BYTES_MAX = 1024;
/** Half a character: it has no UTF-8, and two such keys would become one. */
const LONE_SURROGATE = /\p{Surrogate}/u;

export function checkBucket(name: string): void {
  if (typeof name === "string" && NAME.test(name)) return;
  throw badRequest(`a bucket's name is 1 to 64 of A-Z a-z 0-9 _ . - and not dots alone, not ${JSON.stringify(name)}`);
}

export function checkKey(key: string, what = "key"): void {
  if (typeof key !== "string" || key === "") throw badRequest(`a ${what} is a string that is not empty`);
  checkText(key, `the ${what}`);
  if (3 * key.length <= KEY_BYTES_MAX) return;
  const bytes = utf8(key).length;
  if (bytes > KEY_BYTES_MAX) throw badRequest(`the ${what} has ${bytes} bytes; the limit is ${KEY_BYTES_MAX}`);
}

export function checkText(text: string, what: string): void {
  if (LONE_SURROGATE.test(text)) throw badRequest(`${what} has half of a surrogate pair: it is not Unicode text`);
}

/** Of a write that its caller stamps. */
export function checkedStamp(stamp: number): number {
  if (Number.isSafeInteger(stamp) && stamp > 0) return stamp;
  throw badRequest(`stamp is a whole number of microseconds since 1970, such as Date.now() * 1000, not ${stamp}`);
}

export function checkedTimeout(timeoutMs: number): number {
  if (!(Number.isFinite(timeoutMs) && timeoutMs > 0)) {
    throw badRequest(`timeoutMs is a positive number of milliseconds, not ${timeoutMs}`);
  }
  return checkedTimer("timeoutMs", timeoutMs);
}

export function checkedTimer(name: string, delayMs: number): number {
  if (delayMs <= TIMER_MS_MAX) return delayMs;
  throw badRequest(`${name} is at most ${TIMER_MS_MAX}, the longest that a timer can wait, not ${delayMs}`);
}
