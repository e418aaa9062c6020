import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { DEFAULT_LIMITS } from "../../src/config.js";
import type { Refusal } from "../../src/real/facts.js";
import { Standing } from "../../src/real/standing.js";
import { SimClock } from "../../src/sim/clock.js";

const CLUSTER: Refusal = { peer: "n2", field: "cluster", ours: "a", theirs: "b" };
const NODE_ID: Refusal = { peer: "n3", field: "node id", ours: "n1 of process aa", theirs: "n1 of process bb" };

function standing(): { clock: SimClock; standing: Standing; warnings: string[]; verdicts: Refusal[] } {
  const clock = new SimClock();
  const warnings: string[] = [];
  const verdicts: Refusal[] = [];
  const log = { info: () => {}, warn: (sentence: string) => void warnings.push(sentence) };
  const subject = new Standing(clock, DEFAULT_LIMITS, log, (refusal) => void verdicts.push(refusal));
  return { clock, standing: subject, warnings, verdicts };
}

function refuse(subject: Standing, refusal: Refusal, bySenior = true): void {
  subject.onRefused({ kind: "refused", refusal, bySenior });
}

describe("a node's standing", () => {
  test("refused by a senior and accepted by nobody, it gives up after a while, once", () => {
    const { clock, standing: subject, verdicts } = standing();
    refuse(subject, CLUSTER);
    clock.runUntil(DEFAULT_LIMITS.handshakeVerdictMs - 1);
    refuse(subject, CLUSTER);
    assert.deepEqual(verdicts, []);
    clock.runUntil(DEFAULT_LIMITS.handshakeVerdictMs);
    assert.deepEqual(verdicts, [CLUSTER]);
    refuse(subject, CLUSTER);
    clock.runUntil(100_000);
    assert.equal(verdicts.length, 1);
  });

  test("accepted by anybody, before or after, it does not give up", () => {
    for (const isAcceptedFirst of [true, false]) {
      const { clock, standing: subject, verdicts, warnings } = standing();
      if (isAcceptedFirst) subject.onAccepted("n4");
      refuse(subject, CLUSTER);
      if (!isAcceptedFirst) subject.onAccepted("n4");
      refuse(subject, CLUSTER);
      clock.runUntil(100_000);
      assert.deepEqual(verdicts, []);
      assert.ok(warnings.length > 0);
    }
  });

  test("refused by a younger stranger only, it does not give up", () => {
    const { clock, standing: subject, verdicts } = standing();
    refuse(subject, CLUSTER, false);
    clock.runUntil(100_000);
    assert.deepEqual(verdicts, []);
  });

  test("a conflict of ids leaves time for a stale connection to be noticed as dead", () => {
    const { clock, standing: subject, verdicts } = standing();
    refuse(subject, NODE_ID);
    clock.runUntil(DEFAULT_LIMITS.handshakeVerdictMs + 500);
    assert.deepEqual(verdicts, []);
    clock.runUntil(10_000);
    assert.deepEqual(verdicts, [NODE_ID]);
  });

  test("a closed one gives no verdict", () => {
    const { clock, standing: subject, verdicts } = standing();
    refuse(subject, CLUSTER);
    subject.close();
    clock.runUntil(100_000);
    assert.deepEqual(verdicts, []);
  });

  test("repetitions are logged ever more rarely, and anew after an acceptance", () => {
    const { standing: subject, warnings } = standing();
    for (let dial = 0; dial < 1000; dial++) refuse(subject, CLUSTER);
    assert.equal(warnings.length, 10);
    assert.equal(warnings[0], 'no connection with n2: cluster is "a" here and "b" there');
    subject.onAccepted("n2");
    refuse(subject, CLUSTER);
    assert.equal(warnings.length, 11);
    assert.equal(subject.handshakesRefused, 1001);
  });
});
