/** `npm run fuzz -- [--frames 1000000] [--requests 100000] [--seed S] [--json FILE]` */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { fuzz } from "./fuzz.js";

const { values } = parseArgs({
  options: {
    frames: { type: "string", default: "1000000" },
    requests: { type: "string", default: "100000" },
    seed: { type: "string" },
    json: { type: "string" },
  },
});

const [frames, requests] = [Number(values.frames), Number(values.requests)];
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
if (![frames, requests, seed].every((each) => Number.isSafeInteger(each) && each >= 0)) {
  process.stderr.write("--frames, --requests and --seed take whole numbers\n");
  process.exit(2);
}
const startedMs = performance.now();
const say = (sentence: string) => {
  process.stderr.write(`${((performance.now() - startedMs) / 1000).toFixed(1).padStart(7)} s  ${sentence}\n`);
};
say(`seed ${seed}`);
const report = await fuzz({ frames, requests, seed, say });
process.stdout.write(`${JSON.stringify(report, undefined, 2)}\n`);
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, undefined, 2)}\n`);
process.exit(report.complaints.length === 0 ? 0 : 1);
