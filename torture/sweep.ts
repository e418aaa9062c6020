/** Reads every key at ALL: nothing may be missing, and whoever is behind or damaged is mended by it. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Checker } from "../src/sim/checker.js";
import type { TorturedCluster } from "./cluster.js";
import { type Answer, type Door, plainDoor } from "./doors.js";
import { KEYS, keyName } from "./load.js";

const AT_ONCE = 16;
const TRY_MS_MAX = 60_000;
const TRY_AGAIN_MS = 100;
const TIMEOUT_MS = 3000;

/** Comes back when each was answered. What cannot be read for a minute is lost. */
export async function sweep(cluster: TorturedCluster, checker: Checker): Promise<void> {
  const doors = cluster.ids.map((id) => plainDoor(id, cluster.member(id).url));
  let next = 0;
  const reader = async () => {
    for (let key = next++; key < KEYS; key = next++) await readAtAll(cluster, checker, doors, key);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, reader));
  await Promise.all(doors.map((door) => door.close()));
}

async function readAtAll(
  cluster: TorturedCluster,
  checker: Checker,
  doors: readonly Door[],
  key: number,
): Promise<void> {
  const untilMs = performance.now() + TRY_MS_MAX;
  for (let time = key; cluster.violations.length === 0; time++) {
    const door = doors[time % doors.length] as Door;
    const name = `sweep of ${keyName(key)} at ${door.node}`;
    const ticket = checker.begin(key, name, "ALL");
    const answer: Answer = await door.ask({
      ...{ kind: "read", key: keyName(key), level: "ALL", timeoutMs: TIMEOUT_MS },
      ...{ value: undefined, ttlMs: undefined, context: [] },
    });
    if (answer.kind === "ok") {
      checker.onRead(ticket, answer.view, true);
      cluster.violations.push(...checker.violations.splice(0));
      return;
    }
    if (performance.now() > untilMs) cluster.violations.push(`${name}: ${answer.code} for ${TRY_MS_MAX} ms`);
    await sleep(TRY_AGAIN_MS);
  }
}
