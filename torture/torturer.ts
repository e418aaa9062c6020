/**
 * Does to a cluster what the schedule says, one episode after the other, and
 * after each demands that the cluster is whole again.
 *
 * Data is damaged (wiped, rotten, or lost with the power under `os`) at one
 * owner at a time, and only when every key has just been read at ALL: no store
 * could survive the loss of all copies.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { below, between, happens, pick, shuffled } from "../src/base/random.js";
import { SeededRandom } from "../src/base/seeded.js";
import type { Checker } from "../src/sim/checker.js";
import { flipBit } from "./bit-rot.js";
import type { TorturedCluster } from "./cluster.js";
import type { Member } from "./member.js";
import { losePower } from "./power-loss.js";
import { isRotten } from "./replicas.js";
import { clockOffsetMs, type Episode, type Kind } from "./schedule.js";

export type Deed =
  | "kills"
  | "pauses"
  | "partitions"
  | "power losses"
  | "logs with a tail to cut"
  | "wipes"
  | "flips"
  | "restarts"
  | "stores beyond repair"
  | "clocks set"
  | "resets";

const WHOLE_MS_MAX = 60_000;
/** Rot that broke the order of the database itself is not healed row by row. */
const REPAIR_MS_MAX = 15_000;
const LOOK_AGAIN_MS = 200;
const ROUNDS = 3;
/** What a storm is made of. */
const STORMY = ["kill", "pause", "one cut off", "flapping", "gray", "resets", "power loss"] as const;

export class Torturer {
  readonly deeds = new Map<Deed, number>();
  /** By kind, the longest time from the end of an episode until all nodes saw each other and voted. */
  readonly wholeMs = new Map<Kind, number>();
  readonly episodes = new Map<Kind, number>();
  /** The longest pause. */
  pauseMsMax = 0;

  constructor(
    private readonly cluster: TorturedCluster,
    private readonly checker: Checker,
    /** Reads every key at ALL; comes back with what could not be read for so long. */
    private readonly sweep: (tryMsMax: number) => Promise<string | undefined>,
    private readonly say: (sentence: string) => void,
  ) {}

  async live(episode: Episode): Promise<void> {
    const { kind } = episode;
    this.say(`${kind} (${episode.ids.slice(0, 2).join(", ")}, ${episode.forMs} ms)`);
    this.episodes.set(kind, (this.episodes.get(kind) ?? 0) + 1);
    await this.perform(kind, episode);
    const endedMs = performance.now();
    await this.heal();
    this.wholeMs.set(kind, Math.max(this.wholeMs.get(kind) ?? 0, performance.now() - endedMs));
  }

  /** Ends all faults and waits until the cluster is whole. */
  async heal(): Promise<void> {
    const { cluster } = this;
    cluster.network.heal();
    for (const member of cluster.members.values()) member.resume();
    await Promise.all(cluster.ids.filter((id) => !cluster.member(id).isUp).map((id) => cluster.start(id)));
    const lack = await cluster.whole(WHOLE_MS_MAX);
    if (lack !== undefined) cluster.violations.push(`not whole after a fault: ${lack}`);
  }

  private async perform(kind: Kind, episode: Episode): Promise<void> {
    switch (kind) {
      case "kill":
        return this.rounds(episode, (id) => this.kill(id));
      case "kill all":
        return this.killAll(episode);
      case "rolling restart":
        return this.roll(episode);
      case "pause":
        return this.pause(episode);
      case "power loss":
        return this.power(episode);
      case "wipe":
        return this.wipe(episode);
      case "bit rot":
        return this.rot(episode);
      case "clock":
        return this.setClock(episode);
      case "storm":
        return this.storm(episode);
      default:
        return this.disturb(kind, episode);
    }
  }

  /** What is wrong with the network, for as long as the episode lasts. */
  private async disturb(kind: Kind, { ids, forMs, seed }: Episode): Promise<void> {
    const { network } = this.cluster;
    const random = new SeededRandom(seed);
    const [victim, ...others] = ids as [string, ...string[]];
    const half = ids.length >> 1;
    const between = (change: Parameters<typeof network.change>[2]) => {
      for (const other of others) {
        network.change(victim, other, change);
        network.change(other, victim, change);
      }
    };
    if (kind === "one cut off") network.cut([victim], others);
    if (kind === "halves") network.cut(ids.slice(0, half), ids.slice(half));
    if (kind === "one way") network.cut([victim], others, true);
    if (kind === "ring") {
      for (const [index, id] of ids.entries()) network.cut([id], ids.slice(index + 2, index === 0 ? -1 : undefined));
    }
    if (kind === "gray") between({ delayMs: pick(random, [20, 100, 400]) });
    if (kind === "thin line") between({ bytesPerSecond: pick(random, [2000, 20_000]) });
    if (kind === "half open")
      for (const [from, to] of network.pairs()) if (happens(random, 0.4)) network.halfOpen(from, to);
    if (["one cut off", "halves", "one way", "ring"].includes(kind)) this.did("partitions");
    const untilMs = performance.now() + forMs;
    for (let isCut = true; performance.now() < untilMs; isCut = !isCut) {
      if (kind === "flapping") {
        network.cut([victim], others, happens(random, 0.3), isCut);
        if (isCut) this.did("partitions");
      }
      if (kind === "resets") {
        network.reset(...(pick(random, network.pairs()) as [string, string]));
        this.did("resets");
      }
      await sleep(Math.min(50 + below(random, 400), Math.max(0, untilMs - performance.now())));
    }
  }

  private async rounds({ ids, seed }: Episode, deed: (id: string) => Promise<void>): Promise<void> {
    const random = new SeededRandom(seed);
    for (let round = 0; round < ROUNDS; round++) {
      await sleep(below(random, 600));
      await deed(ids[round % ids.length] as string);
    }
  }

