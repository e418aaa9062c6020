/**
 * One member: owns the parts, routes each message to its handler, ticks; nothing else.
 *
 * The same member runs on sockets and a disk, and in the simulator. Every entry
 * from outside is a turn (turn.ts); whatever it calls back comes after that turn.
 */
import { assert, unreachable } from "./base/assert.js";
import { TokenBucket } from "./base/token-bucket.js";
import type { ClusterConfig } from "./cluster-config.js";
import type { Limits } from "./config.js";
import { TimedAsker } from "./coordinator/asker.js";
import { type BatchOutcome, type BatchRequest, batch } from "./coordinator/batch.js";
import { hedgeAfterMs } from "./coordinator/hedge-policy.js";
import { Latencies, type LatencyStatus } from "./coordinator/latency.js";
import { type ListOutcome, type ListRequest, list } from "./coordinator/list.js";
import type { ReadOutcome, ReadRequest, WriteOutcome, WriteRequest } from "./coordinator/outcome.js";
import type { CoordinatorParts } from "./coordinator/parts.js";
import { read } from "./coordinator/read.js";
import { write } from "./coordinator/write.js";
import { type AnyLattice, latticeNamed } from "./lattice/registry.js";
import type { Layout } from "./membership/layout.js";
import { type MemberChange, Peers } from "./membership/peers.js";
import { Ring } from "./membership/ring.js";
import type { NodeId, World } from "./ports.js";
import { Merkle } from "./replica/merkle.js";
import { Mint } from "./replica/mint.js";
import { Pages } from "./replica/pages.js";
import { Replica } from "./replica/replica.js";
import { Votes } from "./replica/votes.js";
import { Turn } from "./turn.js";
import { Heal } from "./upkeep/heal.js";
import { Sync } from "./upkeep/sync.js";
import type { Ping, Pong, Reply, Request } from "./wire/messages.js";
import { Rpc } from "./wire/rpc.js";

export interface MemberOptions {
  readonly config: ClusterConfig;
  readonly layout: Layout;
  readonly self: NodeId;
  /** The operator vouches that the cluster is new: its owners need not ask one another for what they lack. */
  readonly newCluster: boolean;
}

export interface MemberStatus {
  /** Rows of its own replica. */
  readonly rows: number;
  /** The actor of its store's present life, as 16 hex digits. */
  readonly incarnation: string;
  /** Why it must not coordinate now; undefined when it may. */
  readonly refusing: string | undefined;
  /** Owned partitions in which it does not vote yet. */
  readonly rebuilding: number;
  /** The latest time a client's context may carry, in milliseconds since 1970. */
  readonly latestSaneMs: number;
}

interface HedgeAfter {
  /** Undefined: never. */
  readonly hedgeAfterMs: number | undefined;
}

interface Parts {
  readonly mint: Mint;
  readonly votes: Votes;
  readonly merkle: Merkle;
  readonly replica: Replica;
  readonly pages: Pages;
  readonly rpc: Rpc;
  readonly peers: Peers;
  readonly sync: Sync;
  readonly coordinator: CoordinatorParts;
  readonly batches: CoordinatorParts;
  readonly lists: CoordinatorParts;
}

export class Member {
  readonly ring: Ring;
  /** What this node sees happen to a member, itself included; after the turn in which it saw it. */
  onMemberChange: (node: NodeId, change: MemberChange) => void = () => {};
  private readonly limits: Limits;
  private readonly turn: Turn;
  private readonly world: World;
  private readonly parts: Parts;

  /** Opens the member's state. Nothing is sent before `start`. */
  constructor(
    world: World,
    private readonly options: MemberOptions,
  ) {
    this.limits = options.config.limits;
    this.ring = new Ring(options.layout, options.self, options.config);
    this.turn = new Turn(world);
    this.world = this.turn.world;
    this.parts = this.turn.run(() => this.open());
  }

