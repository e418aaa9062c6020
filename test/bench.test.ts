/** The benches that start no processes, each run tiny, and what all are made of: tables, pictures, closing. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { BENCHES } from "../bench/benches.js";
import { barChart } from "../bench/chart.js";
import { closeAll, closingAfter, temporaryFolder } from "../bench/closing.js";
import { chartText, type Result, save, tableText } from "../bench/report.js";
import { ratioSpread, spreadOf } from "../bench/spread.js";
import { ALONE, assertRuns, MEASURED } from "./bench-shape.js";

for (const name of ALONE) test(`bench ${name}`, () => assertRuns(name));

const SMALL: Result = {
  name: "small",
  command: "npm run bench -- small",
  title: "Small & < large",
  columns: [{ name: "arm", isLabel: true }, { name: "rows/s" }, { name: "of old", digits: 1 }, { name: "never" }],
  rows: [
    { arm: "old", "rows/s": spreadOf([1000, 3000, 1500]), "of old": 1, never: undefined },
    { arm: "new one", "rows/s": 12.345, "of old": ratioSpread([2000, 3000], [1000, 3000]), never: undefined },
  ],
  notes: ["a note"],
  reference: "old",
};

test("a table is aligned, and has no column for which nothing is known", () => {
  const [, , , ...lines] = tableText(SMALL, MEASURED).split("\n");
  assert.deepEqual(lines, [
    "arm                     rows/s           of old",
    "-------  ---------------------  ---------------",
    "old      1,500 (1,000 - 3,000)              1.0",
    "new one                   12.3  1.5 (1.0 - 2.0)",
    "",
    "a note",
    "",
    "again: npm run bench -- small",
    "",
  ]);
});

test("a picture has bars, whiskers and a logarithmic axis where values span decades", () => {
  const svg = chartText(SMALL, MEASURED);
  assert.match(svg, /Small &amp; &lt; large/);
  assert.match(svg, /rows\/s, logarithmic axis/);
  assert.equal(svg.match(/class="bar reference"/g)?.length, 1);
  assert.equal(svg.match(/class="whisker"/g)?.length, 1, "what does not vary has no whisker");
  const bar = { label: "one", spread: spreadOf([4, 8]), text: "6", isReference: false };
  const linear = barChart({ title: "", axis: "ms", footer: "", bars: [bar] });
  assert.match(linear, /ms; whiskers/);
  assert.deepEqual(
    linear.match(/text-anchor="middle">[^<]+/g)?.map((text) => text.slice(21)),
    ["0", "2", "4", "6", "8"],
  );
});

test("a picture of distributions has every curve on the same two logarithmic axes", () => {
  const curve = {
    name: "on",
    isReference: false,
    points: [
      [1, 0.5],
      [10, 0.01],
      [20, 0],
    ],
  } as const;
  const slow = {
    name: "off",
    isReference: true,
    points: [
      [2, 0.5],
      [900, 0.002],
      [950, 0],
    ],
  } as const;
  const panels = ["a", "b & c"].map((title) => ({ title, curves: [slow, curve] }));
  const svg = chartText({ ...SMALL, panels }, MEASURED);
  assert.match(svg, /b &amp; c/);
  const ticks = svg.match(/text-anchor="(?:middle|end)">[^<]+/g)?.map((text) => text.replace(/.*>/, ""));
  const panel = ["1", "10", "100", "1,000", "0.1 %", "1 %", "10 %", "100 %", "off", "on"];
  assert.deepEqual(ticks, [...panel, ...panel]);
  const paths = svg.match(/ d="[^"]+/g)?.map((path) => path.match(/[ML]/g)?.join(""));
  assert.deepEqual(paths, ["ML", "ML", "ML", "ML"], "where nothing is above, a curve ends");
});

test("JSON and picture are written beside one another", () =>
  closingAfter(async (keep) => {
    const [json, svg] = save(SMALL, MEASURED, keep(temporaryFolder()).path);
    const saved = JSON.parse(readFileSync(json as string, "utf8"));
    assert.deepEqual([saved.rows[1]["rows/s"], saved.measured.node], [12.345, process.version]);
    assert.match(readFileSync(svg as string, "utf8"), /^<svg [\s\S]*<\/svg>\n$/);
  }));

test("what is kept is closed, the last first, also after a failure", async () => {
  const closed: string[] = [];
  const work = closingAfter(async (keep) => {
    for (const name of ["first", "second"]) keep({ close: async () => void closed.push(name) });
    throw new Error("a failure");
  });
  await assert.rejects(work, /a failure/);
  assert.deepEqual(closed, ["second", "first"]);
});

test("whoever closes all waits for what is being closed, and nothing is closed twice", async () => {
  const closed: string[] = [];
  let finish = () => {};
  const slow = async () => {
    await new Promise<void>((resolve) => {
      finish = resolve;
    });
    closed.push("slow");
  };
  const work = closingAfter(async (keep) => void keep({ close: slow }));
  const turn = () => new Promise((resume) => setImmediate(resume));
  await turn();
  const all = closeAll().then(() => closed.push("all"));
  await turn();
  finish();
  await Promise.all([work, all]);
  assert.deepEqual(closed, ["slow", "all"]);
});

test("an unknown bench is answered with those that there are", () => {
  const file = fileURLToPath(new URL("../bench/run.js", import.meta.url));
  const { status, stderr } = spawnSync(process.execPath, [file, "levls", "--quick"], { encoding: "utf8" });
  assert.equal(status, 2);
  for (const name of BENCHES.keys()) assert.match(stderr, new RegExp(`\\b${name}\\b`));
});
