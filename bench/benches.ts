/**
 * Every bench by its name, in the order of a full run.
 *
 * Each is a module with one function, `run`, and is loaded only when it is run.
 */
import type { BenchOptions, Result } from "./report.js";

export interface Bench {
  run(options: BenchOptions): Promise<Result>;
}

export const BENCHES: ReadonlyMap<string, () => Promise<Bench>> = new Map<string, () => Promise<Bench>>([
  ["layout", () => import("./layout.js")],
  ["detection", () => import("./detection.js")],
  ["lattices", () => import("./lattices.js")],
  ["storage", () => import("./storage.js")],
  ["transport", () => import("./transport.js")],
  ["start", () => import("./start.js")],
  ["levels", () => import("./levels.js")],
  ["anti-entropy", () => import("./anti-entropy.js")],
  ["tail", () => import("./tail.js")],
  ["saturation", () => import("./saturation.js")],
  ["counter", () => import("./counter.js")],
  ["overload", () => import("./overload.js")],
]);
