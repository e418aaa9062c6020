/**
 * `npm run mutants`: every mutant must be killed by the simulation.
 *
 *     npm run mutants                      all of them, the recorded seeds first
 *     npm run mutants -- NAME ...          these alone
 *     npm run mutants -- --fresh           without the record: the first of 500 seeds that kills, small runs first
 *     npm run mutants -- --seeds 50        looks at these first seeds only
 *     npm run mutants -- --write           and write the record, and the table in docs/simulation.md
 *
 * The exit code is 1 when a mutant survives, and when the sound build fails a seed.
 */
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { table } from "../../src/cli/terminal.js";
import { hunt, type Kill, SEEDS_MAX, SoundBuild } from "./hunt.js";
import type { Mutant } from "./mutant.js";
import { MUTANTS } from "./mutants.js";
import { readKills, writeKills } from "./record.js";

const { values: flags, positionals } = parseArgs({
  options: {
    fresh: { type: "boolean", default: false },
    write: { type: "boolean", default: false },
    seeds: { type: "string", default: String(SEEDS_MAX) },
  },
  allowPositionals: true,
});

const seedsMax = Math.min(SEEDS_MAX, Number(flags.seeds));
const unknown = positionals.filter((word) => !MUTANTS.some(({ name }) => name === word));
if (unknown.length > 0) {
  process.stderr.write(`there is no mutant ${unknown.join(", ")}; there are:\n`);
  process.stderr.write(MUTANTS.map(({ name }) => `  ${name}\n`).join(""));
  process.exitCode = 2;
} else {
  const chosen = MUTANTS.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
  process.exitCode = await main(chosen);
}

async function main(chosen: readonly Mutant[]): Promise<number> {
  const known = readKills();
  const sound = new SoundBuild();
  const kills = new Map<string, Kill>();
  const left = [...chosen];
  const lane = async () => {
    for (let mutant = left.shift(); mutant !== undefined; mutant = left.shift()) {
      const startedMs = performance.now();
      let seeds = 0;
      const seed = flags.fresh ? undefined : known.get(mutant.name)?.seed;
      const kill = await hunt(mutant, sound, { known: seed, seedsMax, onSeed: () => seeds++ });
      if (kill !== undefined) kills.set(mutant.name, kill);
      const verdict = kill === undefined ? `SURVIVES ${seedsMax} seeds` : `killed by seed ${kill.seed}: ${kill.by}`;
      const seconds = ((performance.now() - startedMs) / 1000).toFixed(0);
      process.stderr.write(`${mutant.name}: ${verdict} (${seeds} run, ${seconds} s)\n`);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, lane)).finally(() => sound.close());
  process.stdout.write(`${resultTable(chosen, kills)}\n`);
  for (const failure of sound.failed) process.stdout.write(`the sound build fails too: ${failure}\n`);
  if (flags.write) writeKills(new Map([...known, ...kills]), MUTANTS);
  return kills.size === chosen.length && sound.failed.length === 0 ? 0 : 1;
}

function resultTable(chosen: readonly Mutant[], kills: ReadonlyMap<string, Kill>): string {
  const rows = chosen.map(({ name }) => {
    const kill = kills.get(name);
    return kill === undefined ? [name, "-", "survives"] : [name, String(kill.seed), kill.by];
  });
  const killed = `${kills.size} of ${chosen.length} mutants killed`;
  return `${table([["mutant", "seed", "because"], ...rows], [1])}\n${killed}`;
}
