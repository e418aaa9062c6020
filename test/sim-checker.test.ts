/** What the simulation's checker expects of reads in several datacenters: R + W > N in each, and over all. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8 } from "../src/base/bytes.js";
import type { Level } from "../src/config.js";
import { contextUpTo, EMPTY_CONTEXT } from "../src/lattice/context.js";
import { Checker } from "../src/sim/checker.js";
import { Owners } from "../src/sim/owners.js";

const OWNERS = new Map([
  ["dc1", 3],
  ["dc2", 3],
]);
const KEY = 1;

/** Whether a read that sees nothing of a write before it is found to be wrong. */
function isWrong(wrote: readonly [Level, string], reads: readonly [Level, string]): boolean {
  const checker = new Checker(new Owners({ dc1: 3, dc2: 3 }, false, () => OWNERS), false);
  const stale = { timeUs: 1, actor: 1n };
  const written = { timeUs: 2, actor: 1n };
  for (const [value, stamp, level, at] of [
    ["stale", stale, "ALL", "dc1"],
    ["written", written, ...wrote],
  ] as const) {
    const ticket = checker.begin(KEY, `put ${value}`, level, at);
    checker.onAttempt(KEY, value, false);
    checker.onWritten(ticket, value, contextUpTo(stamp), EMPTY_CONTEXT);
  }
  assert.deepEqual(checker.violations, []);
  const ticket = checker.begin(KEY, "read", ...reads);
  const contents = [{ contentType: "", value: utf8("stale"), expiresAtMs: undefined }];
  checker.onRead(ticket, { contents, context: contextUpTo(stale) }, true);
  return checker.violations.length > 0;
}

const TABLE: readonly (readonly [wrote: [Level, string], reads: [Level, string], mustSee: boolean])[] = [
  [["LOCAL_QUORUM", "dc1"], ["LOCAL_QUORUM", "dc1"], true],
  [["LOCAL_QUORUM", "dc1"], ["LOCAL_QUORUM", "dc2"], false],
  [["LOCAL_QUORUM", "dc1"], ["LOCAL_ONE", "dc1"], false],
  [["LOCAL_QUORUM", "dc1"], ["EACH_QUORUM", "dc2"], true],
  [["LOCAL_QUORUM", "dc1"], ["QUORUM", "dc1"], false],
  [["LOCAL_QUORUM", "dc1"], [5, "dc2"], true],
  [["EACH_QUORUM", "dc1"], ["LOCAL_QUORUM", "dc1"], true],
  [["EACH_QUORUM", "dc1"], ["LOCAL_QUORUM", "dc2"], true],
  [["EACH_QUORUM", "dc1"], ["LOCAL_ONE", "dc2"], false],
  [["EACH_QUORUM", "dc1"], ["QUORUM", "dc2"], true],
  [["QUORUM", "dc1"], ["LOCAL_QUORUM", "dc1"], false],
  [["QUORUM", "dc1"], ["QUORUM", "dc2"], true],
  [["ALL", "dc1"], ["LOCAL_ONE", "dc2"], true],
  [["LOCAL_ONE", "dc1"], ["ALL", "dc2"], true],
];

for (const [wrote, reads, mustSee] of TABLE) {
  test(`a read at ${reads.join(" in ")} ${mustSee ? "must" : "need not"} see a write at ${wrote.join(" in ")}`, () => {
    assert.equal(isWrong(wrote, reads), mustSee);
  });
}

test("what one clock took for expired does not come back by it in a read that begins later", () => {
  const checker = new Checker(new Owners(3, false), false);
  const context = contextUpTo({ timeUs: 2, actor: 1n });
  const contents = [{ contentType: "", value: utf8("written"), expiresAtMs: undefined }];
  const ticket = checker.begin(KEY, "put", "QUORUM");
  checker.onAttempt(KEY, "written", true);
  checker.onWritten(ticket, "written", context, EMPTY_CONTEXT);
  const [overlapping, gone] = [checker.begin(KEY, "range", "QUORUM"), checker.begin(KEY, "read", "QUORUM")];
  checker.onRead(gone, { contents: [], context }, true, "n1");
  checker.onRead(overlapping, { contents, context }, true, "n1");
  checker.onRead(checker.begin(KEY, "read", "QUORUM"), { contents, context }, true, "n2");
  assert.deepEqual(checker.violations, []);
  checker.onRead(checker.begin(KEY, "late", "QUORUM"), { contents, context }, true, "n1");
  assert.match(checker.violations.join(), /^late: read what had expired: written/);
});