  /** Begins to take part. `onBuilt` comes when the hash trees speak of all that is stored. */
  start(onBuilt: () => void): void {
    this.turn.run(() => {
      this.parts.peers.tick();
      this.parts.merkle.build(() => {
        this.parts.sync.tick();
        this.turn.answer(onBuilt);
      });
    });
  }

  /** Reads one key; `done` comes exactly once. */
  read(request: ReadRequest, done: (outcome: ReadOutcome) => void): void {
    this.turn.run(() => read(this.parts.coordinator, request, (outcome) => this.turn.answer(() => done(outcome))));
  }

  /** Writes one key; `done` comes exactly once. */
  write(request: WriteRequest, done: (outcome: WriteOutcome) => void): void {
    this.turn.run(() => write(this.parts.coordinator, request, (outcome) => this.turn.answer(() => done(outcome))));
  }

  /** Reads and writes many keys; `done` comes exactly once. */
  batch(request: BatchRequest, done: (outcome: BatchOutcome) => void): void {
    this.turn.run(() => batch(this.parts.batches, request, (outcome) => this.turn.answer(() => done(outcome))));
  }

  /** Lists one page of a bucket's keys; `done` comes exactly once. */
  list(request: ListRequest, done: (outcome: ListOutcome) => void): void {
    this.turn.run(() => list(this.parts.lists, request, (outcome) => this.turn.answer(() => done(outcome))));
  }

  /** Ceases to ask anybody, and notes an orderly stop on disk. The ports may be closed after it. */
  stop(onStopped: () => void): void {
    this.turn.run(() => {
      this.parts.peers.stop();
      this.parts.sync.stop();
      this.parts.merkle.stop();
      this.parts.votes.stop();
      this.parts.rpc.close();
      this.parts.mint.stop(() => this.turn.answer(onStopped));
    });
  }

  /** What the node knows of itself. */
  describe(): MemberStatus {
    const { merkle, mint, peers, votes } = this.parts;
    return {
      rows: merkle.rows,
      incarnation: mint.actorName(),
      refusing: peers.refusal,
      rebuilding: votes.rebuilding,
      latestSaneMs: Math.floor(mint.latestSaneUs() / 1000),
    };
  }

  /** What it thinks of a member, itself included. */
  opinionOf(node: NodeId): { readonly alive: boolean; readonly clockOffsetMs: number | undefined } {
    const { peers } = this.parts;
    return { alive: peers.isAlive(node), clockOffsetMs: peers.clockOffsetMs(node) };
  }

  /** How long its peers take to answer its reads, when those are hedged by default, and what is banked for it. */
  latency(): { readonly tokens: number; readonly peers: readonly (LatencyStatus & HedgeAfter)[] } {
    const { budget, latencies } = this.parts.coordinator;
    const { config, self } = this.options;
    const nowMs = this.world.clock.nowMs();
    const peers = this.ring.layout.members.flatMap(({ id }) => (id === self ? [] : id));
    const afterMs = (id: NodeId) =>
      hedgeAfterMs(config.defaults.hedge.after, (share) => latencies.usualMs(id, share, nowMs));
    return {
      tokens: budget.tokens,
      peers: peers.map((id) => ({ ...latencies.describe(id, nowMs), hedgeAfterMs: afterMs(id) })),
    };
  }

  /** Where a member votes, per placement: undefined while unknown, no bitmaps when in all it owns. */
  votesOf(node: NodeId): readonly Uint8Array[] | undefined {
    return node === this.options.self ? this.parts.votes.bitmaps() : this.parts.peers.votesOf(node);
  }

