/**
 * A bench run tiny: that it runs, closes what it opens, and says what it found in
 * the one shape that table and picture are made of. No timing.
 */
import assert from "node:assert/strict";
import { BENCHES } from "../bench/benches.js";
import { type Cell, chartText, circumstances, type Result, type Table, tableText } from "../bench/report.js";

const OPTIONS = { quick: true, tiny: true } as const;
export const MEASURED = circumstances(OPTIONS);

/** Those that start no processes are run with every test, the others in bench.long.ts. */
export const ALONE: readonly string[] = ["layout", "detection", "lattices", "storage", "transport"];

/** Runs a bench tiny and looks at what it says. */
export async function assertRuns(name: string): Promise<void> {
  const load = BENCHES.get(name);
  assert.ok(load !== undefined, `there is no bench ${name}`);
  const result = await (await load()).run(OPTIONS);
  assert.equal(result.name, name);
  assert.equal(result.command, `npm run bench -- ${name}`);
  assertShape(result);
}

function assertShape(result: Result): void {
  for (const table of [result, ...(result.more ?? [])]) assertTable(table);
  const lines = tableText(result, MEASURED).split("\n");
  assert.deepEqual([lines[0], lines[1]?.includes(process.version)], [result.title, true]);
  const picture = chartText(result, MEASURED);
  const curves = result.panels?.flatMap((panel) => panel.curves);
  const [mark, count] =
    curves === undefined ? ['<rect class="bar', result.rows.length] : ['<path class="curve', curves.length];
  assert.equal(picture.split(mark).length - 1, count, "a bar for each row, or every curve");
  assert.doesNotMatch(picture, /NaN|Infinity|undefined/);
}

function assertTable({ columns, rows }: Table): void {
  const names = columns.map((column) => column.name);
  assert.equal(new Set(names).size, names.length, "columns are told apart by their names");
  assert.ok(rows.length > 0);
  for (const row of rows) {
    for (const [name, cell] of Object.entries(row)) {
      assert.ok(names.includes(name), `${name} is no column`);
      assert.ok(isSound(cell), `${name} holds ${JSON.stringify(cell)}`);
    }
  }
}

/** A measure is a number above zero, and its median lies between its least and its most. */
function isSound(cell: Cell): boolean {
  if (typeof cell === "number") return Number.isFinite(cell);
  if (typeof cell !== "object") return true;
  return cell.least > 0 && cell.least <= cell.median && cell.median <= cell.most && Number.isFinite(cell.most);
}
