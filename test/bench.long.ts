/** The benches that start processes, each run tiny. */
import { test } from "node:test";
import { BENCHES } from "../bench/benches.js";
import { ALONE, assertRuns } from "./bench-shape.js";

for (const name of BENCHES.keys()) if (!ALONE.includes(name)) test(`bench ${name}`, () => assertRuns(name));
