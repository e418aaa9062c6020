import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { utf8 } from "../../src/base/bytes.js";
import { contextUpTo } from "../../src/lattice/context.js";
import type { Op } from "../../src/lattice/op.js";
import { type Register, register } from "../../src/lattice/register.js";
import { CELL_TYPES, latticeNamed } from "../../src/lattice/registry.js";
import { at, changeOf, context, stamp } from "./arbitraries.js";
import { latticeLaws } from "./laws.js";

const value = fc.uint8Array({ maxLength: 4 }).map((bytes) => Buffer.from(bytes));
const expiresAtMs = fc.option(fc.nat(), { nil: undefined });
const op: fc.Arbitrary<Op> = fc.oneof(
  fc.record({ kind: fc.constant("put" as const), contentType: fc.constantFrom("", "text/plain"), value, expiresAtMs }),
  fc.constant({ kind: "delete" as const }),
);
const state: fc.Arbitrary<Register> = fc
  .array(fc.tuple(op, stamp), { maxLength: 3 })
  .map((changes) =>
    changes.reduce<Register>((held, [change, when]) => register.mutate(held, changeOf(change, when)), undefined),
  );

latticeLaws(register, { state, op, stamp, context });

const put = (text: string, expires?: number): Op => ({
  ...{ kind: "put", contentType: "text/plain", value: utf8(text) },
  expiresAtMs: expires,
});

test("the later stamp wins, whichever comes first", () => {
  const early = register.mutate(undefined, changeOf(put("early"), at(1)));
  const late = register.mutate(undefined, changeOf(put("late"), at(2)));
  assert.equal(register.merge(early, late), late);
  assert.equal(register.merge(late, early), late);
});

test("a delete hides what is older and leaves its context", () => {
  const written = register.mutate(undefined, changeOf(put("x"), at(1)));
  const deleted = register.mutate(written, changeOf({ kind: "delete" }, at(2)));
  assert.deepEqual(register.view(deleted, 0), { contents: [], context: contextUpTo(at(2)) });
  assert.ok(register.isDead(deleted, 0));
  const again = register.mutate(deleted, changeOf(put("y"), at(3)));
  assert.deepEqual(register.view(again, 0).contents, [{ contentType: "text/plain", value: utf8("y") }]);
});

test("expiry is judged when looked at, and changes no state", () => {
  const brief = register.mutate(undefined, changeOf(put("x", 1000), at(1)));
  assert.equal(register.view(brief, 999).contents.length, 1);
  assert.equal(register.view(brief, 1000).contents.length, 0);
  assert.ok(!register.isDead(brief, 999) && register.isDead(brief, 1000));
});

test("an encoding is frozen for ever under its tag", () => {
  const written = register.mutate(undefined, changeOf(put("hi", 77), at(2 ** 40 + 5, 0x0102030405060708n)));
  const golden = "0102000001000000000501020304050607080000000000000" + "04d0a746578742f706c61696e6869";
  assert.equal(Buffer.from(register.encode(written)).toString("hex"), golden);
});

test("what a cell may be is had by its name", () => {
  for (const name of CELL_TYPES) assert.equal(latticeNamed(name)?.name, name);
  assert.equal(latticeNamed("row"), undefined, "a row is stored cell by cell");
});
