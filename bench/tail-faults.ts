/**
 * What is wrong with the replicas while their latency is measured. A fault is
 * determined by its round: both sides of a comparison meet the same one, the
 * stops at the same moments.
 */
import { shuffled } from "../src/base/random.js";
import { SeededRandom } from "../src/base/seeded.js";

/** A cluster whose nodes can be stopped for a while. */
export interface FaultyCluster {
  readonly ids: readonly string[];
  pause(id: string): void;
  resume(id: string): Promise<void>;
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

export const FAULTS: readonly Fault[] = [
  { name: "no fault", victims: 0, begin: async () => ({ end: async () => {} }) },
  { name: `one of five stops for ${STOP_MS} ms each second`, victims: 1, begin: stops },
];

/** Drawn anew for each round. */
export function victimsOf(fault: Fault, ids: readonly string[], seed: string): readonly string[] {
  return shuffled(new SeededRandom(seed).fork("victims"), ids).slice(0, fault.victims);
}

/** SIGSTOP at a random moment of each second, SIGCONT after it: as a long garbage collection, or a neighbour on the host. */
async function stops(cluster: FaultyCluster, ids: readonly string[], seed: string): Promise<{ end(): Promise<void> }> {
  const random = new SeededRandom(seed).fork("stops");
  const [id] = ids as [string];
  const startedMs = performance.now();
  let [second, isPaused] = [0, false];
  let timer: NodeJS.Timeout;
  const at = (moment: number, act: () => void) => {
    timer = setTimeout(act, startedMs + moment - performance.now());
  };
  const next = () => {
    const share = random.u32() / 2 ** 32;
    const stopAtMs = second++ * STOP_EVERY_MS + share * (STOP_EVERY_MS - STOP_MS);
    at(stopAtMs, () => {
      cluster.pause(id);
      isPaused = true;
      at(stopAtMs + STOP_MS, () => {
        isPaused = false;
        void cluster.resume(id).then(next);
      });
    });
  };
  next();
  return {
    end: async () => {
      clearTimeout(timer);
      if (isPaused) await cluster.resume(id);
    },
  };
}
