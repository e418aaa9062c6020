/**
 * One node alone, written to by many at once, killed with -9 and robbed of
 * whatever its disk had not promised, again and again: with nobody to help,
 * every write that was acknowledged must be there.
 */

import { setTimeout as sleep } from "node:timers/promises";
import { below, happens } from "../src/base/random.js";
import { SeededRandom } from "../src/base/seeded.js";
import { EMPTY_CONTEXT } from "../src/lattice/context.js";
import { Checker } from "../src/sim/checker.js";
import { Owners } from "../src/sim/owners.js";
import { BUCKET, TorturedCluster } from "./cluster.js";
import { plainDoor, type Wish } from "./doors.js";
import { losePower } from "./power-loss.js";

export interface StoreCuts {
  readonly cuts: number;
  /** Those with bytes to cut. */
  readonly withTail: number;
  readonly bytesCut: number;
  readonly acknowledged: number;
  readonly violations: readonly string[];
}

const ID = "n1";
const WRITERS = 32;
const KEYS = 200;
const WRITING_MS = { least: 50, span: 250 };
const TIMEOUT_MS = 10_000;

export async function cutStore(cuts: number, seed: number): Promise<StoreCuts> {
  const random = new SeededRandom(seed);
  const cluster = await TorturedCluster.create({ nodes: 1, replication: 1, durability: "group" });
  const { violations } = cluster;
  const member = cluster.member(ID);
  const checker = new Checker(new Owners(1, false), false);
  let [withTail, bytesCut, acknowledged, number] = [0, 0, 0, 0];
  const ask = async (kind: Wish["kind"], key: number) => {
    const door = doors[key % doors.length] as ReturnType<typeof plainDoor>;
    const name = `${kind} ${++number} key ${key}`;
    const ticket = checker.begin(key, name, "ONE");
    const value = kind === "put" ? `value of ${name}` : undefined;
    if (value !== undefined) checker.onAttempt(key, value, false);
    const answer = await door.ask({
      ...{
        ...{ kind, bucket: BUCKET, key: `key ${key}`, value },
        level: "ONE",
        context: EMPTY_CONTEXT,
        timeoutMs: TIMEOUT_MS,
      },
    });
    if (answer.kind === "wrong") violations.push(`${name}: ${answer.code}`);
    if (answer.kind !== "ok") return false;
    if (kind === "read") checker.onRead(ticket, answer.view, true);
    else checker.onWritten(ticket, value, answer.view.context, EMPTY_CONTEXT);
    violations.push(...checker.violations.splice(0));
    return true;
  };
  const doors = Array.from({ length: WRITERS }, () => plainDoor(ID, member.url));
  const write = async () => {
    while (member.isUp) {
      if (await ask(happens(random, 0.9) ? "put" : "delete", below(random, KEYS))) acknowledged++;
    }
  };
  try {
    await cluster.start(ID);
    for (let cut = 0; cut < cuts && violations.length === 0; cut++) {
      const writing = Promise.all(Array.from({ length: WRITERS }, write));
      await sleep(WRITING_MS.least + below(random, WRITING_MS.span));
      await member.kill();
      await writing;
      member.reboot();
      const bytes = losePower(random, member.dataDir, member.noteFile);
      if (bytes > 0) withTail++;
      bytesCut += bytes;
      await cluster.start(ID);
      for (let key = 0; key < KEYS; key += WRITERS) {
        const keys = Array.from({ length: Math.min(WRITERS, KEYS - key) }, (_, index) => key + index);
        const read = await Promise.all(keys.map((each) => ask("read", each)));
        if (read.includes(false)) violations.push(`cut ${cut}: a key cannot be read`);
      }
    }
    return { cuts, withTail, bytesCut, acknowledged, violations };
  } finally {
    await Promise.all(doors.map((door) => door.close()));
    await cluster.close(violations.length > 0);
  }
}
