/**
 * `npm test`: every *.test.ts, or with --long every *.long.ts, by explicit file names.
 *
 * The list is made from the sources, so a test that was deleted but still lies
 * compiled in dist/ does not run.
 */
import { spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));
const suffix = process.argv.includes("--long") ? ".long.ts" : ".test.ts";
const only = process.argv.slice(2).filter((word) => !word.startsWith("--"));

const sources = readdirSync(join(root, "test"), { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(suffix) && (only.length === 0 || only.some((word) => name.includes(word))))
  .sort();
const files = sources.map((name) => join(root, "dist", "test", name.replace(/\.ts$/, ".js")));
const missing = files.find((file) => !existsSync(file));
if (files.length === 0 || missing !== undefined) {
  process.stderr.write(`no compiled test ${missing ?? `for ${only.join(" ")}`}: run npm run build\n`);
  process.exit(1);
}
// Node's own default leaves one core out: of two, that is half. Long tests have the machine for themselves,
// because they load it and count what fails.
const concurrency = `--test-concurrency=${suffix === ".long.ts" ? 1 : availableParallelism()}`;
const runner = spawn(process.execPath, ["--test", concurrency, ...files], { cwd: root, stdio: "inherit" });
runner.on("exit", (code) => {
  process.exitCode = code ?? 1;
});
