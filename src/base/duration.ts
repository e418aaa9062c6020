/**
 * Durations as people write them: `500ms`, `60s`, `5m`, `2h`. A bare number is
 * refused, because nobody can tell its unit.
 */

/** The longest delay a Node.js timer can hold; a longer one would fire at once. */
export const TIMER_MS_MAX: number = 2 ** 31 - 1;

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Milliseconds, or undefined when `text` is not a duration or too long to count exactly. */
export function parseDurationMs(text: string): number | undefined {
  const [, count, unit] = /^(\d{1,15})(ms|s|m|h)$/.exec(text) ?? [];
  if (count === undefined || unit === undefined) return undefined;
  const durationMs = Number(count) * (UNIT_MS[unit] as number);
  return Number.isSafeInteger(durationMs) ? durationMs : undefined;
}
