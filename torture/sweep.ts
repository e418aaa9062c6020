/** Reads every key at ALL: nothing may be missing, and whoever is behind or damaged is mended by it. */

import { setTimeout as sleep } from "node:timers/promises";
import { EMPTY_CONTEXT } from "../src/lattice/context.js";
import type { Checker } from "../src/sim/checker.js";
import type { TorturedCluster } from "./cluster.js";
import { type Answer, type Door, plainDoor } from "./doors.js";
import { KEYS, keyName } from "./load.js";

const AT_ONCE = 16;
const TRY_AGAIN_MS = 100;
const TIMEOUT_MS = 3000;

/** Comes back with what could not be read for so long; undefined when every key was answered. */
export async function sweep(cluster: TorturedCluster, checker: Checker, tryMsMax: number): Promise<string | undefined> {
  const doors = cluster.ids.map((id) => plainDoor(id, cluster.member(id).url));
  let next = 0;
  let failure: string | undefined;
  const reader = async () => {
    for (let key = next++; key < KEYS && failure === undefined; key = next++) {
      failure ??= await readAtAll(cluster, checker, doors, key, tryMsMax);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, reader));
  await Promise.all(doors.map((door) => door.close()));
  return failure;
}

async function readAtAll(
  cluster: TorturedCluster,
  checker: Checker,
  doors: readonly Door[],
  key: number,
  tryMsMax: number,
): Promise<string | undefined> {
  const untilMs = performance.now() + tryMsMax;
  for (let time = key; cluster.violations.length === 0; time++) {
    const door = doors[time % doors.length] as Door;
    const name = `sweep of ${keyName(key)} at ${door.node}`;
    const ticket = checker.begin(key, name, "ALL");
    const answer: Answer = await door.ask({
      ...{ kind: "read", key: keyName(key), level: "ALL", timeoutMs: TIMEOUT_MS },
      ...{ value: undefined, ttlMs: undefined, context: EMPTY_CONTEXT },
    });
    if (answer.kind === "ok") {
      checker.onRead(ticket, answer.view, true);
      cluster.violations.push(...checker.violations.splice(0));
      return undefined;
    }
    if (performance.now() > untilMs) return `${name}: ${answer.code} for ${tryMsMax} ms`;
    await sleep(TRY_AGAIN_MS);
  }
  return undefined;
}
