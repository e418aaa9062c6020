/**
 * What is wrong with the replicas while their latency is measured. A fault is
 * determined by its round: both sides of a comparison meet the same one, the
 * stops at the same moments.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { fraction, shuffled } from "../src/base/random.js";
import { SeededRandom } from "../src/base/seeded.js";

/** A cluster whose nodes can be stopped for a while, or made to send late. */
export interface FaultyCluster {
  readonly ids: readonly string[];
  pause(id: string): Promise<void>;
  resume(id: string): Promise<void>;
  slow(id: string, slowness: Slowness): Promise<void>;
}

export interface Slowness {
  readonly percent: number;
  readonly delayMs: number;
}

export interface Fault {
  readonly name: string;
  /** How many nodes it is about. Clients ask the others: a coordinator that hangs is for them to deal with. */
  readonly victims: number;
  /** Takes effect on these until it is ended. */
  begin(cluster: FaultyCluster, victims: readonly string[], seed: string): Promise<{ end(): Promise<void> }>;
}

const STOP_MS = 150;
const STOP_EVERY_MS = 1000;
const LATE_MS = 100;
const PROMPT: Slowness = { percent: 0, delayMs: 0 };

export const STOPS: Fault = { name: `one of five stops for ${STOP_MS} ms each second`, victims: 1, begin: stops };

export const FAULTS: readonly Fault[] = [
  { name: "no fault", victims: 0, begin: async () => ({ end: async () => {} }) },
  STOPS,
  gray("one of five sends 1.5 % late by 100 ms", 1, 1.5),
  gray("three of five send 30 % late by 100 ms", 3, 30),
];

/** Drawn anew for each round. */
export function victimsOf(fault: Fault, ids: readonly string[], seed: string): readonly string[] {
  return shuffled(new SeededRandom(seed).fork("victims"), ids).slice(0, fault.victims);
}

function gray(name: string, victims: number, percent: number): Fault {
  return {
    name,
    victims,
    begin: async (cluster, ids) => {
      const all = (slowness: Slowness) => Promise.all(ids.map((id) => cluster.slow(id, slowness)));
      await all({ percent, delayMs: LATE_MS });
      return { end: async () => void (await all(PROMPT)) };
    },
  };
}

/** SIGSTOP at a random moment of each second, SIGCONT after it: as a long garbage collection, or a neighbour on the host. */
async function stops(cluster: FaultyCluster, ids: readonly string[], seed: string): Promise<{ end(): Promise<void> }> {
  const [id] = ids as [string];
  const random = new SeededRandom(seed).fork("stops");
  const startedMs = performance.now();
  const ending = new AbortController();
  const until = (momentMs: number) =>
    sleep(Math.max(0, startedMs + momentMs - performance.now()), undefined, { signal: ending.signal }).catch(() => {});
  const stopping = (async () => {
    for (let second = 0; !ending.signal.aborted; second++) {
      const stopAtMs = second * STOP_EVERY_MS + fraction(random) * (STOP_EVERY_MS - STOP_MS);
      await until(stopAtMs);
      if (ending.signal.aborted) return;
      await cluster.pause(id);
      await until(stopAtMs + STOP_MS);
      await cluster.resume(id);
    }
  })();
  return {
    end: () => {
      ending.abort();
      return stopping;
    },
  };
}
