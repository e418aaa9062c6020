/**
 * Tables of docs/ that are made from the code: each stands between `<!-- NAME -->` and `<!-- end -->`.
 *
 * `node dist/test/pages.js` writes them anew; pages.test.ts holds that this would change nothing.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { HOUR_MS, KIB, type Limit, MIB, MINUTE_MS, SECOND_MS, YEAR_MS } from "../src/limit.js";
import { CORE_LIMITS } from "../src/limits-core.js";
import { EDGE_LIMITS } from "../src/limits-edge.js";
import { MERGE_LIMITS } from "../src/limits-merge.js";
import { RELAY_LIMITS } from "../src/limits-relay.js";
import { LIMIT_PAIRS } from "../src/real/cluster-rules.js";
import { METRIC_GROUPS } from "../src/real/metrics.js";

export const ROOT = new URL("../../", import.meta.url);

/** By page: what stands in its tables, by name. */
export const TABLES: Readonly<Record<string, Readonly<Record<string, () => string>>>> = {
  "docs/limits.md": {
    edge: () => limitsTable(EDGE_LIMITS),
    core: () => limitsTable(CORE_LIMITS),
    relay: () => limitsTable(RELAY_LIMITS),
    merge: () => limitsTable(MERGE_LIMITS),
    pairs: pairsTable,
  },
  "docs/metrics.md": { metrics: metricsTables },
};

/** The page with its tables as the code has them. */
export function renewed(page: string, text: string): string {
  let result = text;
  for (const [name, table] of Object.entries(TABLES[page] ?? {})) {
    const place = new RegExp(`(<!-- ${name} -->\n).*?(?=<!-- end -->)`, "s");
    if (!place.test(result)) throw new Error(`${page}: no place <!-- ${name} --> … <!-- end -->`);
    result = result.replace(place, (_, head) => `${head}${table()}`);
  }
  return result;
}

export function pageText(page: string): string {
  return readFileSync(new URL(page, ROOT), "utf8");
}

function limitsTable(limits: Readonly<Record<string, Limit>>): string {
  const rows = Object.entries(limits).map(([name, { value, least, most, reason }]) => [
    `\`${name}\``,
    withUnit(name, value),
    `${withUnit(name, least)} to ${withUnit(name, most)}`,
    reason,
  ]);
  return tableOf(["limit", "default", "from, to", "why"], rows);
}

function pairsTable(): string {
  const rows = LIMIT_PAIRS.map(([smaller, larger, times, why]) => [
    `\`${larger}\``,
    times === 1 ? `\`${smaller}\`` : `${times} times \`${smaller}\``,
    why,
  ]);
  return tableOf(["limit", "is at least", "why"], rows);
}

function metricsTables(): string {
  const parts = Object.entries(METRIC_GROUPS).map(([heading, metrics]) => {
    const rows = Object.entries(metrics).map(([name, { kind, labels, help }]) => [
      `\`${name}\``,
      kind,
      Object.entries(labels)
        .map(([label, values]) => `\`${label}\`: ${values}`)
        .join("; "),
      help,
    ]);
    return `\n## ${heading}\n\n${tableOf(["metric", "kind", "labels", "tells"], rows)}`;
  });
  return parts.join("");
}

function tableOf(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [heads, heads.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |\n`);
  return lines.join("");
}

const BYTES: readonly (readonly [string, number])[] = [
  ["GiB", 1024 * MIB],
  ["MiB", MIB],
  ["KiB", KIB],
];
const TIMES: readonly (readonly [string, number])[] = [
  ["years", YEAR_MS],
  ["d", 24 * HOUR_MS],
  ["h", HOUR_MS],
  ["min", MINUTE_MS],
  ["s", SECOND_MS],
];

/** As the file takes it, and as people read it. */
function withUnit(name: string, value: number): string {
  const units = name.includes("Bytes") ? BYTES : /Ms(Max|Min)?$/.test(name) ? TIMES : [];
  const fitting = units.find(([, size]) => value >= size && value % size === 0);
  return fitting === undefined ? String(value) : `${value} (${value / fitting[1]} ${fitting[0]})`;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  for (const page of Object.keys(TABLES))
    writeFileSync(fileURLToPath(new URL(page, ROOT)), renewed(page, pageText(page)));
}
