/** When a read is hedged: the policy as a table and a property. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { HedgePolicy } from "../../src/cluster-config.js";
import { hedgeAfterMs, hedgePolicyText, parseHedgePolicy } from "../../src/coordinator/hedge-policy.js";

/** A replica whose median is 1 ms, p95 is 4 ms, p99 is 20 ms. */
const usualMs = (share: number) => (share <= 0.5 ? 1 : share <= 0.95 ? 4 : 20);

const POLICIES: readonly (readonly [text: string, afterMs: number | undefined])[] = [
  ["never", undefined],
  ["always", 0],
  ["10ms", 10],
  ["1s", 1000],
  ["p50", 1],
  ["p95", 4],
  ["p99", 20],
  ["p999", 20],
  ["min(p99,50ms)", 20],
  ["min(p99,5ms)", 5],
  ["max(p95,2ms)", 4],
  ["max(p95,5ms)", 5],
  ["max(p50,p99)", 20],
  ["min(p99, 50ms, p95)", 4],
];

for (const [text, afterMs] of POLICIES) {
  test(`hedge ${text} waits ${afterMs ?? "for ever"} ms for a usual replica`, () => {
    const policy = parseHedgePolicy(text);
    assert.ok(policy !== undefined);
    assert.equal(hedgeAfterMs(policy, usualMs), afterMs);
  });
}

test("what is no policy is none", () => {
  for (const text of ["", "p", "p5", "p49", "p100", "p9999", "P95", "95", "0ms", "min()", "min(p95)", "min(p95,)"]) {
    assert.equal(parseHedgePolicy(text), undefined, text);
  }
  for (const text of ["max(p95,never)", "min(min(p95,1ms),2ms)", "tied", "min(p95,1ms", " p95", "avg(p95,1ms)"]) {
    assert.equal(parseHedgePolicy(text), undefined, text);
  }
});

const term: fc.Arbitrary<HedgePolicy> = fc.oneof(
  fc.record({ kind: fc.constant("after" as const), ms: fc.integer({ min: 1, max: 100_000 }) }),
  fc.record({ kind: fc.constant("quantile" as const), share: fc.integer({ min: 500, max: 999 }).map((n) => n / 1000) }),
);
const policy: fc.Arbitrary<HedgePolicy> = fc.oneof(
  term,
  fc.record({ kind: fc.constantFrom("always" as const, "never" as const) }),
  fc.record({
    kind: fc.constantFrom("min" as const, "max" as const),
    of: fc.array(term, { minLength: 2, maxLength: 4 }),
  }),
);

test("a policy's text means that policy", () => {
  fc.assert(
    fc.property(policy, (each) =>
      assert.equal(JSON.stringify(parseHedgePolicy(hedgePolicyText(each))), JSON.stringify(each)),
    ),
  );
});
