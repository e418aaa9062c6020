/**
 * `npm test`: every *.test.ts, or with --long every *.long.ts, by explicit file names.
 *
 * The list is made from the sources, so a test that was deleted but still lies
 * compiled in dist/ does not run. Whatever hangs ends with its time, and is
 * named: with it go all processes that it started.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Of all short tests, of one file of long ones, and of all of these: several times what they take on two slow cores. */
const SHORT_MINUTES_MAX = 15;
const LONG_FILE_MINUTES_MAX = 8;
const LONG_MINUTES_MAX = 40;
const MS_PER_MINUTE = 60_000;

const root = fileURLToPath(new URL("../../", import.meta.url));
const isLong = process.argv.includes("--long");
const only = process.argv.slice(2).filter((word) => !word.startsWith("--"));

const suffix = isLong ? ".long.ts" : ".test.ts";
const sources = readdirSync(join(root, "test"), { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(suffix) && (only.length === 0 || only.some((word) => name.includes(word))))
  .sort();
const files = sources.map((name) => join(root, "dist", "test", name.replace(/\.ts$/, ".js")));
const missing = files.find((file) => !existsSync(file));
if (files.length === 0 || missing !== undefined) {
  process.stderr.write(`no compiled test ${missing ?? `for ${only.join(" ")}`}: run npm run build\n`);
  process.exit(1);
}
process.exitCode = isLong ? await runInTurn() : await run(files, SHORT_MINUTES_MAX);

/** Long tests have the machine for themselves, because they load it, and count what fails. */
async function runInTurn(): Promise<number> {
  const failed: string[] = [];
  const endMs = performance.now() + LONG_MINUTES_MAX * MS_PER_MINUTE;
  for (const [index, file] of files.entries()) {
    const startedMs = performance.now();
    const minutesLeft = (endMs - startedMs) / MS_PER_MINUTE;
    const code = minutesLeft > 0 ? await run([file], Math.min(LONG_FILE_MINUTES_MAX, minutesLeft)) : 1;
    const seconds = Math.round((performance.now() - startedMs) / 1000);
    if (code !== 0) failed.push(sources[index] as string);
    process.stderr.write(`${code === 0 ? "ok" : "FAILED"} ${sources[index]} (${seconds} s)\n`);
  }
  if (failed.length > 0) process.stderr.write(`failed: ${failed.join(", ")}\n`);
  return failed.length === 0 ? 0 : 1;
}

async function run(files: readonly string[], minutesMax: number): Promise<number> {
  // Node's own default leaves one core out: of two, that is half.
  const concurrency = `--test-concurrency=${availableParallelism()}`;
  const runner = spawn(process.execPath, ["--test", concurrency, ...files], {
    cwd: root,
    stdio: "inherit",
    detached: true,
  });
  const forward = (signal: NodeJS.Signals) => kill(runner, signal);
  process.on("SIGINT", forward).on("SIGTERM", forward);
  const timer = setTimeout(() => {
    process.stderr.write(`not over after ${Math.round(minutesMax)} minutes, and ended: ${files.join(" ")}\n`);
    kill(runner, "SIGKILL");
  }, minutesMax * MS_PER_MINUTE);
  const [code] = (await once(runner, "exit")) as [number | null];
  clearTimeout(timer);
  process.off("SIGINT", forward).off("SIGTERM", forward);
  return code ?? 1;
}

/** The runner, and all that it and its tests have started. */
function kill(runner: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (runner.pid !== undefined) process.kill(-runner.pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
