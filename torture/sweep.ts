/** Reads every key at ALL: nothing may be missing, and whoever is behind or damaged is mended by it. */

import { setTimeout as sleep } from "node:timers/promises";
import { EMPTY_CONTEXT } from "../src/lattice/context.js";
import type { View } from "../src/lattice/lattice.js";
import type { Checker } from "../src/sim/checker.js";
import { BUCKET, type TorturedCluster } from "./cluster.js";
import { type Door, plainDoor } from "./doors.js";
import { KEYS, keyName } from "./load.js";

/** A key to be read, as often as need be. */
export interface Reading {
  readonly bucket: string;
  readonly key: string;
  /** A read begins; what it gives is for the answer. */
  begin(name: string): (view: View) => void;
}

const AT_ONCE = 16;
const TRY_AGAIN_MS = 100;
const TIMEOUT_MS = 3000;

/** Of the registers. */
export function registerReadings(checker: Checker, violations: string[]): Reading[] {
  return Array.from({ length: KEYS }, (_, key) => ({
    ...{ bucket: BUCKET, key: keyName(key) },
    begin: (name) => {
      const ticket = checker.begin(key, name, "ALL");
      return (view) => {
        checker.onRead(ticket, view, true);
        violations.push(...checker.violations.splice(0));
      };
    },
  }));
}

/** Comes back with what could not be read for so long; undefined when every key was answered. */
export async function sweep(
  cluster: TorturedCluster,
  readings: readonly Reading[],
  tryMsMax: number,
): Promise<string | undefined> {
  const doors = cluster.ids.map((id) => plainDoor(id, cluster.member(id).url));
  let next = 0;
  let failure: string | undefined;
  const reader = async () => {
    for (let index = next++; index < readings.length && failure === undefined; index = next++) {
      const turned = doors.map((_, door) => doors[(index + door) % doors.length] as Door);
      failure ??= await readAtAll(cluster, readings[index] as Reading, turned, tryMsMax);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, reader));
  await Promise.all(doors.map((door) => door.close()));
  return failure;
}

async function readAtAll(
  cluster: TorturedCluster,
  { bucket, key, begin }: Reading,
  doors: readonly Door[],
  tryMsMax: number,
): Promise<string | undefined> {
  const untilMs = performance.now() + tryMsMax;
  for (let time = 0; cluster.violations.length === 0; time++) {
    const door = doors[time % doors.length] as Door;
    const name = `sweep of ${key} at ${door.node}`;
    const onView = begin(name);
    const wish = { kind: "read", bucket, key, level: "ALL", context: EMPTY_CONTEXT, timeoutMs: TIMEOUT_MS } as const;
    const answer = await door.ask(wish);
    if (answer.kind === "ok") {
      onView(answer.view);
      return undefined;
    }
    if (performance.now() > untilMs) return `${name}: ${answer.code} for ${tryMsMax} ms`;
    await sleep(TRY_AGAIN_MS);
  }
  return undefined;
}
