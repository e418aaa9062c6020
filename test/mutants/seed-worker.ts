/**
 * Runs seeds in the build whose folder it was given, and answers with what failed, if anything did.
 */
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { parentPort, workerData } from "node:worker_threads";

export interface SeedWorkerData {
  readonly folder: string;
  /** Whether each seed is run twice, and both traces compared. */
  readonly isTwice: boolean;
}

interface Run {
  readonly ok: boolean;
  readonly failure?: string;
}

const { folder, isTwice }: SeedWorkerData = workerData;
const load = (file: string) => import(pathToFileURL(join(folder, "src", "sim", file)).href);
const { drawScript } = await load("swarm.js");
const run: (script: unknown) => Run = isTwice
  ? (await load("replay.js")).replayTwice
  : (await load("simulation.js")).simulate;

parentPort?.on("message", (seed: number) => parentPort?.postMessage(failureOf(seed)));

function failureOf(seed: number): string | undefined {
  const { ok, failure } = run(drawScript(seed));
  return ok ? undefined : (failure ?? "failed without a word");
}