  private open(): Parts {
    const { world, limits, ring } = this;
    const { config, self, newCluster } = this.options;
    const others = ring.layout.members.map((member) => member.id).filter((id) => id !== self);
    const latticeOf = (bucket: string) => this.latticeOf(bucket);
    const mint = new Mint(world, limits, config.durability);
    const votes = new Votes(world, limits, ring, () => mint.actor);
    votes.onChanged = (isRebuilding) => this.tellChange(self, isRebuilding ? "rebuilding" : "rebuilt");
    mint.onRenewed = (isVouched) => (isVouched ? votes.keep() : votes.lapse());
    const merkle = new Merkle(world, limits, ring.partitions, ring.placements);
    const own = { world, limits, owners: ring, latticeOf, mint, votes, merkle };
    const replica = new Replica(own);
    const pages = new Pages(own, (row) => replica.onDamaged(row));
    const rpc = new Rpc(self, this.turn, ring.layout.version, {
      onRequest: (from, request, reply) => this.onRequest(from, request, reply),
      onAnswered: (from) => peers.onAnswered(from),
    });
    const peers = new Peers(world, limits, self, others, {
      present: () => ({ actor: mint.actor, boundUs: mint.boundUs }),
      ping: (to, ping, onPong) => this.sendPing(to, ping, onPong),
      onUp: (node) => sync.wake(node),
      onChanged: (node, change) => this.tellChange(node, change),
      onRemembered: (boundUs) => mint.observeRemembered(boundUs),
    });
    const isAlive = (node: NodeId) => peers.isAlive(node);
    const shared = { ...world, limits, ring, latticeOf, isAlive, rpc, mint };
    const livesWith = (peer: NodeId) => `${mint.actor} ${peers.actorOf(peer)}`;
    const sync = new Sync({ ...shared, replica, merkle, votes, livesWith }, others);
    const heal = new Heal({ ...shared, replica, votes });
    replica.onDamaged = (row) => heal.onDamaged(row);
    const budget = new TokenBucket(limits.hedgeTokensMax);
    const later = (step: () => void) => this.turn.later(step);
    const untimed = { ...shared, self, later, budget, refusal: () => peers.refusal };
    // Messages of one row, of many, and scans: each kind takes a time of its own.
    const timed = (others?: Latencies): CoordinatorParts => {
      const latencies = new Latencies(limits, (node) => ring.datacenterOf(node), others);
      return { ...untimed, latencies, rpc: new TimedAsker({ ...world, self }, rpc, latencies) };
    };
    const coordinator = timed();
    const [batches, lists] = [timed(coordinator.latencies), timed(coordinator.latencies)];
    if (newCluster) votes.grantAll();
    return { mint, votes, merkle, replica, pages, rpc, peers, sync, coordinator, batches, lists };
  }

  private tellChange(node: NodeId, change: MemberChange): void {
    this.turn.answer(() => this.onMemberChange(node, change));
  }

  private onRequest(from: NodeId, request: Request, reply: (reply: Reply) => void): void {
    switch (request.kind) {
      case "ping":
        reply(this.pongFor(from, request));
        return;
      case "read":
        reply({ kind: "read-reply", answers: this.parts.replica.read(request.rows) });
        return;
      case "merge":
        this.parts.replica.merge(request.cause, request.entries, (results) => reply({ kind: "merge-reply", results }));
        return;
      case "sync-shared":
        reply(this.parts.sync.onShared(from, request));
        return;
      case "sync-ranges":
        reply(this.parts.sync.onRanges(request));
        return;
      case "scan":
        reply({ kind: "scan-reply", pages: this.parts.pages.scan(request) });
        return;
      default:
        unreachable(request);
    }
  }

  private pongFor(from: NodeId, ping: Ping): Pong {
    return {
      kind: "pong",
      actor: this.parts.mint.actor,
      boundUs: this.parts.mint.boundUs,
      wallMs: this.world.clock.wallMs(),
      ...this.parts.peers.onPing(from, ping),
      votes: this.parts.votes.bitmaps(),
    };
  }

  private sendPing(to: NodeId, ping: Ping, onPong: (pong: Pong | undefined) => void): void {
    this.parts.rpc.call(to, ping, this.limits.peerSilenceMsMax, (reply) =>
      onPong(reply?.kind === "pong" ? reply : undefined),
    );
  }

  private latticeOf(bucket: string): AnyLattice {
    const { buckets, defaults } = this.options.config;
    const { type } = buckets.get(bucket) ?? defaults;
    const lattice = latticeNamed(type);
    assert(lattice !== undefined, "the cluster file names only types that are built");
    return lattice;
  }
}
