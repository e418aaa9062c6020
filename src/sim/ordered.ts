/**
 * Rows in key order, in memory.
 *
 * A table finds a row, and short sorted runs of rows give the order: adding one
 * of 100,000 moves a few hundred of them at most, and a scan starts with
 * two binary searches. Keys are strings with one character per byte, whose
 * order is that of the bytes.
 */
import type { Row } from "../ports.js";

const RUN_KEYS_MAX = 512;

interface Entry {
  readonly mapKey: string;
  row: Row;
}

export class OrderedRows {
  private readonly rows = new Map<string, Entry>();
  /** Never empty, and only a sole run may be empty. */
  private runs: Entry[][] = [[]];

  get size(): number {
    return this.rows.size;
  }

  get(mapKey: string): Row | undefined {
    return this.rows.get(mapKey)?.row;
  }

  set(mapKey: string, row: Row): void {
    const known = this.rows.get(mapKey);
    if (known !== undefined) known.row = row;
    else this.insert({ mapKey, row });
  }

  delete(mapKey: string): void {
    if (!this.rows.delete(mapKey)) return;
    const index = this.runOf(mapKey);
    const run = this.runs[index] as Entry[];
    run.splice(firstAtLeast(run, mapKey), 1);
    if (run.length === 0 && this.runs.length > 1) this.runs.splice(index, 1);
  }

  clear(): void {
    this.rows.clear();
    this.runs = [[]];
  }

  /** The rows with `from` <= key < `to` in order, at most `limit`. */
  range(from: string, to: string, limit: number): Readonly<Entry>[] {
    const found: Entry[] = [];
    const first = this.runOf(from);
    let position = firstAtLeast(this.runs[first] as Entry[], from);
    for (let index = first; index < this.runs.length; index++) {
      const run = this.runs[index] as Entry[];
      for (; position < run.length; position++) {
        const entry = run[position] as Entry;
        if (entry.mapKey >= to || found.length >= limit) return found;
        found.push(entry);
      }
      position = 0;
    }
    return found;
  }

  private insert(entry: Entry): void {
    this.rows.set(entry.mapKey, entry);
    const index = this.runOf(entry.mapKey);
    const run = this.runs[index] as Entry[];
    run.splice(firstAtLeast(run, entry.mapKey), 0, entry);
    if (run.length > RUN_KEYS_MAX) this.runs.splice(index + 1, 0, run.splice(RUN_KEYS_MAX / 2));
  }

  /** The run in which the key is, or belongs: the last that does not begin after it. */
  private runOf(mapKey: string): number {
    let low = 0;
    let high = this.runs.length;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if (((this.runs[middle] as Entry[])[0] as Entry).mapKey <= mapKey) low = middle;
      else high = middle;
    }
    return low;
  }
}

/** The place of the first key that is not below `mapKey`. */
function firstAtLeast(run: readonly Entry[], mapKey: string): number {
  let low = 0;
  let high = run.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((run[middle] as Entry).mapKey < mapKey) low = middle + 1;
    else high = middle;
  }
  return low;
}
