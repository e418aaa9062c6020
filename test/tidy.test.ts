/** The house rules that lint cannot express. Each failure names the file and what to do. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { LIMITS } from "../src/config.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const FILE_LINES_MAX = 300;
const FILE_LINES_MEDIAN_MAX = 150;
const CORE =
  /^src\/(base|lattice|wire|membership|replica|coordinator|upkeep|sim)\/|^src\/(node|turn|ports|config|cluster-config)\.ts$/;

function filesBelow(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => `${folder}/${name}`)
    .sort();
}

const sources = filesBelow("src");
const everything = [...sources, ...filesBelow("test"), ...filesBelow("bench"), ...filesBelow("torture")];
const textOf = (file: string) => readFileSync(join(root, file), "utf8");

function offendersOf(files: readonly string[], pattern: RegExp): string[] {
  return files.filter((file) => pattern.test(textOf(file)) && !file.endsWith("tidy.test.ts"));
}

test("every source file opens with a comment that says what it is", () => {
  const silent = sources.filter(
    (file) =>
      !textOf(file)
        .replace(/^#!.*\n/, "")
        .startsWith("/**\n"),
  );
  assert.deepEqual(silent, []);
});

test("no file is longer than 300 lines, and half of them are short", () => {
  const lengths = sources.map((file) => textOf(file).split("\n").length - 1);
  assert.deepEqual(
    sources.filter((_, index) => (lengths[index] as number) > FILE_LINES_MAX),
    [],
  );
  const median = lengths.toSorted((a, b) => a - b)[lengths.length >> 1] as number;
  assert.ok(median <= FILE_LINES_MEDIAN_MAX, `the median file has ${median} lines`);
});

test("folders are one deep", () => {
  assert.deepEqual(
    sources.filter((file) => file.split("/").length > 3),
    [],
  );
});

test("the world enters the core through ports.ts alone", () => {
  const core = sources.filter((file) => CORE.test(file));
  assert.ok(core.length > 20, "the core was not found");
  assert.deepEqual(offendersOf(core, /Math\.random|new Date|Date\.now|\.localeCompare|\basync\b|\bawait\b/), []);
});

test("real/ and sim/ are two bodies of the same ports", () => {
  for (const port of ["clock", "random", "transport", "storage", "meter"]) {
    for (const body of ["real", "sim"])
      assert.ok(existsSync(join(root, "src", body, `${port}.ts`)), `${body}/${port}.ts`);
  }
});

test("every limit has a unit, a reason, a default within its range, and somebody who keeps it", () => {
  const users = sources
    .filter((file) => !/^src\/limits-\w+\.ts$/.test(file))
    .map(textOf)
    .join("\n");
  for (const [name, { value, least, most, reason }] of Object.entries(LIMITS)) {
    assert.match(
      name,
      /(Bytes|Ids|Ms|Rows|Ranges|Blocks|Tokens|Items|Keys|Peers|Factor|connections|siblings(Warn)?|Listeners|Leaves|Percent|Pending)(Max|Min)?$/,
      `${name}: the unit comes last, but for Max and Min`,
    );
    assert.ok(least <= value && value <= most, `${name}: the default lies outside its own range`);
    assert.ok(reason.length > 20, `${name}: a reason is a sentence`);
    assert.match(users, new RegExp(`\\b${name}\\b`), `${name}: nobody keeps this limit`);
  }
});

test("nothing is left for later, and nothing is switched off", () => {
  assert.deepEqual(offendersOf(everything, /TODO|FIXME|XXX|@ts-ignore|@ts-expect-error|biome-ignore/), []);
  assert.deepEqual(offendersOf(everything, /\b(test|it|describe)\.(only|todo)\(/), []);
});

test("no test sleeps", () => {
  const tests = everything.filter((file) => file.startsWith("test/"));
  assert.deepEqual(offendersOf(tests, /setTimeout[^;]*from "node:timers\/promises"|setTimeout\(\s*resolve/), []);
});

test("each library that we wrap is known to one module", () => {
  const wrapped = { murmurhash3js: "src/base/hash.ts", "prom-client": "src/real/meter.ts", pino: "src/real/log.ts" };
  for (const [library, home] of Object.entries(wrapped)) {
    assert.deepEqual(offendersOf(sources, new RegExp(`(from |import\\()"${library}"`)), [home]);
  }
});

test("the lockfile was made on Node 20, and names no registry", () => {
  const lock = JSON.parse(textOf("package-lock.json"));
  assert.match(lock.packages["node_modules/better-sqlite3"].version, /^12\./);
  assert.doesNotMatch(textOf("package-lock.json"), /"resolved"/);
});

test("what git ignores is not imported, and what is committed is small", (context) => {
  const listed = spawnSync("git", ["ls-files", "-z"], { cwd: root, encoding: "utf8" });
  if (listed.status !== 0) {
    assert.ok(process.env.MURMUR_REQUIRE_ALL !== "1", "this is not a git checkout");
    return context.skip("not a git checkout");
  }
  const files = listed.stdout.split("\0").filter((file) => file !== "" && existsSync(join(root, file)));
  const large = files.filter((file) => readFileSync(join(root, file)).length > 300_000);
  assert.deepEqual(large, []);
  assert.deepEqual(
    files.filter((file) => dirname(file).startsWith("dist")),
    [],
  );
});

test("lint and format are clean", () => {
  const biome = join(root, "node_modules", ".bin", "biome");
  const result = spawnSync(biome, ["check", "--error-on-warnings", "."], { cwd: root, encoding: "utf8" });
  assert.equal(result.status, 0, result.stdout + result.stderr);
});

test("nothing is exported that nobody imports", () => {
  const texts = new Map(everything.map((file) => [file, textOf(file)]));
  const unused: string[] = [];
  for (const file of sources.filter((each) => each !== "src/index.ts")) {
    for (const [, name] of textOf(file).matchAll(/^export (?:abstract )?(?:class|function|const) (\w+)/gm)) {
      const word = new RegExp(`\\b${name}\\b`);
      if (![...texts].some(([other, text]) => other !== file && word.test(text))) unused.push(`${file}: ${name}`);
    }
  }
  assert.deepEqual(unused, []);
});
