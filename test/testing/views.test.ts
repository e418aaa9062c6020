import assert from "node:assert/strict";
import { test } from "node:test";
import type { View } from "../../src/testing/node-messages.js";
import { lackingViews } from "../../src/testing/views.js";

const UP: Omit<View, "node"> = { state: "up", rebuilding: 0 };
const BEHIND: Omit<View, "node"> = { state: "up", rebuilding: 3 };
const DOWN: Omit<View, "node"> = { state: "down" };

/** Views of n1, n2, …: one row each, one column for each that is seen. */
function viewsOf(...rows: readonly (readonly Omit<View, "node">[])[]): Map<string, View[]> {
  const named = (seen: readonly Omit<View, "node">[]) =>
    seen.map((view, index) => ({ node: `n${index + 1}`, ...view }));
  return new Map(rows.map((seen, index) => [`n${index + 1}`, named(seen)]));
}

const all = () => true;

test("a cluster has settled when everybody who can hear each other sees each other", () => {
  assert.deepEqual(lackingViews(viewsOf([UP, UP], [UP, UP]), all, true), []);
  assert.deepEqual(lackingViews(viewsOf([UP, DOWN], [UP, UP]), all, false), ["n1 does not see n2"]);
  assert.deepEqual(lackingViews(viewsOf([], [UP, UP]), all, false), ["n1 does not see n1", "n1 does not see n2"]);
});

test("who cannot hear each other need not see each other", () => {
  const hear = (one: string, other: string) => one === other || (one !== "n3" && other !== "n3");
  assert.deepEqual(lackingViews(viewsOf([UP, UP, DOWN], [UP, UP, DOWN], [DOWN, DOWN, UP]), hear, false), []);
});

test("who was not asked is not waited for", () => {
  assert.deepEqual(lackingViews(viewsOf([UP, DOWN]), all, false), []);
});

test("only a whole cluster is to have caught up, and to be known to", () => {
  const views = viewsOf([UP, BEHIND], [UP, { state: "up" }]);
  assert.deepEqual(lackingViews(views, all, false), []);
  assert.deepEqual(lackingViews(views, all, true), [
    "n1 does not know n2 to have caught up",
    "n2 does not know n2 to have caught up",
  ]);
});
