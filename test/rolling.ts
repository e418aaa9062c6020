/** A rolling restart under load: every node stopped as an operator stops it, and started again, one after the other. */
import type { MurmurClient } from "../src/client/client.js";
import type { ProcessCluster } from "./process-cluster.js";

export interface Rolled {
  readonly operations: number;
  /** What failed, and whether it may have been applied. */
  readonly failures: string[];
}

const KEYS = 200;
const SCHEDULE_INTERVAL_MS = 2;

/** Restarts these nodes in turn while so many QUORUM requests a second go on, reads and puts by halves, in an open loop. */
export async function roll(
  cluster: ProcessCluster,
  db: MurmurClient,
  ids: readonly string[],
  requestsPerSecond: number,
): Promise<Rolled> {
  const failures: string[] = [];
  const pending = new Set<Promise<void>>();
  let operations = 0;
  const start = () => {
    const number = operations++;
    const asked = operate(db, number).catch((error: Error & { mayHaveApplied?: boolean }) => {
      failures.push(`${number}: ${error.message}; may have been applied: ${error.mayHaveApplied}`);
    });
    pending.add(asked);
    void asked.then(() => pending.delete(asked));
  };
  for (let count = 0; count < KEYS; count++) start();
  await Promise.all(pending);
  const startedMs = performance.now();
  const timer = setInterval(() => {
    const due = KEYS + ((performance.now() - startedMs) * requestsPerSecond) / 1000;
    while (operations < due) start();
  }, SCHEDULE_INTERVAL_MS);
  try {
    for (const id of ids) {
      await cluster.kill(id, "SIGTERM");
      await cluster.start(id);
      await cluster.allSeeAll();
    }
  } finally {
    clearInterval(timer);
    await Promise.all(pending);
  }
  return { operations, failures };
}

async function operate(db: MurmurClient, number: number): Promise<void> {
  const bucket = db.bucket("rolling");
  const key = `key ${number % KEYS}`;
  if (number < KEYS || number % 2 === 0) await bucket.put(key, { number }, { consistency: "QUORUM" });
  else if (!(await bucket.get(key, { consistency: "QUORUM" })).found) throw new Error(`${key} is gone`);
}
