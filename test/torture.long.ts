/** Two minutes of every kind of fault on real processes; see docs/torture.md. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { textOf } from "../torture/report.js";
import { cutStore } from "../torture/store-cuts.js";
import { rotStore } from "../torture/store-rot.js";
import { torture } from "../torture/torture.js";

test("five nodes are tortured for two minutes, and nothing that was acknowledged is lost", async () => {
  const said: string[] = [];
  const seed = Date.now() % 2 ** 31;
  const report = await torture({ minutes: 2, nodes: 5, seed, say: (sentence) => said.push(sentence) });
  assert.ok(report.ok, `${said.join("\n")}\n${textOf(report)}`);
  assert.ok(report.operations.safe > 100, textOf(report));
});

test("a node alone loses nothing that it acknowledged when its power fails forty times", async () => {
  const seed = Date.now() % 2 ** 31;
  const { violations, acknowledged } = await cutStore(40, seed);
  assert.deepEqual(violations, [], `seed ${seed}`);
  assert.ok(acknowledged > 0);
});

test("a thousand flipped bits make no row come back wrong", async () => {
  const seed = Date.now() % 2 ** 31;
  const { wrong, damaged } = await rotStore(1000, seed);
  assert.equal(wrong, 0, `seed ${seed}`);
  assert.ok(damaged > 0);
});
