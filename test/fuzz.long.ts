/** A part of what `npm run fuzz` sends; see docs/torture.md. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fuzz } from "../torture/fuzz.js";

test("garbage frames and garbage HTTP hurt neither the node nor the client beside them", async () => {
  const seed = Date.now() % 2 ** 31;
  const report = await fuzz({ frames: 30_000, requests: 2000, seed, say: () => {} });
  assert.deepEqual(report.complaints, [], `seed ${seed}`);
  assert.ok(report.frames >= 30_000 && report.goodAnswers > 0);
});
