/**
 * Clients that count, edit sets and write siblings, all the time, at mixed levels; half of them through
 * `MurmurClient`, half by plain HTTP at one node. Every answer goes to the simulator's models (src/sim/model.ts).
 *
 * A counter goes up or goes down, so that neither can make up for what the other lost. Half
 * of them have additions with a name, both ways: each is asked for again, at any node,
 * until it is acknowledged, and must have counted once. Such a counter is exact.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { below, between, fraction, happens, pick, type Random } from "../src/base/random.js";
import type { Level } from "../src/config.js";
import { EMPTY_CONTEXT } from "../src/lattice/context.js";
import type { Op } from "../src/lattice/op.js";
import { type Models, modelsOf } from "../src/sim/minted-keys.js";
import type { Asked, Attempt, Model } from "../src/sim/model.js";
import type { Owners } from "../src/sim/owners.js";
import type { Change } from "../src/sim/script.js";
import { neededOf } from "./availability.js";
import { clientDoor } from "./client-door.js";
import type { TorturedCluster } from "./cluster.js";
import { type Answer, type Door, plainDoor, type Wish } from "./doors.js";
import type { Reading } from "./sweep.js";

const TYPES = ["siblings", "counter", "set"] as const;
type TorturedType = (typeof TYPES)[number];

/** What is counted apart. */
export type MintedKind = TorturedType | "named counter";

export interface MintedTally {
  acknowledged: number;
  unknown: number;
  refused: number;
  /** Acknowledged by a quorum or more: those that may not be lost. */
  safe: number;
  /** Requests that asked for a named addition once more. */
  repeated: number;
}

interface MintedKey {
  readonly number: number;
  readonly type: TorturedType;
  readonly kind: MintedKind;
  readonly name: string;
}

interface Client {
  readonly number: number;
  readonly random: Random;
  readonly doors: readonly Door[];
}

const KINDS: readonly MintedKind[] = [...TYPES, "named counter"];
const KEYS_OF_KIND = 16;
/** Who sweeps has seen nothing. */
const SWEEPER = -1;
const TIMEOUT_MS = 1000;
const GAP_MS_MAX = 100;
const LEVELS: readonly Level[] = ["ONE", "TWO", "ALL", "ANY"];
const QUORUM_SHARE = 0.6;
const READ_SHARE = 0.25;
const BY_MAX = 9;
const ELEMENTS = 20;
/** Without faults, nothing stands in the way of an acknowledgement for so long. */
const AGAIN_MS_MAX = 30_000;
const AGAIN_MS = 50;

export class MintedLoad {
  readonly tallies = new Map<MintedKind, MintedTally>();
  private readonly keys: readonly MintedKey[];
  private readonly models: Models;
  private number = 0;
  private endedMs: number | undefined;
  private readonly doors: Door[] = [];
  private readonly working: Promise<void>[] = [];

  constructor(
    private readonly cluster: TorturedCluster,
    private readonly owners: Owners,
  ) {
    this.models = modelsOf({
      owners,
      violations: cluster.violations,
      noted: new Set(),
      nowMs: Date.now,
      clocksOffMs: 0,
    });
    this.keys = KINDS.flatMap((kind) => Array.from({ length: KEYS_OF_KIND }, () => kind)).map((kind, number) => {
      const type = kind === "named counter" ? "counter" : kind;
      return { number, type, kind, name: `${type}-${number}` };
    });
    for (const kind of KINDS) this.tallies.set(kind, { acknowledged: 0, unknown: 0, refused: 0, safe: 0, repeated: 0 });
  }

  /** So many clients at each way in. */
  begin(random: (label: string) => Random, clients: number): void {
    const { cluster } = this;
    const urls = cluster.ids.map((id) => cluster.member(id).url);
    const plain = cluster.ids.map((id) => plainDoor(id, cluster.member(id).url));
    const shipped = clientDoor(urls);
    this.doors.push(...plain, shipped);
    for (let number = 0; number < 2 * clients; number++) {
      const doors = number < clients ? plain : [shipped];
      this.working.push(this.work({ number, random: random(`minted ${number}`), doors }));
    }
  }

  /** Comes back when the last request is answered, and the last named addition acknowledged. */
  async end(): Promise<void> {
    this.endedMs = performance.now();
    await Promise.all(this.working);
    await Promise.all(this.doors.map((door) => door.close()));
  }

  /** For sweeps, at ALL. */
  readings(): Reading[] {
    return this.keys.map((key) => ({
      ...{ bucket: key.type, key: key.name },
      begin: (name) => this.modelOf(key).read(this.askedOf(name, key, SWEEPER, "ALL"), true),
    }));
  }

  private async work(client: Client): Promise<void> {
    while (this.endedMs === undefined && this.cluster.violations.length === 0) {
      const key = pick(client.random, this.keys);
      await (happens(client.random, READ_SHARE) ? this.read(client, key) : this.change(client, key));
      await sleep(fraction(client.random) * GAP_MS_MAX);
    }
  }

