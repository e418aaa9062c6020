/** The pages of docs/ that list what is in the code: nothing is missing on them, and nothing is there that is gone. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { z } from "zod";
import { PROBLEMS } from "../src/http/problem.js";
import { clusterShape } from "../src/real/cluster-schema.js";
import { METRICS, type Metric } from "../src/real/metrics.js";
import { pageText, ROOT, renewed, TABLES } from "./pages.js";

for (const page of Object.keys(TABLES)) {
  test(`${page} has the tables that the code makes`, () => {
    const text = pageText(page);
    assert.equal(text, renewed(page, text), `${page}: \`npm run build && node dist/test/pages.js\` writes it anew`);
  });
}

test("docs/configuration.md has each key of a cluster file, and no others", () => {
  const named = [...pageText("docs/configuration.md").matchAll(/^\| `([^`]+)` \| /gm)].map(([, key]) => key as string);
  const { defaults, ...others } = clusterShape.shape;
  assert.equal(defaults, others.buckets.unwrap().unwrap().valueType, "defaults is told as a bucket");
  assert.deepEqual(named.toSorted(), keysOf(z.object(others), "").toSorted());
});

test("docs/http.md has each code of a problem with its status, and no others", () => {
  const told = [...pageText("docs/http.md").matchAll(/^\| (\d{3}) \| (\S+) \| /gm)].map(
    ([, status, code]) => `${status} ${code}`,
  );
  const known = Object.entries(PROBLEMS).map(([code, { status }]) => `${status} ${code}`);
  assert.deepEqual(told.toSorted(), known.toSorted());
});

/** A use of the port Meter, with its labels where they are written out. */
const METERED =
  /\.(count|gauge|time)\(\s*"(murmur_\w+)"(?:,\s*(?!\{)[^{},()]+)?(?:,\s*\{([^{}]*)\})?(?:,[^{}();]*)?,?\s*\)/g;
const KINDS = { count: "counter", gauge: "gauge", time: "histogram" } as const;

test("each metric that is counted is in the table, of its kind and with its labels, and each in the table is counted", () => {
  const sources = readdirSync(new URL("src/", ROOT), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts") && !/^(real\/metrics\.ts$|sim\/|load\/|cli\/)/.test(name))
    .map((name) => pageText(`src/${name}`));
  const counted = sources.flatMap((text) => [...text.matchAll(/"(murmur_\w+)"/g)].map(([, name]) => name as string));
  assert.deepEqual([...new Set(counted)].toSorted(), Object.keys(METRICS).toSorted());
  const uses = sources.flatMap((text) => [...text.matchAll(METERED)]);
  assert.ok(uses.length > 55, `${uses.length} uses were understood`);
  for (const [use, method, name, literal] of uses) {
    const { kind, labels } = METRICS[name as string] as Metric;
    assert.equal(kind, KINDS[method as keyof typeof KINDS], use);
    if (literal === undefined) continue;
    const keys = literal.split(",").flatMap((part) => part.split(":", 1)[0]?.trim() || []);
    assert.deepEqual(keys.toSorted(), Object.keys(labels).toSorted(), use);
  }
});

/** The path of each value that a file may hold. `defaults` is a bucket, and limits have a page. */
function keysOf(type: unknown, path: string): string[] {
  if (type instanceof z.ZodOptional || type instanceof z.ZodNullable) return keysOf(type.unwrap(), path);
  if (type instanceof z.ZodArray) return keysOf(type.element, `${path}[]`);
  if (type instanceof z.ZodRecord) return keysOf(type.valueType, `${path}.NAME`);
  if (!(type instanceof z.ZodObject) || path === "limits") return [path];
  return Object.entries(type.shape).flatMap(([key, child]) => keysOf(child, path === "" ? key : `${path}.${key}`));
}
