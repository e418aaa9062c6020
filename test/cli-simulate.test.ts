/** `murmur simulate`: what it prints, and what it refuses. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { simulate } from "../src/sim/simulation.js";
import { drawScript } from "../src/sim/swarm.js";
import { murmur } from "./cli-harness.js";

test("--json prints per seed, in their order, one line with only what the seed determines", async () => {
  const { code, stdout } = await murmur(["simulate", "--seed", "14", "--seeds", "2", "--json"]);
  assert.equal(code, 0);
  const lines = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as unknown);
  assert.deepEqual(lines, JSON.parse(JSON.stringify([14, 15].map((seed) => simulate(drawScript(seed))))));
  const names = ["seed", "ok", "traceHash", "simulatedMs", "operations", "faults", "probes"];
  assert.deepEqual(Object.keys(lines[0] as object), names);
});

test("--trace prints all that happened, and then the summary", async () => {
  const { code, stdout } = await murmur(["simulate", "--seed", "26", "--trace"]);
  assert.equal(code, 0);
  const said: string[] = [];
  simulate(drawScript(26), (line) => said.push(line));
  assert.ok(stdout.startsWith(`${said.join("\n")}\n1 seed, `));
});

test("a seed that is no number, and a trace of many seeds, are refused", async () => {
  for (const words of [
    ["--seed", "x"],
    ["--seed", "-1"],
    ["--seeds", "0"],
    ["--seeds", "1.5"],
    ["--seeds", "2", "--trace"],
  ]) {
    const { code, stdout, stderr } = await murmur(["simulate", ...words]);
    assert.equal(code, 2, words.join(" "));
    assert.equal(stdout, "");
    assert.match(stderr, new RegExp(words[0] as string));
  }
});
