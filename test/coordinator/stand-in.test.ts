import assert from "node:assert/strict";
import { test } from "node:test";
import { standInsFor } from "../../src/coordinator/hinting.js";

/** `a1 b1`: the letter is the datacenter. */
function nodes(text: string): { node: string; datacenter: string }[] {
  return text.split(" ").flatMap((node) => (node === "" ? [] : { node, datacenter: node[0] as string }));
}

const TABLE: readonly (readonly [down: string, healthy: string, expected: string])[] = [
  ["a1", "a4 a5", "a1:a4"],
  ["a1 a2", "a4 a5", "a1:a4 a2:a5"],
  ["a1 a2 a3", "a4 a5", "a1:a4 a2:a5"],
  ["a1", "", ""],
  ["b1", "a4 b4 b5", "b1:b4"],
  ["b1 b2", "a4 b4", "b1:b4 b2:a4"],
  ["a1 b1", "b4 a4", "a1:a4 b1:b4"],
];

for (const [down, healthy, expected] of TABLE) {
  test(`for [${down}] of the healthy [${healthy}] there stand in [${expected}]`, () => {
    const standIns = standInsFor(nodes(down), nodes(healthy));
    assert.equal([...standIns].map(([owner, node]) => `${owner}:${node}`).join(" "), expected);
  });
}
