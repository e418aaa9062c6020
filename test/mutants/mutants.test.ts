/**
 * The mutants themselves: each still applies to the build, and the record of who killed it is whole.
 * `npm run mutants` hunts them (mutants.long.ts); here no seed is run.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { changedFiles } from "./build.js";
import { checkerOf, SEEDS_MAX } from "./hunt.js";
import { edited } from "./mutant.js";
import { MUTANTS } from "./mutants.js";
import { docsTable, readKills, writtenTable } from "./record.js";

test("every mutant applies to the build, and is a program still", async () => {
  for (const mutant of MUTANTS) {
    const changed = changedFiles(mutant);
    assert.ok(changed.size > 0, mutant.name);
    for (const [file, text] of changed) {
      // Loaded from nowhere it finds none of its imports; what cannot be parsed fails earlier, by another error.
      const error = await import(`data:text/javascript,${encodeURIComponent(text)}`).then(
        () => undefined,
        (reason) => reason,
      );
      assert.ok(!(error instanceof SyntaxError), `${mutant.name}, ${file}: ${error}`);
    }
  }
});

test("mutants have names of their own, and are the defects that the faults demand or more", () => {
  assert.equal(new Set(MUTANTS.map(({ name }) => name)).size, MUTANTS.length);
  assert.ok(MUTANTS.length >= 15);
});

test("a mutant that fits nowhere, or in two places, is told", () => {
  const edit = { file: "f.js", find: "x", replace: "y" };
  assert.throws(() => edited("a", [edit]), /f\.js holds 0 times/);
  assert.throws(() => edited("x x", [edit]), /f\.js holds 2 times/);
  assert.equal(edited("a x $&", [{ ...edit, replace: "$&" }]), "a $& $&");
});

test("the record names for each mutant a seed that kills it, and the docs say the same", () => {
  const kills = readKills();
  assert.deepEqual(
    [...kills.keys()],
    MUTANTS.map(({ name }) => name),
  );
  for (const [name, { seed }] of kills) assert.ok(seed >= 1 && seed <= SEEDS_MAX, name);
  assert.equal(writtenTable(), docsTable(kills, MUTANTS), "npm run mutants -- --write");
});

test("a failure is told without what differs from run to run", () => {
  const violation = "read 12 key 3 QUORUM at n2: read less than was held (17 by ab, expected at least 18 by cd)";
  assert.equal(checkerOf(violation), "read less than was held");
  assert.equal(checkerOf("row 0100ab34cd56 differs among n1, n2, n3"), "a row differs among its owners");
  assert.equal(checkerOf("n1 holds 5 rows and counts 6"), "a node holds n rows and counts n");
  assert.equal(checkerOf("crash: AssertionError: so it is\n  at x.js"), "crash: AssertionError: so it is");
});
