/**
 * `npm run torture -- --minutes 2 [--seed S] [--nodes 5] [--json FILE] [--markdown FILE]`, or for one store alone
 * `npm run torture -- --cuts 500 --flips 1000 [--seed S]`.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { markdownOf, ruleOfThree, textOf } from "./report.js";
import { cutStore } from "./store-cuts.js";
import { rotStore } from "./store-rot.js";
import { torture } from "./torture.js";

const { values } = parseArgs({
  options: {
    minutes: { type: "string" },
    seed: { type: "string" },
    nodes: { type: "string", default: "5" },
    cuts: { type: "string", default: "0" },
    flips: { type: "string", default: "0" },
    json: { type: "string" },
    markdown: { type: "string" },
  },
});

const [cuts, flips, nodes] = [Number(values.cuts), Number(values.flips), Number(values.nodes)];
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
const minutes = Number(values.minutes ?? (cuts + flips > 0 ? 0 : 2));
if (![cuts, flips, nodes, seed].every(Number.isSafeInteger) || !(minutes >= 0) || nodes < 1) {
  process.stderr.write("--minutes takes a number, --cuts, --flips, --nodes and --seed whole numbers\n");
  process.exit(2);
}
const startedMs = performance.now();
const say = (sentence: string) => {
  process.stderr.write(`${((performance.now() - startedMs) / 1000).toFixed(1).padStart(7)} s  ${sentence}\n`);
};

async function cutAndFlip(): Promise<boolean> {
  if (flips > 0) {
    const rot = await rotStore(flips, seed);
    process.stdout.write(`seed ${seed}, flips of one bit of a store: ${JSON.stringify(rot)}\n`);
    if (rot.wrong > 0) return false;
  }
  if (cuts === 0) return true;
  const cut = await cutStore(cuts, seed);
  const bound = `at 95 %: fewer than ${ruleOfThree(cut.acknowledged).toExponential(1)}`;
  process.stdout.write(`seed ${seed}, power losses of one node: ${JSON.stringify(cut)} (${bound})\n`);
  return cut.violations.length === 0;
}

async function tortureCluster(): Promise<boolean> {
  const report = await torture({ minutes, seed, nodes, say });
  process.stdout.write(textOf(report));
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, undefined, 2)}\n`);
  if (values.markdown !== undefined) writeFileSync(values.markdown, markdownOf(report));
  return report.ok;
}

const ok = (await cutAndFlip()) && (minutes === 0 || (await tortureCluster()));
process.exit(ok ? 0 : 1);
