/**
 * Changes that count once: what a caller calls one, or the client for it.
 *
 * With a name, a change of which nobody knows whether it was made is asked for
 * again, of another node (retry.ts). Without one it is not, and that is the
 * default: a named change reads a quorum first, and its key carries about 45 bytes
 * for each of the last day's changes wherever it goes.
 */
import type { Random } from "../base/random.js";
import { badRequest } from "./errors.js";

export const ID_CHARACTERS_MAX = 255;
const WORDS = 4;

/** As in the header; undefined when the change has no name. */
export function idKeyOf(wish: string | true | undefined, random: Random): string | undefined {
  if (wish === undefined) return undefined;
  if (wish === true) {
    return Array.from({ length: WORDS }, () => random.u32().toString(16).padStart(8, "0")).join("");
  }
  if (typeof wish === "string" && wish.length <= ID_CHARACTERS_MAX && /^[\x21-\x7e]+$/.test(wish)) return wish;
  throw badRequest(`idempotencyKey: expected true, or 1 to ${ID_CHARACTERS_MAX} visible ASCII characters`);
}
