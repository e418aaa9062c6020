/**
 * `npm run torture -- --minutes 2 [--seed S] [--nodes 5] [--json FILE] [--markdown FILE]`
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { markdownOf, textOf } from "./report.js";
import { torture } from "./torture.js";

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "2" },
    seed: { type: "string" },
    nodes: { type: "string", default: "5" },
    json: { type: "string" },
    markdown: { type: "string" },
  },
});

const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
const [minutes, nodes] = [Number(values.minutes), Number(values.nodes)];
if (!(minutes > 0) || !Number.isInteger(nodes) || nodes < 1 || !Number.isSafeInteger(seed)) {
  process.stderr.write("--minutes takes a number above 0, --nodes and --seed whole numbers\n");
  process.exit(2);
}
const startedMs = performance.now();
const say = (sentence: string) => {
  process.stderr.write(`${((performance.now() - startedMs) / 1000).toFixed(1).padStart(7)} s  ${sentence}\n`);
};
const report = await torture({ minutes, seed, nodes, say });
process.stdout.write(textOf(report));
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, undefined, 2)}\n`);
if (values.markdown !== undefined) writeFileSync(values.markdown, markdownOf(report));
process.exit(report.ok ? 0 : 1);
