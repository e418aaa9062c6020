/**
 * Clients, at it all the time: reads, puts, deletes and expiring puts at mixed
 * levels, half of the writes with the context that their client has seen. Every
 * answer goes to the checker, and every request to the count of availability.
 */

import { setTimeout as sleep } from "node:timers/promises";
import { below, between, fraction, happens, pick, type Random } from "../src/base/random.js";
import type { Level } from "../src/config.js";
import { contextUpTo, EMPTY_CONTEXT } from "../src/lattice/context.js";
import type { Checker } from "../src/sim/checker.js";
import { type Availability, neededOf, type Verdict } from "./availability.js";
import { clientDoor } from "./client-door.js";
import { BUCKET, type TorturedCluster } from "./cluster.js";
import { type Answer, type Door, plainDoor, type Wish } from "./doors.js";

export interface LoadOptions {
  readonly cluster: TorturedCluster;
  readonly checker: Checker;
  readonly availability: Availability;
  /** What goes on at present, for the count of availability; undefined: nothing. */
  fault(): string | undefined;
}

export const KEYS = 600;
const LEVELS = ["ONE", "TWO", "QUORUM", "ALL"];
const TIMEOUT_MS = 1000;
const GAP_MS_MAX = 50;
/** Most requests are at the level that promises something; all levels are counted. */
const QUORUM_SHARE = 0.5;

export interface Tally {
  acknowledged: number;
  unknown: number;
  refused: number;
  /** Acknowledged writes of a quorum or more: those that may not be lost. */
  safe: number;
}

export function keyName(key: number): string {
  return `key-${key}`;
}

export class Load {
  readonly tally: Tally = { acknowledged: 0, unknown: 0, refused: 0, safe: 0 };
  readonly codes = new Map<string, number>();
  private number = 0;
  private isOver = false;
  private readonly doors: Door[] = [];
  private readonly working: Promise<void>[] = [];

  constructor(private readonly options: LoadOptions) {}

  /** So many clients at each way in. */
  begin(random: (label: string) => Random, clients: number): void {
    const { cluster } = this.options;
    const urls = cluster.ids.map((id) => cluster.member(id).url);
    const plain = cluster.ids.map((id) => plainDoor(id, cluster.member(id).url));
    const shipped = clientDoor(urls);
    this.doors.push(...plain, shipped);
    for (let client = 0; client < clients; client++) {
      this.working.push(this.work(random(`plain ${client}`), plain), this.work(random(`client ${client}`), [shipped]));
    }
  }

  /** Comes back when the last request is answered. */
  async end(): Promise<void> {
    this.isOver = true;
    await Promise.all(this.working);
    await Promise.all(this.doors.map((door) => door.close()));
  }

  private async work(random: Random, doors: readonly Door[]): Promise<void> {
    const { cluster } = this.options;
    while (!this.isOver && cluster.violations.length === 0) {
      const open = doors.filter(({ node }) => node === undefined || cluster.member(node).isRunning);
      if (open.length > 0) await this.once(random, pick(random, open));
      await sleep(fraction(random) * GAP_MS_MAX);
    }
  }

  private async once(random: Random, door: Door): Promise<void> {
    const { checker, cluster } = this.options;
    const key = below(random, KEYS);
    const kind = happens(random, 0.4) ? "read" : happens(random, 0.2) ? "delete" : "put";
    const levels = kind === "read" ? LEVELS : [...LEVELS, "ANY"];
    const level = happens(random, QUORUM_SHARE) ? "QUORUM" : pick(random, levels);
    const name = `${kind} ${++this.number} ${keyName(key)} ${level} at ${door.node ?? "client"}`;
    const isExpiring = kind === "put" && happens(random, 0.15);
    const ticket = checker.begin(key, name, level as Level);
    const seen = kind !== "read" && happens(random, 0.5) ? checker.lastSeen(key) : undefined;
    const value = kind === "put" ? `value of ${name}` : undefined;
    if (value !== undefined) checker.onAttempt(key, value, isExpiring);
    const wish: Wish = {
      ...{ kind, bucket: BUCKET, key: keyName(key), level, value, timeoutMs: TIMEOUT_MS },
      ttlMs: isExpiring ? between(random, 100, 5000) : undefined,
      context: seen === undefined ? EMPTY_CONTEXT : contextUpTo(seen),
    };
    const before = this.reachable(door, wish.key);
    const fault = this.options.fault();
    const answer = await door.ask(wish);
    if (answer.kind === "ok") {
      if (kind === "read") checker.onRead(ticket, answer.view, true);
      else checker.onWritten(ticket, value, answer.view.context, wish.context);
    }
    if (checker.violations.length > 0) cluster.violations.push(...checker.violations.splice(0));
    this.count(wish, name, answer);
    this.countAvailability(door, wish, fault ?? this.options.fault() ?? "no fault", answer, before);
  }

  private count({ kind, level }: Wish, name: string, answer: Answer): void {
    const { cluster } = this.options;
    if (answer.kind === "wrong") {
      cluster.violations.push(`${name}: answered ${answer.code}`);
    } else if (answer.kind === "ok") {
      this.tally.acknowledged++;
      const owners = cluster.shape.replication;
      if (kind !== "read" && neededOf(level, owners) >= neededOf("QUORUM", owners)) this.tally.safe++;
    } else {
      this.tally[answer.kind === "unknown" && kind !== "read" ? "unknown" : "refused"]++;
      this.codes.set(answer.code, (this.codes.get(answer.code) ?? 0) + 1);
    }
  }

  private countAvailability(door: Door, wish: Wish, fault: string, answer: Answer, before: number): void {
    const { availability, cluster } = this.options;
    // A coordinator that died or froze under a request says nothing about the level.
    if (door.node !== undefined && before > 0 && !cluster.member(door.node).isRunning) return;
    const needed = neededOf(wish.level, cluster.shape.replication);
    const least = Math.min(before, this.reachable(door, wish.key));
    availability.count(fault, door.name, wish.level, verdictOf(answer), least >= needed);
  }

  /** Owners that this door's coordinator can reach; of the client's, whoever reaches the most. */
  private reachable(door: Door, key: string): number {
    const { cluster } = this.options;
    const owners = cluster.ownersOf(key);
    const coordinators = door.node === undefined ? cluster.ids : [door.node];
    return Math.max(...coordinators.map((id) => cluster.reachable(id, owners)));
  }
}

function verdictOf(answer: Answer): Verdict {
  if (answer.kind === "ok") return "met";
  if (answer.kind !== "wrong" && answer.code === "timeout") return "late";
  return answer.kind === "refused" ? "refused" : "unmet";
}
