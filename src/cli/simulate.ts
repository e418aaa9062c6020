/**
 * `murmur simulate`: whole clusters on virtual time, with every fault the seed draws.
 *
 * One seed is one run, the same on every machine. A failure prints the command
 * that replays it; `--trace` shows what happened, `--shrink` the same failure
 * from fewer steps.
 */
import { availableParallelism } from "node:os";
import { setFlagsFromString } from "node:v8";
import { Worker } from "node:worker_threads";
import { replayTwice } from "../sim/replay.js";
import type { Script } from "../sim/script.js";
import { shrink } from "../sim/shrink.js";
import { type RunResult, simulate as runScript } from "../sim/simulation.js";
import { drawScript } from "../sim/swarm.js";
import { EXIT, type ExitCode, usage } from "./exit.js";
import { ProgressLine } from "./progress.js";
import { SimulationSummary } from "./simulate-summary.js";
import { counted, print, printJson, say, sayFailure } from "./terminal.js";

export interface SimulateOptions {
  readonly seed?: string;
  readonly seeds?: string;
  readonly trace?: boolean;
  readonly shrink?: boolean;
  readonly json?: boolean;
}

/** A run leaves little behind and much on the way: with room for the young, garbage is collected a tenth as often. */
const YOUNG = { maxYoungGenerationSizeMb: 64 };
/**
 * The optimiser puts less into one function than it would (920 bytes of bytecode by default): all of a cluster is one flat
 * program, of which it compiles everything, and took a third of the time of the first forty seeds.
 */
const INLINED_BYTES_MAX = 300;
const SHRINK_RUNS_MAX = 600;
const SEED_MAX = 2 ** 32;

export async function simulate(options: SimulateOptions): Promise<ExitCode> {
  const first = wholeNumber("--seed", options.seed ?? "1", 0);
  const count = wholeNumber("--seeds", options.seeds ?? "1", 1);
  if (count > 1 && (options.trace || options.shrink))
    throw usage("--trace and --shrink look at one seed: leave --seeds out");
  return count === 1 ? one(first, options) : many(first, count, options);
}

function one(seed: number, options: SimulateOptions): ExitCode {
  const script = drawScript(seed);
  const result = replayTwice(script);
  const smallest = options.shrink && !result.ok ? shrunk(script) : script;
  if (options.trace || (options.shrink && !result.ok)) runScript(smallest, options.json ? say : print);
  return tell(result, options);
}

function shrunk(script: Script): Script {
  const { script: smallest, runs } = shrink(script, (candidate) => !runScript(candidate).ok, SHRINK_RUNS_MAX);
  say(`shrunk from ${script.steps.length} to ${counted(smallest.steps.length, "step")} in ${counted(runs, "run")}`);
  say(JSON.stringify(smallest));
  return smallest;
}

function tell(result: RunResult, { json }: SimulateOptions): ExitCode {
  const summary = new SimulationSummary();
  summary.add(result);
  if (json) printJson(result);
  else print(summary.text());
  if (!result.ok) sayFailureOf(result);
  return result.ok ? EXIT.ok : EXIT.failure;
}

/** The workers take the next seed when they are done with one; results are told in the order of seeds. */
async function many(first: number, count: number, { json }: SimulateOptions): Promise<ExitCode> {
  const summary = new SimulationSummary();
  const progress = new ProgressLine(() => ({
    share: summary.runs / count,
    text: `${counted(summary.runs, "seed")}, ${summary.hours} simulated hours, ${counted(summary.failures, "failure")}`,
  }));
  const waiting = new Map<number, RunResult>();
  let told = first;
  const onResult = (result: RunResult) => {
    waiting.set(result.seed, result);
    for (let next = waiting.get(told); next !== undefined; next = waiting.get(told)) {
      waiting.delete(told++);
      summary.add(next);
      if (json) printJson(next);
      if (!next.ok) progress.interject(failureText(next));
    }
  };
  await inWorkers(first, count, onResult).finally(() => progress.end());
  const speed = summary.speed(progress.elapsedMs, Math.min(count, availableParallelism()));
  if (json) say(speed);
  else print(`${summary.text()}\n${speed}`);
  return summary.failures === 0 ? EXIT.ok : EXIT.failure;
}

async function inWorkers(first: number, count: number, onResult: (result: RunResult) => void): Promise<void> {
  setFlagsFromString(`--max-inlined-bytecode-size-cumulative=${INLINED_BYTES_MAX}`);
  let next = first;
  const work = () =>
    new Promise<void>((resolve, reject) => {
      const worker = new Worker(new URL("./simulate-worker.js", import.meta.url), { resourceLimits: YOUNG });
      const give = () => (next < first + count ? worker.postMessage(next++) : worker.terminate());
      worker.on("message", (result: RunResult) => {
        onResult(result);
        give();
      });
      worker.on("error", reject).on("exit", () => resolve());
      give();
    });
  await Promise.all(Array.from({ length: Math.min(count, availableParallelism()) }, work));
}

function sayFailureOf(result: RunResult): void {
  for (const line of failureText(result).split("\n")) sayFailure(line);
}

function failureText({ seed, failure }: RunResult): string {
  return `seed ${seed}: ${failure}\nreplay it with: murmur simulate --seed ${seed} --trace`;
}

function wholeNumber(name: string, text: string, least: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= least && value < SEED_MAX) return value;
  throw usage(`${name} takes a whole number from ${least} on, not ${text}`);
}
