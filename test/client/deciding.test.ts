/** The client's decisions, as tables: whom to ask, whether again, when, at whose expense. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Breaker } from "../../src/client/breaker.js";
import { choose } from "../../src/client/choose.js";
import { STANDING, type Standing } from "../../src/client/endpoint.js";
import { backoffMs, verdictOn } from "../../src/client/retry.js";

const HIGHEST = { u32: () => 2 ** 32 - 1 };
const LOWEST = { u32: () => 0 };

test("a failed request is repeated only when that is safe, and a free refusal costs nothing", () => {
  const table: [code: string, mayHaveApplied: boolean, wasUnsent: boolean, verdict: string][] = [
    ["connection", false, true, "free"],
    ["connection", false, false, "budget"],
    ["connection", true, false, "never"],
    ["draining", false, false, "free"],
    ["unavailable", false, false, "budget"],
    ["clock-skew", false, false, "budget"],
    ["overloaded", false, false, "budget"],
    ["failed", false, false, "budget"],
    ["failed", true, false, "never"],
    ["disk-full", false, false, "budget"],
    ["disk-full", true, false, "never"],
    ["timeout", false, false, "budget"],
    ["timeout", true, false, "never"],
    ["internal", false, false, "budget"],
    ["bad-request", false, false, "never"],
    ["not-found", false, false, "never"],
    ["unknown-host", false, false, "never"],
    ["status-200", false, false, "never"],
  ];
  for (const [code, mayHaveApplied, wasUnsent, verdict] of table) {
    const failure = { code, mayHaveApplied, retryAfterMs: undefined };
    assert.equal(verdictOn(failure, wasUnsent), verdict, `${code} ${mayHaveApplied} ${wasUnsent}`);
  }
});

test("a write of which nobody knows is repeated when it has a name, as a read is", () => {
  for (const [code, verdict] of [
    ["timeout", "budget"],
    ["connection", "budget"],
    ["id-reused", "never"],
  ] as const) {
    assert.equal(verdictOn({ code, mayHaveApplied: true, retryAfterMs: undefined }, false, true), verdict, code);
  }
});

test("waits are random below a bound that doubles up to its own bound", () => {
  const limits = { backoffMs: 10, backoffMsMax: 100 };
  const bounds = [0, 1, 2, 3, 4, 20].map((retries) => Math.round(backoffMs(retries, limits, HIGHEST)));
  assert.deepEqual(bounds, [10, 20, 40, 80, 100, 100]);
  assert.equal(backoffMs(0, limits, LOWEST), 0);
});

test("a breaker opens at the third break in a row, or at once when it is certain", () => {
  const limits = { failuresMax: 3, probeMs: 100, probeMsMax: 400 };
  const breaker = new Breaker(limits, LOWEST);
  breaker.onBroken(0);
  breaker.onBroken(1);
  breaker.onAnswered();
  breaker.onBroken(2);
  breaker.onBroken(3);
  assert.equal(breaker.state, "closed");
  breaker.onBroken(4);
  assert.equal(breaker.state, "open");
  const sure = new Breaker(limits, LOWEST);
  sure.open(0);
  assert.equal(sure.state, "open");
});

test("an open breaker is probed by one at a time, less and less often, and closed by an answer", () => {
  const breaker = new Breaker({ failuresMax: 3, probeMs: 100, probeMsMax: 400 }, LOWEST);
  breaker.open(0);
  const probes: number[] = [];
  for (let nowMs = 0; nowMs < 2000; nowMs++) {
    if (!breaker.takeProbe(nowMs)) continue;
    probes.push(nowMs);
    assert.equal(breaker.state, "half-open");
    assert.equal(breaker.takeProbe(nowMs), false);
    breaker.onProbeFailed(nowMs);
  }
  assert.deepEqual(probes, [80, 240, 560, 880, 1200, 1520, 1840]);
  breaker.onAnswered();
  assert.equal(breaker.state, "closed");
  assert.equal(breaker.takeProbe(10_000), false);
  breaker.open(10_000);
  assert.equal(breaker.takeProbe(10_100), true);
});

test("an owner is asked first, whoever is fit before whoever is not", () => {
  const { ready, overdue, resting, out } = STANDING;
  const table: [owners: Standing[], others: Standing[], tried: string, chosen: string | undefined][] = [
    [[ready, ready], [ready], "", "o0"],
    [[overdue, ready], [ready], "", "o1"],
    [[overdue, out], [ready], "", "x0"],
    [[overdue, out], [resting], "", "o0"],
    [[out, resting], [overdue], "", "x0"],
    [[out, out], [out], "", "o0"],
    [[ready, ready], [ready], "o0", "o1"],
    [[ready, overdue], [ready, ready], "o0 x1", "x0"],
    [[ready], [ready], "o0 x0", undefined],
    [[], [overdue, ready, ready], "", "x1"],
    [[], [ready, ready], "", "x1"],
    [[], [], "", undefined],
  ];
  for (const [owners, others, tried, chosen] of table) {
    const named = (letter: string) => (standing: Standing, index: number) => ({
      name: `${letter}${index}`,
      standing: () => standing,
    });
    const [first, rest] = [owners.map(named("o")), others.map(named("x"))];
    const left = [...first, ...rest].filter(({ name }) => tried.split(" ").includes(name));
    assert.equal(
      choose(first, [...first, ...rest], first.length + 1, left, 0)?.name,
      chosen,
      JSON.stringify([owners, others, tried]),
    );
  }
});
