/** How long a simulated cluster may take to become one: as long near as it ever did, and as far apart as its questions travel. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { convergeMsMax, forgetTimesMax } from "../src/sim/patience.js";

test("a cluster in one place has ten seconds, however large it is", () => {
  assert.equal(convergeMsMax({ nodes: 3, distanceMs: 0 }), 10_000);
  assert.equal(convergeMsMax({ nodes: 25, distanceMs: 0 }), 10_000);
  assert.equal(forgetTimesMax({ distanceMs: 0 }), 1);
});

test("far apart, two rounds over all peers fit in: an owner that came back took 17 s of 25 nodes 100 ms apart", () => {
  assert.ok(convergeMsMax({ nodes: 25, distanceMs: 100 }) > 17_000);
  assert.ok(convergeMsMax({ nodes: 7, distanceMs: 100 }) < 15_000);
  assert.ok(forgetTimesMax({ distanceMs: 100 }) > 1);
});
