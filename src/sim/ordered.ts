/**
 * Rows in key order, in memory.
 *
 * A table finds a row, and short sorted runs of keys give the order: adding one
 * of 100,000 keys moves a few hundred of them at most, and a scan starts with
 * two binary searches. Keys are strings with one character per byte, whose
 * order is that of the bytes.
 */
import type { Row } from "../ports.js";

const RUN_KEYS_MAX = 512;

export class OrderedRows {
  private readonly rows = new Map<string, Row>();
  /** Never empty, and only a sole run may be empty. */
  private runs: string[][] = [[]];

  get size(): number {
    return this.rows.size;
  }

  get(mapKey: string): Row | undefined {
    return this.rows.get(mapKey);
  }

  set(mapKey: string, row: Row): void {
    if (!this.rows.has(mapKey)) this.insert(mapKey);
    this.rows.set(mapKey, row);
  }

  delete(mapKey: string): void {
    if (!this.rows.delete(mapKey)) return;
    const index = this.runOf(mapKey);
    const run = this.runs[index] as string[];
    run.splice(firstAtLeast(run, mapKey), 1);
    if (run.length === 0 && this.runs.length > 1) this.runs.splice(index, 1);
  }

  clear(): void {
    this.rows.clear();
    this.runs = [[]];
  }

  /** The keys with `from` <= key < `to` in order, at most `limit`. */
  keys(from: string, to: string, limit: number): string[] {
    const found: string[] = [];
    let position = firstAtLeast(this.runs[this.runOf(from)] as string[], from);
    for (let index = this.runOf(from); index < this.runs.length; index++) {
      const run = this.runs[index] as string[];
      for (; position < run.length; position++) {
        const key = run[position] as string;
        if (key >= to || found.length >= limit) return found;
        found.push(key);
      }
      position = 0;
    }
    return found;
  }

  private insert(mapKey: string): void {
    const index = this.runOf(mapKey);
    const run = this.runs[index] as string[];
    run.splice(firstAtLeast(run, mapKey), 0, mapKey);
    if (run.length > RUN_KEYS_MAX) this.runs.splice(index + 1, 0, run.splice(RUN_KEYS_MAX / 2));
  }

  /** The run in which the key is, or belongs: the last that does not begin after it. */
  private runOf(mapKey: string): number {
    let low = 0;
    let high = this.runs.length;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if ((this.runs[middle]?.[0] as string) <= mapKey) low = middle;
      else high = middle;
    }
    return low;
  }
}

/** The place of the first key that is not below `mapKey`. */
function firstAtLeast(run: readonly string[], mapKey: string): number {
  let low = 0;
  let high = run.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((run[middle] as string) < mapKey) low = middle + 1;
    else high = middle;
  }
  return low;
}
