/**
 * The code in README.md and docs/ that is run as it stands there, so that it
 * cannot rot: each fence below a line `<!-- sample: NAME -->`.
 *
 * `node dist/test/samples.js FOLDER` writes each to a file of its name.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const SAMPLE = /^<!-- sample: (\S+) -->\n```\w*\n(.*?)^```$/gms;

/** Any code, marked or not. */
const FENCE = /^```\w*\n(.*?)^```$/gms;
/** What a reader would paste and run. */
const IMPORT = /from ['"]murmurdb/;

/** By name. Throws when a page has code that imports the package and is no sample. */
export function samples(): Map<string, string> {
  const pages = ["README.md", ...readdirSync(join(ROOT, "docs")).map((name) => join("docs", name))];
  const found = new Map<string, string>();
  for (const page of pages.filter((name) => name.endsWith(".md"))) {
    const text = readFileSync(join(ROOT, page), "utf8");
    for (const [, name, code] of text.matchAll(SAMPLE)) {
      // One sample may stand on several pages, the same on each.
      if ((found.get(name as string) ?? code) !== code) throw new Error(`${page}: another page has another ${name}`);
      found.set(name as string, code as string);
    }
    const known = new Set(found.values());
    for (const [, code] of text.matchAll(FENCE)) {
      if (known.has(code as string) || !IMPORT.test(code as string)) continue;
      throw new Error(`${page}: code that imports murmurdb needs the line <!-- sample: NAME.mjs --> above it`);
    }
  }
  return found;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const [folder] = process.argv.slice(2) as [string];
  for (const [name, code] of samples()) writeFileSync(join(folder, name), code);
}
