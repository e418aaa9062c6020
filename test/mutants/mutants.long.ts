/**
 * Mutants are killed: a checker that kills no mutant checks nothing.
 *
 * The recorded seeds come first. A change of the core may have made them pass:
 * then others are hunted, which takes minutes a mutant on a slow machine. So
 * there is a time for it; `npm run mutants` hunts all, and writes the record.
 */
import assert from "node:assert/strict";
import { availableParallelism } from "node:os";
import { test } from "node:test";
import { hunt, SEEDS_MAX, SoundBuild } from "./hunt.js";
import { MUTANTS } from "./mutants.js";
import { readKills } from "./record.js";

const HUNT_MS_MAX = 5 * 60_000;
const KILLED_LEAST = 15;

test(`mutants are killed within ${SEEDS_MAX} seeds that the sound build passes`, async () => {
  const endMs = performance.now() + HUNT_MS_MAX;
  const kills = readKills();
  const sound = new SoundBuild();
  const left = [...MUTANTS];
  const killed: string[] = [];
  const surviving: string[] = [];
  const lane = async () => {
    for (let mutant = left.shift(); mutant !== undefined && performance.now() < endMs; mutant = left.shift()) {
      const known = kills.get(mutant.name)?.seed;
      const kill = await hunt(mutant, sound, { known, seedsMax: SEEDS_MAX, endMs });
      if (kill !== undefined) killed.push(mutant.name);
      else if (performance.now() < endMs) surviving.push(`${mutant.name}: ${mutant.defect}`);
    }
  };
  try {
    await Promise.all(Array.from({ length: availableParallelism() }, lane));
    assert.deepEqual(surviving, []);
    assert.deepEqual(sound.failed, []);
    assert.ok(killed.length >= KILLED_LEAST, `in the time given ${killed.length} were killed: ${killed.join(", ")}`);
  } finally {
    await sound.close();
  }
});
