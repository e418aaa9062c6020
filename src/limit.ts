/**
 * A limit: its default, the range that a cluster file may choose from, and the reason for it.
 */
export interface Limit {
  readonly value: number;
  readonly least: number;
  readonly most: number;
  readonly reason: string;
}

export function limit(value: number, least: number, most: number, reason: string): Limit {
  return { value, least, most, reason };
}

export const KIB = 1024;
export const MIB = 1024 * KIB;
export const SECOND_MS = 1000;
export const MINUTE_MS = 60 * SECOND_MS;
export const HOUR_MS = 60 * MINUTE_MS;
export const YEAR_MS = 366 * 24 * HOUR_MS;
