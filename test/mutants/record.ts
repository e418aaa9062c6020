/**
 * Who killed whom: the record of the last hunt, and the table that the docs make of it.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Kill } from "./hunt.js";
import type { Mutant } from "./mutant.js";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const RECORD_FILE = join(ROOT, "test", "mutants", "killed.json");
const DOCS_FILE = join(ROOT, "docs", "simulation.md");
const [TABLE_BEGIN, TABLE_END] = ["<!-- mutants: written by npm run mutants -- --write -->", "<!-- end of mutants -->"];

export type Kills = ReadonlyMap<string, Kill>;

export function readKills(): Kills {
  return new Map(Object.entries(JSON.parse(readFileSync(RECORD_FILE, "utf8")) as Record<string, Kill>));
}

/** Keeps the kills of mutants that there are, in their order, and puts their table into the docs. */
export function writeKills(kills: Kills, mutants: readonly Mutant[]): void {
  const kept = mutants.flatMap(({ name }) => {
    const kill = kills.get(name);
    return kill === undefined ? [] : [[name, kill] as const];
  });
  writeFileSync(RECORD_FILE, `${JSON.stringify(Object.fromEntries(kept), undefined, 2)}\n`);
  const { before, after } = docsParts();
  writeFileSync(DOCS_FILE, before + docsTable(kills, mutants) + after);
}

/** The table as it stands in the docs. */
export function writtenTable(): string {
  return docsParts().table;
}

export function docsTable(kills: Kills, mutants: readonly Mutant[]): string {
  const rows = mutants.map(({ name, defect }) => {
    const kill = kills.get(name);
    return `| \`${name}\` | ${defect} | ${kill?.seed ?? ""} | ${kill?.by ?? "survives"} |\n`;
  });
  return `\n| mutant | what is wrong with it | killed by seed | because |\n|---|---|--:|---|\n${rows.join("")}`;
}

function docsParts(): { before: string; table: string; after: string } {
  const text = readFileSync(DOCS_FILE, "utf8");
  const begin = text.indexOf(TABLE_BEGIN) + TABLE_BEGIN.length;
  const end = text.indexOf(TABLE_END);
  if (begin < TABLE_BEGIN.length || end < begin) throw new Error(`${DOCS_FILE} has no place for the table of mutants`);
  return { before: text.slice(0, begin), table: text.slice(begin, end), after: text.slice(end) };
}
