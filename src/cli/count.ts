/**
 * A count that an option gives.
 */
import { usage } from "./exit.js";

/** A whole number from 1 on. */
export function countOf(option: string, given: string, most: number = Number.MAX_SAFE_INTEGER): number {
  const count = /^\d{1,16}$/.test(given) ? Number(given) : 0;
  if (count >= 1 && count <= most) return count;
  const range = most === Number.MAX_SAFE_INTEGER ? "from 1 on" : `from 1 to ${most}`;
  throw usage(`${option}: expected a number ${range}, found ${JSON.stringify(given)}`);
}