  private async kill(id: string): Promise<void> {
    await this.cluster.member(id).kill();
    this.did("kills");
    await sleep(100);
    await this.cluster.start(id);
  }

  private async killAll({ ids }: Episode): Promise<void> {
    await Promise.all(ids.map((id) => this.cluster.member(id).kill()));
    this.did("kills", ids.length);
    await Promise.all(ids.map((id) => this.cluster.start(id)));
  }

  private async roll({ ids }: Episode): Promise<void> {
    for (const id of ids) {
      await this.cluster.member(id).stop();
      await this.cluster.start(id);
      await this.cluster.whole(WHOLE_MS_MAX);
      this.did("restarts");
    }
  }

  private async pause({ ids, forMs, seed }: Episode): Promise<void> {
    const victims = ids.slice(0, happens(new SeededRandom(seed), 0.3) ? 2 : 1);
    for (const id of victims) this.cluster.member(id).pause();
    this.did("pauses", victims.length);
    this.pauseMsMax = Math.max(this.pauseMsMax, forMs);
    await sleep(forMs);
    for (const id of victims) this.cluster.member(id).resume();
  }

  /** Under `group` a loss of power takes nothing that was acknowledged, even of all nodes at once; under `os` it is damage. */
  private async power(episode: Episode): Promise<void> {
    const { ids, seed } = episode;
    const random = new SeededRandom(seed).fork("power");
    if (this.cluster.shape.durability === "os") {
      await this.allReadable();
      await this.losePower(random, [ids[0] as string]);
      return this.recover();
    }
    if (happens(random, 0.3)) return this.losePower(random, ids);
    await this.rounds(episode, (id) => this.losePower(random, [id]));
  }

  private async losePower(random: SeededRandom, ids: readonly string[]): Promise<void> {
    const { cluster } = this;
    await Promise.all(ids.map((id) => cluster.member(id).kill()));
    for (const id of ids) {
      const member = cluster.member(id);
      member.reboot();
      this.did("power losses");
      if (losePower(random, member.dataDir, member.noteFile) > 0) this.did("logs with a tail to cut");
    }
    await Promise.all(ids.map((id) => cluster.start(id)));
  }

  private async wipe({ ids }: Episode): Promise<void> {
    const [id] = ids as [string];
    const member = this.cluster.member(id);
    await this.allReadable();
    await member.kill();
    member.wipe();
    this.did("wipes");
    await this.cluster.start(id);
    await this.recover();
  }

  private async rot({ ids, seed }: Episode): Promise<void> {
    const random = new SeededRandom(seed);
    const [id] = ids as [string];
    const member = this.cluster.member(id);
    for (let round = 0; round < ROUNDS; round++) {
      await this.allReadable();
      await (happens(random, 0.5) ? member.kill() : member.stop());
      for (let count = between(random, 1, 4); count > 0; count--) {
        this.say(flipBit(random, member.dataDir));
        this.did("flips");
      }
      this.checker.owners.blind = 1;
      const damage = await this.unhealed(member);
      this.checker.owners.blind = 0;
      if (damage === undefined) continue;
      this.say(damage);
      this.did("stores beyond repair");
      // What the node itself says to do: move its folder away.
      await member.kill();
      member.wipe();
      await this.cluster.start(id);
      await this.recover();
    }
  }

  /** Starts a rotten node and waits until the others have made it sound. Comes back with what they could not. */
  private async unhealed(member: Member): Promise<string | undefined> {
    const failure =
      (await member.start()) ?? (await this.cluster.whole(WHOLE_MS_MAX)) ?? (await this.sweep(REPAIR_MS_MAX));
    if (failure !== undefined) return failure;
    const untilMs = performance.now() + REPAIR_MS_MAX;
    while (isRotten(member.dataDir)) {
      if (performance.now() > untilMs) return `${member.id} still has a row that does not fit its checksum`;
      await sleep(LOOK_AGAIN_MS);
    }
    return undefined;
  }

  private async setClock({ ids, forMs, seed }: Episode): Promise<void> {
    const [id] = ids as [string];
    const member = this.cluster.member(id);
    for (const offsetMs of [clockOffsetMs(new SeededRandom(seed)), 0]) {
      await member.stop();
      member.wallOffsetMs = offsetMs;
      await this.cluster.start(id);
      this.did("clocks set");
      if (offsetMs !== 0) await sleep(forMs);
    }
  }

  /** Several at once, each with a victim of its own. */
  private async storm(episode: Episode): Promise<void> {
    const random = new SeededRandom(episode.seed);
    const isDangerous = this.cluster.shape.durability === "os";
    const kinds = shuffled(
      random,
      STORMY.filter((kind) => !isDangerous || kind !== "power loss"),
    ).slice(0, 3);
    await Promise.all(
      kinds.map((kind, index) => {
        const ids = [...episode.ids.slice(index), ...episode.ids.slice(0, index)];
        return this.perform(kind, { ...episode, ids, seed: `${episode.seed}/${kind}` });
      }),
    );
  }

  /** Damage is over when all vote again and every key can be read at ALL. */
  private async recover(): Promise<void> {
    const lack = await this.cluster.whole(WHOLE_MS_MAX);
    if (lack !== undefined) this.cluster.violations.push(`not whole after damage: ${lack}`);
    await this.allReadable();
  }

  private async allReadable(): Promise<void> {
    const failure = await this.sweep(WHOLE_MS_MAX);
    if (failure !== undefined) this.cluster.violations.push(failure);
  }

  private did(deed: Deed, times = 1): void {
    this.deeds.set(deed, (this.deeds.get(deed) ?? 0) + times);
  }
}
