/**
 * `Idempotency-Key`: what a client calls a change, so that a retry of it counts once, through whichever node it comes
 * (docs/idempotency.md).
 *
 * It is a name among the changes of one key: the same text may be used for another one.
 */
import type { IncomingHttpHeaders } from "node:http";
import { badRequest, type Problem } from "./problem.js";

const CHARACTERS_MAX = 255;

/** What the header says; undefined when there is none. */
export function idKeyOf(headers: IncomingHttpHeaders): string | undefined | Problem {
  const text = headers["idempotency-key"];
  return text === undefined ? undefined : idKeyFrom(String(text), "Idempotency-Key");
}

/** A text as it came, or why it is none. `place` says where it stood. */
export function idKeyFrom(text: string, place: string): string | Problem {
  if (text.length <= CHARACTERS_MAX && /^[\x21-\x7e]+$/.test(text)) return text;
  return badRequest(`${place}: takes 1 to ${CHARACTERS_MAX} visible ASCII characters, such as a UUID`);
}

/** Who stamps by himself writes the same again when he repeats it. */
export function stampedRefusal(
  idKey: string | undefined,
  stampUs: number | undefined,
  place = "",
): Problem | undefined {
  if (idKey === undefined || stampUs === undefined) return undefined;
  return badRequest(`${place}a write with a stamp is the same when it is repeated: it takes no Idempotency-Key`);
}
