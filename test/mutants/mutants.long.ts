/**
 * Every mutant is killed: a checker that kills no mutant checks nothing.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { hunt, SEEDS_MAX, SoundBuild } from "./hunt.js";
import { MUTANTS } from "./mutants.js";
import { readKills } from "./record.js";

test(`every mutant is killed within ${SEEDS_MAX} seeds that the sound build passes`, async () => {
  const kills = readKills();
  const sound = new SoundBuild();
  try {
    for (const mutant of MUTANTS) {
      const kill = await hunt(mutant, sound, { known: kills.get(mutant.name)?.seed, seedsMax: SEEDS_MAX });
      assert.ok(kill !== undefined, `${mutant.name} survives: ${mutant.defect}`);
    }
    assert.deepEqual(sound.failed, []);
  } finally {
    await sound.close();
  }
});
