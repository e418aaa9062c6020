import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8 } from "../../src/base/bytes.js";
import { Forgotten } from "../../src/replica/forgotten.js";
import { digestOfRecord, encodeRecord } from "../../src/replica/rows.js";
import { SimClock } from "../../src/sim/clock.js";

const ROW = utf8("a row");
const STATE = utf8("dead");
const LIMITS = { peerSilenceMsMax: 100, reapRowsMax: 3 };
const digestOf = (row: Uint8Array) => digestOfRecord(encodeRecord(row, STATE));

test("just that state of just that row is known as forgotten, and not for long", () => {
  const clock = new SimClock();
  const forgotten = new Forgotten(clock, LIMITS);
  forgotten.note(ROW, digestOf(ROW));
  assert.ok(forgotten.has(ROW, STATE));
  assert.ok(!forgotten.has(ROW, utf8("other")));
  assert.ok(!forgotten.has(utf8("b row"), STATE));
  clock.runUntil(100);
  assert.ok(!forgotten.has(ROW, STATE));
  forgotten.note(utf8("b row"), digestOf(utf8("b row")));
  assert.equal(forgotten.count, 1);
});

test("no more are remembered than may be, and the oldest go first", () => {
  const forgotten = new Forgotten(new SimClock(), LIMITS);
  const rows = [1, 2, 3, 4, 5].map((each) => utf8(`row ${each}`));
  for (const row of rows) forgotten.note(row, digestOf(row));
  assert.deepEqual(
    rows.map((row) => forgotten.has(row, STATE)),
    [false, false, true, true, true],
  );
});
