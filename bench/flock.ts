/**
 * Membership alone, on virtual time: the very Peers of production, with no
 * store behind them, so that a thousand of them fit into one process.
 *
 * A node crashes, or stalls: while it does, what it sends and what arrives
 * waits, and its timers run on. That is how the authors of Lifeguard slow their
 * members down, and it is worse than a pause, in which timers wait as well.
 */
import { DIGEST_BYTES } from "../src/base/hash.js";
import { SeededRandom } from "../src/base/seeded.js";
import { DEFAULT_LIMITS, type Limits } from "../src/config.js";
import { encodeTable, NOBODY } from "../src/membership/members.js";
import { Peers } from "../src/membership/peers.js";
import type { Log, NodeId, Storage, Transport } from "../src/ports.js";
import { type NodeClock, SimClock } from "../src/sim/clock.js";
import { SimMeter } from "../src/sim/meter.js";
import { CALM, SimNetwork, type Weather } from "../src/sim/transport.js";
import { Turn } from "../src/turn.js";
import type { Reply, Request } from "../src/wire/messages.js";
import { Rpc } from "../src/wire/rpc.js";

export interface FlockOptions {
  readonly nodes: number;
  readonly seed: string;
  readonly limits?: Partial<Limits>;
  readonly weather?: Partial<Weather>;
}

interface Bird {
  readonly peers: Peers;
  readonly clock: NodeClock;
  readonly port: StallingPort;
  readonly meter: SimMeter;
  /** Is told of all at once. */
  introduce(table: Uint8Array): void;
}

const STEP_MS = 50;

export class Flock {
  readonly clock = new SimClock();
  readonly network: SimNetwork;
  readonly ids: readonly NodeId[];
  readonly limits: Limits;
  /** Who says that it does not vote. */
  readonly rebuilding = new Set<NodeId>();
  private readonly random: SeededRandom;
  private readonly birds = new Map<NodeId, Bird>();

  constructor(options: FlockOptions) {
    this.random = new SeededRandom(options.seed);
    this.network = new SimNetwork(this.clock, this.random.fork("network"));
    this.network.weather = { ...CALM, ...options.weather };
    this.limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.ids = Array.from({ length: options.nodes }, (_, index) => `n${index + 1}`);
  }

  start(id: NodeId): void {
    const clock = this.clock.nodeClock();
    const port = new StallingPort(this.network.port(id));
    const meter = new SimMeter();
    const random = this.random.fork(`${id}/${this.clock.nowMs()}`);
    const world = { clock, random, transport: port, storage: NO_STORAGE, meter, log: SILENT, bootId: "" };
    const turn = new Turn(world);
    const peers = turn.run(() => {
      const rpc: Rpc = new Rpc(id, turn, 1, {
        refusal: () => undefined,
        onRequest: (from, request, reply) => answer(made, from, request, reply),
        onAnswered: (from) => made.reach.onAnswered(from),
        onUnanswered: (to) => made.reach.onUnanswered(to),
      });
      const others = this.ids.filter((other) => other !== id);
      const made: Peers = new Peers(turn.world, this.limits, id, others, {
        rpc,
        present: () => ({ actor: this.lifeOf(id).actor, boundUs: 1, foundBoundUs: 1, votes: this.votesOf(id) }),
        onUp: () => {},
        onChanged: () => {},
        onRemembered: () => {},
      });
      made.tick();
      return made;
    });
    const introduce = (table: Uint8Array) =>
      turn.run(() => void peers.onPushPull({ kind: "push-pull", digest: new Uint8Array(DIGEST_BYTES), table }));
    this.birds.set(id, { peers, clock, port, meter, introduce });
  }

  /** Starts all within one period, and tells each of all: what is measured then is not how they meet. */
  startAll(): void {
    const others = this.ids.map((id) => [id, this.lifeOf(id)] as const);
    const table = encodeTable(
      new Map(others.map(([id, life]) => [id, { ...life, incarnation: 1, status: "alive", suspecters: NOBODY }])),
    );
    for (const id of this.ids) {
      this.run(this.limits.pingIntervalMs / this.ids.length);
      this.start(id);
    }
    for (const id of this.ids) this.of(id).introduce(table);
  }

