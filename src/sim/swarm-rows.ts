/**
 * Rows: in some runs, what clients would do with registers they do with cells of a few rows, and some of the
 * reads are ranges.
 */
import { below, happens, pick, type Random } from "../base/random.js";
import { cellOf } from "./cells.js";
import type { Operation, Step } from "./script.js";

const CHANCE = 0.3;
const ROWS = 2;
const CELLS: readonly number[] = [6, 12, 24];

export function withRows(random: Random, operations: readonly Step[]): readonly Step[] {
  if (!happens(random, CHANCE)) return operations;
  const cells = pick(random, CELLS);
  const rangeShare = pick(random, [0.4, 0.7]);
  const share = pick(random, [0.5, 1]);
  const pages = pick(random, [
    [1, 2],
    [3, 5, 8],
  ]);
  return operations.map((step) => {
    if (!("operation" in step.deed) || !happens(random, share)) return step;
    const { operation } = step.deed;
    const key = cellOf(below(random, ROWS), below(random, cells));
    if (operation.kind !== "read" || !happens(random, rangeShare))
      return { ...step, deed: { operation: { ...operation, key } } };
    return { ...step, deed: { range: drawRange(random, { ...operation, key }, cells, pages) } };
  });
}

function drawRange(random: Random, { ttlMs: _, ...request }: Operation, cells: number, pages: readonly number[]) {
  const bound = () => (happens(random, 0.3) ? String(below(random, cells)) : undefined);
  return { ...request, kind: "range" as const, from: bound(), to: bound(), cellsMax: pick(random, pages) };
}
