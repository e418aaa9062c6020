/**
 * Hunting a mutant: seeds are run until one fails.
 *
 * Only a seed that the sound build passes can kill: what fails in both found
 * something else. The seed of the last hunt comes first, then the others, the
 * small runs before the large ones.
 */
import type { Script } from "../../src/sim/script.js";
import { drawScript } from "../../src/sim/swarm.js";
import { makeBuild, removeBuild, SOUND_BUILD } from "./build.js";
import type { Mutant } from "./mutant.js";
import { SeedRunner } from "./seed-runner.js";

/** Every mutant must be killed by one of the seeds from 1 to this. */
export const SEEDS_MAX = 500;

export interface Kill {
  readonly seed: number;
  /** Which checker noticed, in its words. */
  readonly by: string;
}

/** The sound build, against which every kill is held. */
export class SoundBuild {
  private readonly runner = new SeedRunner({ folder: SOUND_BUILD, isTwice: false });
  private readonly failures = new Map<number, string | undefined>();
  private queue: Promise<unknown> = Promise.resolve();

  /** Why the sound build fails a seed; undefined when it passes, as it should. */
  async failureOf(seed: number): Promise<string | undefined> {
    this.queue = this.queue.then(async () => {
      if (!this.failures.has(seed)) this.failures.set(seed, await this.runner.failureOf(seed));
    });
    await this.queue;
    return this.failures.get(seed);
  }

  /** The seeds that it failed: nobody should have to know. */
  get failed(): string[] {
    return [...this.failures].flatMap(([seed, failure]) => (failure === undefined ? [] : `seed ${seed}: ${failure}`));
  }

  close(): Promise<void> {
    return this.runner.close();
  }
}

export interface HuntWish {
  /** Tried first. */
  readonly known: number | undefined;
  readonly seedsMax: number;
  /** By `performance.now`: later no further seed is begun. */
  readonly endMs?: number;
  readonly onSeed?: (seed: number) => void;
}

/** Who kills the mutant; undefined when it survives. */
export async function hunt(mutant: Mutant, sound: SoundBuild, wish: HuntWish): Promise<Kill | undefined> {
  const folder = makeBuild(mutant);
  const runner = new SeedRunner({ folder, isTwice: mutant.isErratic ?? false });
  try {
    for (const seed of seedsFrom(mutant, wish.known, wish.seedsMax)) {
      if (performance.now() > (wish.endMs ?? Number.POSITIVE_INFINITY)) return undefined;
      wish.onSeed?.(seed);
      const failure = await runner.failureOf(seed);
      if (failure !== undefined && (await sound.failureOf(seed)) === undefined) return { seed, by: checkerOf(failure) };
    }
    return undefined;
  } finally {
    await runner.close();
    removeBuild(folder);
  }
}

function* seedsFrom({ needs }: Mutant, known: number | undefined, seedsMax: number): Iterable<number> {
  if (known !== undefined) yield known;
  for (const { seed } of scriptsOf(seedsMax).filter(needs ?? (() => true))) if (seed !== known) yield seed;
}

let drawn: readonly Script[] = [];

/** The scripts of the first so many seeds, the small ones first: those kill as well, and in less time. */
function scriptsOf(seedsMax: number): readonly Script[] {
  if (drawn.length !== seedsMax) drawn = Array.from({ length: seedsMax }, (_, index) => drawScript(index + 1));
  return drawn.toSorted((a, b) => sizeOf(a) - sizeOf(b));
}

function sizeOf({ steps, shape }: Script): number {
  return steps.length * shape.nodes;
}

/** A failure's first line without what differs from run to run: operations, nodes, rows and stamps. */
export function checkerOf(failure: string): string {
  const [line = ""] = failure.split("\n");
  return line
    .replace(/^.*? at n\d+: /, "")
    .replace(/(, \d+ ms after all faults| \(.*)$/, "")
    .replace(/: value .*$/, "")
    .replace(/\brow [0-9a-f]{8,}/g, "a row")
    .replace(/\bn\d+(, n\d+)*/g, (nodes) => (nodes.includes(",") ? "its owners" : "a node"))
    .replace(/\b[0-9a-f]{12,}\b/g, "x")
    .replace(/\b\d+\b/g, "n")
    .slice(0, TEXT_MAX);
}

const TEXT_MAX = 80;