  private async read(client: Client, key: MintedKey): Promise<void> {
    const asked = this.askedOf(`read ${++this.number} ${key.name} at QUORUM`, key, client.number, "QUORUM");
    const onView = this.modelOf(key).read(asked, true);
    const wish = { bucket: key.type, key: key.name, level: "QUORUM", timeoutMs: TIMEOUT_MS };
    const answer = await this.ask(client, asked, { ...wish, kind: "read", context: EMPTY_CONTEXT });
    if (answer.kind === "ok") onView(answer.view);
  }

  private async change(client: Client, key: MintedKey): Promise<void> {
    const { random } = client;
    const isNamed = key.kind === "named counter";
    const level = isNamed || happens(random, QUORUM_SHARE) ? "QUORUM" : pick(random, LEVELS);
    const change = this.changeOf(client, key, level);
    const asked = this.askedOf(`${change.kind} ${++this.number} ${key.name} at ${level}`, key, client.number, level);
    const attempt = this.modelOf(key).change(asked, change);
    const { op, context } = attempt;
    const wish: Wish = {
      ...{ bucket: key.type, key: key.name, level: String(level), context, timeoutMs: TIMEOUT_MS },
      ...wishedBy(op),
      ...(isNamed ? { idKey: `change-${this.number}` } : {}),
    };
    const answer = isNamed ? await this.untilKnown(client, key, asked, wish) : await this.ask(client, asked, wish);
    this.onAnswer(key, wish, attempt, answer);
  }

  private changeOf({ number, random }: Client, { number: key, type, kind }: MintedKey, level: Level): Change {
    const request = { client: number, node: 0, retries: 0, key, level, deadlineMs: TIMEOUT_MS, mend: true } as const;
    const element = () => `e${below(random, ELEMENTS)}`;
    const [one, other] = [element(), element()];
    const isAdding = happens(random, 0.55);
    const also = one !== other && happens(random, 0.2) ? [other] : [];
    const isDelete = type === "siblings" && happens(random, 0.1);
    const changed = { siblings: isDelete ? "delete" : "put", counter: "add", set: "edit-set" } as const;
    const isDown = kind === "counter" ? key % 2 === 0 : happens(random, 0.3);
    return {
      // A delete that has read nothing may take anything, and then nothing can be demanded.
      ...{ ...request, type, kind: changed[type], isAware: isDelete || happens(random, 0.7) },
      by: between(random, 1, BY_MAX) * (isDown ? -1 : 1),
      ...(isAdding ? { add: [one], remove: also } : { add: also, remove: [one] }),
    };
  }

  private onAnswer({ kind }: MintedKey, { level }: Wish, attempt: Attempt, answer: Answer): void {
    const tally = this.tallies.get(kind) as MintedTally;
    if (answer.kind === "ok") {
      const { contents, context } = answer.view;
      attempt.onAcknowledged(context, contents.length > 0 ? answer.view : undefined);
      tally.acknowledged++;
      const owners = this.cluster.shape.replication;
      if (neededOf(level, owners) >= neededOf("QUORUM", owners)) tally.safe++;
    } else if (answer.kind !== "wrong") {
      if (answer.kind === "refused") attempt.onRefused();
      tally[answer.kind]++;
    }
  }

  /** Asks again under the same name, wherever, until it is acknowledged. */
  private async untilKnown(client: Client, { kind }: MintedKey, asked: Asked, wish: Wish): Promise<Answer> {
    for (;;) {
      const answer = await this.ask(client, asked, wish);
      if (answer.kind === "ok" || this.cluster.violations.length > 0) return answer;
      if (this.endedMs !== undefined && performance.now() > this.endedMs + AGAIN_MS_MAX) {
        this.cluster.violations.push(`${asked.name}: not acknowledged for ${AGAIN_MS_MAX} ms without faults`);
      }
      await sleep(AGAIN_MS);
      (this.tallies.get(kind) as MintedTally).repeated++;
    }
  }

  private async ask({ random, doors }: Client, { name }: Asked, wish: Wish): Promise<Answer> {
    const { cluster } = this;
    const open = doors.filter(({ node }) => node === undefined || cluster.member(node).isRunning);
    if (open.length === 0) return { kind: "refused", code: "nobody runs" };
    const answer = await pick(random, open).ask(wish);
    if (answer.kind === "wrong") cluster.violations.push(`${name}: answered ${answer.code}`);
    return answer;
  }

  private askedOf(name: string, { number }: MintedKey, client: number, level: Level): Asked {
    const { owners } = this;
    const parts = owners.partsOf(number, level, undefined);
    return { name, wish: name, key: number, client, parts, firstParts: owners.partsOf(number, "QUORUM", undefined) };
  }

  private modelOf({ type }: MintedKey): Model {
    return this.models[type];
  }
}

function wishedBy(op: Op): Pick<Wish, "kind" | "value" | "edit"> {
  switch (op.kind) {
    case "put":
      return { kind: "put", value: Buffer.from(op.value).toString() };
    case "add":
      return { kind: "edit", edit: { add: op.by } };
    case "edit-set":
      return { kind: "edit", edit: { add: op.add, remove: op.remove } };
    default:
      return { kind: "delete" };
  }
}