  private lifeOf(id: NodeId): { actor: bigint; isRebuilding: boolean } {
    return { actor: BigInt(this.ids.indexOf(id) + 1), isRebuilding: this.rebuilding.has(id) };
  }

  private votesOf(id: NodeId): readonly Uint8Array[] {
    return this.rebuilding.has(id) ? [Uint8Array.of(0)] : [];
  }

  crash(id: NodeId): void {
    this.of(id).clock.stop();
    this.network.detach(id);
    this.birds.delete(id);
  }

  stall(id: NodeId, isStalled: boolean): void {
    this.of(id).port.stall(isStalled);
  }

  /** As a stopped process: its timers wait too, and when it goes on it first reads what has arrived. */
  pause(id: NodeId, isPaused: boolean): void {
    if (isPaused) {
      this.network.pause(id);
      this.of(id).clock.pause();
    } else {
      this.network.resume(id);
      this.of(id).clock.resume();
    }
  }

  of(id: NodeId): Bird {
    return this.birds.get(id) as Bird;
  }

  get living(): NodeId[] {
    return [...this.birds.keys()];
  }

  run(forMs: number): void {
    this.clock.runUntil(this.clock.nowMs() + forMs);
  }

  /** How long it took in milliseconds, to the nearest step; undefined when it did not come about within `mostMs`. */
  runUntil(isDone: () => boolean, mostMs: number): number | undefined {
    for (let waitedMs = 0; waitedMs <= mostMs; waitedMs += STEP_MS) {
      if (isDone()) return waitedMs;
      this.run(STEP_MS);
    }
    return undefined;
  }

  /** Everybody who runs takes everybody who runs for alive. */
  isWhole(): boolean {
    return this.living.every((at) =>
      this.living.every(
        (node) => at === node || (this.of(at).peers.statusOf(node) === "alive" && this.of(at).peers.isAlive(node)),
      ),
    );
  }

  /** What was counted, in sum over all who run. */
  sum(metric: string): number {
    return this.living.reduce((sum, id) => sum + this.of(id).meter.sum(metric), 0);
  }

  get sentBytes(): number {
    return this.living.reduce((sum, id) => sum + this.of(id).port.sentBytes, 0);
  }
}

function answer(peers: Peers, from: NodeId, request: Request, reply: (reply: Reply) => void): void {
  if (request.kind === "ping") reply(peers.onPing(from, request));
  else if (request.kind === "ping-request") peers.onPingRequest(from, request, reply);
  else if (request.kind === "push-pull") reply(peers.onPushPull(request));
}

/** A transport that can stand still, and counts what is sent. */
class StallingPort implements Transport {
  sentBytes = 0;
  private isStalled = false;
  private receiver: (from: NodeId, frames: readonly Uint8Array[]) => void = () => {};
  private readonly arrived: [from: NodeId, frames: readonly Uint8Array[]][] = [];

  constructor(private readonly inner: Transport) {
    inner.onReceive((from, frames) => {
      if (this.isStalled) this.arrived.push([from, frames]);
      else this.receiver(from, frames);
    });
  }

  send(to: NodeId, bytes: Uint8Array): void {
    this.sentBytes += bytes.length;
    this.inner.send(to, bytes);
  }

  onReceive(receiver: (from: NodeId, frames: readonly Uint8Array[]) => void): void {
    this.receiver = receiver;
  }

  release(): void {
    if (!this.isStalled) this.inner.release();
  }

  stall(isStalled: boolean): void {
    this.isStalled = isStalled;
    if (isStalled) return;
    this.inner.release();
    for (const [from, frames] of this.arrived.splice(0)) this.receiver(from, frames);
  }
}

const SILENT: Log = { info: () => {}, warn: () => {} };
const NO_STORAGE: Storage = {
  latest: () => undefined,
  durable: () => undefined,
  scan: () => [],
  commit: () => {},
  salvage: () => {},
  identity: () => "",
  release: () => {},
};
