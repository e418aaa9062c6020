/**
 * `npm run bench`: every bench in turn; `npm run bench --
 * levels --quick`: the named ones, quickly. Tables go to stdout, progress to
 * stderr, JSON and pictures to bench/results/.
 */
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { onStopSignals } from "../src/cli/signals.js";
import { BENCHES } from "./benches.js";
import { closeAll } from "./closing.js";
import { circumstances, save, tableText } from "./report.js";

const RESULTS_FOLDER = fileURLToPath(new URL("../../bench/results/", import.meta.url));
const EXIT = { ok: 0, failure: 1, usage: 2, interrupted: 130 } as const;

let isInterrupted = false;

async function main(words: readonly string[]): Promise<number> {
  const quick = words.includes("--quick");
  const asked = words.filter((word) => word !== "--quick");
  const unknown = asked.find((name) => !BENCHES.has(name));
  if (unknown !== undefined) {
    say(`there is no bench ${JSON.stringify(unknown)}; there are ${[...BENCHES.keys()].join(", ")}, and --quick`);
    return EXIT.usage;
  }
  onStopSignals(interrupt, () => process.exit(EXIT.interrupted));
  for (const name of asked.length === 0 ? BENCHES.keys() : asked) await runOne(name, quick);
  return EXIT.ok;
}

async function runOne(name: string, quick: boolean): Promise<void> {
  const startedMs = performance.now();
  const onProgress = (text: string) => say(`${name} ${((performance.now() - startedMs) / 1000).toFixed(0)} s: ${text}`);
  const options = { quick, onProgress };
  const measured = circumstances(options);
  const bench = await BENCHES.get(name)?.();
  const result = await bench?.run(options);
  if (result === undefined) return;
  process.stdout.write(`\n${tableText(result, measured)}`);
  const files = save(result, measured, RESULTS_FOLDER).map((path) => relative(process.cwd(), path));
  process.stdout.write(`files: ${files.join(", ")}\n\n`);
}

/** Ends the children and removes the folders first; the benches then fail, which is no news. */
function interrupt(): void {
  isInterrupted = true;
  say("stopping");
  void closeAll().then(() => process.exit(EXIT.interrupted));
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!isInterrupted) throw error;
}
