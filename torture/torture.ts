/** One run: a cluster, its clients, its torturer, and the proof at the end that nothing was lost. */
import { setTimeout as sleep } from "node:timers/promises";
import { happens } from "../src/base/random.js";
import { SeededRandom } from "../src/base/seeded.js";
import { Checker } from "../src/sim/checker.js";
import { Owners } from "../src/sim/owners.js";
import { Availability } from "./availability.js";
import { TorturedCluster } from "./cluster.js";
import { Load } from "./load.js";
import { MintedLoad } from "./minted-load.js";
import { apart } from "./replicas.js";
import type { TortureReport } from "./report.js";
import { episodes } from "./schedule.js";
import { type Reading, registerReadings, sweep } from "./sweep.js";
import { Torturer } from "./torturer.js";

export interface TortureOptions {
  readonly minutes: number;
  readonly seed: number;
  readonly nodes: number;
  say(sentence: string): void;
}

const MINUTE_MS = 60_000;
const REPLICATION = 3;
const CLIENTS = 6;
const MINTED_CLIENTS = 3;
const EQUAL_MS_MAX = 60_000;
const LOOK_AGAIN_MS = 200;
/** One cluster in five trusts its operating system. */
const OS_SHARE = 0.2;
/** A run has time for some of the longest pauses, and a minute is the longest of all. */
const PAUSE_MS_MAX = MINUTE_MS;
const PAUSES_SHARE = 1 / 25;

export async function torture({ minutes, seed, nodes, say }: TortureOptions): Promise<TortureReport> {
  const random = new SeededRandom(seed);
  const durability = happens(random.fork("durability"), OS_SHARE) ? "os" : "group";
  const cluster = await TorturedCluster.create({ nodes, replication: Math.min(REPLICATION, nodes), durability });
  const { violations } = cluster;
  const checker = new Checker(new Owners(cluster.shape.replication, true), false);
  const availability = new Availability();
  let fault: string | undefined;
  const load = new Load({ cluster, checker, availability, fault: () => fault });
  const mintedLoad = new MintedLoad(cluster, checker.owners);
  const readings = [...registerReadings(checker, violations), ...mintedLoad.readings()];
  const torturer = new Torturer(cluster, checker, (tryMsMax) => sweep(cluster, readings, tryMsMax), say);
  let equalMs: number | undefined;
  const untilMs = performance.now() + minutes * MINUTE_MS;
  try {
    await torturer.heal();
    load.begin((label) => random.fork(label), CLIENTS);
    mintedLoad.begin((label) => random.fork(label), MINTED_CLIENTS);
    await sleep(1000);
    const pauseMsMax = Math.min(PAUSE_MS_MAX, minutes * MINUTE_MS * PAUSES_SHARE);
    for (const episode of episodes(random.fork("episodes"), String(seed), cluster.ids, pauseMsMax)) {
      if (performance.now() > untilMs || violations.length > 0) break;
      fault = episode.kind;
      await torturer.live(episode);
      fault = undefined;
      await sleep(500);
    }
    await Promise.all([load.end(), mintedLoad.end()]);
    if (violations.length === 0) equalMs = await provenEqual(cluster, readings, say);
  } finally {
    await cluster.close(violations.length > 0);
  }
  return {
    ...{ seed, minutes, nodes, replication: cluster.shape.replication, durability },
    ...{ ok: violations.length === 0, violations, pauseMsMax: torturer.pauseMsMax, equalMs },
    ...{
      operations: load.tally,
      changes: Object.fromEntries(mintedLoad.tallies),
      availability: availability.table(),
    },
    ...{ deeds: sorted(torturer.deeds), episodes: sorted(torturer.episodes) },
    ...{ codes: sorted(load.codes), wholeMs: sorted(torturer.wholeMs) },
    ...(violations.length === 0 ? {} : { folder: cluster.folder }),
  };
}

/** All owners hold the same, every key can be read at ALL, and holds what it must. Says how long the first took. */
async function provenEqual(
  cluster: TorturedCluster,
  readings: readonly Reading[],
  say: (sentence: string) => void,
): Promise<number | undefined> {
  say("the load has ended; comparing replicas");
  const endedMs = performance.now();
  for (let lack = apart(cluster); lack !== undefined; lack = apart(cluster)) {
    if (performance.now() - endedMs > EQUAL_MS_MAX) {
      cluster.violations.push(`apart after ${EQUAL_MS_MAX} ms: ${lack}`);
      return undefined;
    }
    await sleep(LOOK_AGAIN_MS);
  }
  const equalMs = Math.round(performance.now() - endedMs);
  const failure = await sweep(cluster, readings, EQUAL_MS_MAX);
  if (failure !== undefined) cluster.violations.push(failure);
  return equalMs;
}

function sorted(counts: ReadonlyMap<string, number>): Record<string, number> {
  return Object.fromEntries([...counts].sort(([, one], [, other]) => other - one));
}
