/**
 * One member: owns the parts, routes each message to its handler, ticks; nothing else.
 *
 * The same member runs on sockets and a disk, and in the simulator. Every entry
 * from outside is a turn (turn.ts); whatever it calls back comes after that turn.
 */
import { unreachable } from "./base/assert.js";
import { type BatchOutcome, type BatchRequest, batch } from "./coordinator/batch.js";
import { hedgeAfterMs } from "./coordinator/hedge-policy.js";
import { type HotKey, nameOf } from "./coordinator/hot-keys.js";
import type { LatencyStatus } from "./coordinator/latency.js";
import { type ListOutcome, type ListRequest, list } from "./coordinator/list.js";
import type { ReadOutcome, ReadRequest, WriteOutcome, WriteRequest } from "./coordinator/outcome.js";
import type { Overwrite } from "./coordinator/overwrites.js";
import { type RangeOutcome, type RangeRequest, range } from "./coordinator/range.js";
import type { MemberStatus as MembershipStatus } from "./membership/members.js";
import type { MemberChange } from "./membership/peers.js";
import { Ring } from "./membership/ring.js";
import { type MemberOptions, type MemberParts, openParts } from "./node-parts.js";
import type { NodeId, World } from "./ports.js";
import { treeFault } from "./replica/tree-check.js";
import { Turn } from "./turn.js";
import type { HintStatus } from "./upkeep/deliver.js";
import type { FlushOutcome } from "./upkeep/flush.js";
import type { RepairOrder, RepairStatus } from "./upkeep/repair.js";
import type { Reply, Request } from "./wire/messages.js";

export interface MemberStatus {
  /** Rows of its own replica. */
  readonly rows: number;
  /** The actor of its store's present life, as 16 hex digits. */
  readonly incarnation: string;
  /** Why it must not coordinate now; undefined when it may. */
  readonly refusing: string | undefined;
  /** Whether it takes writes of clients: not before it has compared its clock with others'. */
  readonly stamps: boolean;
  /** Owned partitions in which it does not vote yet. */
  readonly rebuilding: number;
  /** The latest time a client's context may carry, in milliseconds since 1970. */
  readonly latestSaneMs: number;
}

export interface Opinion {
  /** Whether it answers this node. */
  readonly alive: boolean;
  /** What all members say of it together; undefined while nobody has heard of it. */
  readonly membership: MembershipStatus | undefined;
  readonly clockOffsetMs: number | undefined;
}

/** One of the things that are bounded. */
export interface Held {
  readonly name: string;
  readonly amount: number;
  readonly most: number;
}

interface HedgeAfter {
  /** Undefined: never. */
  readonly hedgeAfterMs: number | undefined;
}

export class Member {
  readonly ring: Ring;
  /** What this node sees happen to a member, itself included; after the turn in which it saw it. */
  onMemberChange: (node: NodeId, change: MemberChange) => void = () => {};
  private readonly turn: Turn;
  private readonly world: World;
  private readonly parts: MemberParts;
  /** Requests of clients under way. */
  private serving = 0;

  /** Opens the member's state. Nothing is sent before `start`. */
  constructor(
    world: World,
    private readonly options: MemberOptions,
  ) {
    this.ring = new Ring(options.layout, options.self, options.config);
    this.turn = new Turn(world);
    this.world = this.turn.world;
    this.parts = this.turn.run(() =>
      openParts(this.turn, this.ring, options, {
        onRequest: (from, request, reply) => this.onRequest(from, request, reply),
        isServing: () => this.serving > 0,
        onChanged: (node, change) => this.turn.answer(() => this.onMemberChange(node, change)),
      }),
    );
  }

  /** Begins to take part. `onBuilt` comes when the hash trees speak of all that is stored. */
  start(onBuilt: () => void): void {
    this.turn.run(() => {
      this.parts.lag.start();
      this.parts.peers.tick();
      this.parts.hints.load();
      this.parts.merkle.build(() => {
        this.parts.sync.tick();
        this.parts.scrub.start(this.parts.mint.wasKilled);
        this.parts.reaping.tick();
        this.turn.answer(onBuilt);
      });
    });
  }

  /** Reads one key; `done` comes exactly once. */
  read(request: ReadRequest, done: (outcome: ReadOutcome) => void): void {
    this.serve((answer) => this.parts.sharedReads.read(request, answer), done);
  }

  /** Writes one key; `done` comes exactly once. */
  write(request: WriteRequest, done: (outcome: WriteOutcome) => void): void {
    this.parts.hotKeys.record(nameOf(request.bucket, request.key), "write");
    this.serve((answer) => this.parts.increments.write(request, answer), done);
  }

  /** Reads and writes many keys; `done` comes exactly once. */
  batch(request: BatchRequest, done: (outcome: BatchOutcome) => void): void {
    const { batches, hotKeys } = this.parts;
    hotKeys.recordAll(request.reads, "read");
    hotKeys.recordAll(request.writes, "write");
    this.serve((answer) => batch(batches, request, answer), done);
  }

  /** Lists one page of a bucket's keys; `done` comes exactly once. */
  list(request: ListRequest, done: (outcome: ListOutcome) => void): void {
    this.serve((answer) => list(this.parts.lists, request, answer), done);
  }

  /** Reads a range of one key's cells; `done` comes exactly once. */
  range(request: RangeRequest, done: (outcome: RangeOutcome) => void): void {
    this.parts.hotKeys.record(nameOf(request.bucket, request.key), "read");
    this.serve((answer) => range(this.parts.lists, request, answer), done);
  }

  /** For whom hints are kept here. */
  hints(): HintStatus[] {
    return this.parts.deliver.describe();
  }

  /** Waits until all that is kept now has been delivered; `done` comes once. False when too many wait already. */
  flushHints(timeoutMs: number, done: (outcome: FlushOutcome) => void): boolean {
    return this.turn.run(() => this.parts.flushes.begin(timeoutMs, (outcome) => this.turn.answer(() => done(outcome))));
  }

  /** Compares with all peers, and checks all that is stored, now. False when that is under way. */
  repair(order: RepairOrder): boolean {
    return this.turn.run(() => this.parts.repair.begin(order));
  }

  repairStatus(): RepairStatus {
    return this.parts.repair.status();
  }

  /** Ceases to ask anybody, and notes an orderly stop on disk. The ports may be closed after it. */
  stop(onStopped: () => void): void {
    this.turn.run(() => {
      this.parts.lag.stop();
      this.parts.peers.stop();
      this.parts.sync.stop();
      this.parts.scrub.stop();
      this.parts.repair.stop();
      this.parts.reaping.stop();
      this.parts.deliver.stop();
      this.parts.flushes.stop();
      this.parts.increments.stop();
      this.parts.pace.stop();
      this.parts.votes.stop();
      this.parts.rpc.close();
      // The note of an orderly stop is the last that is written.
      this.parts.merkle.stop(() => this.parts.mint.stop(() => this.turn.answer(onStopped)));
    });
  }

  /** What is wrong with its hash trees: the first sum that is not that of the stored rows. For tests and the simulator. */
  treeFault(): string | undefined {
    return treeFault(this.world.storage, this.ring, this.parts.merkle);
  }

  /** What the node knows of itself. */
  describe(): MemberStatus {
    const { merkle, mint, peers, votes } = this.parts;
    return {
      rows: merkle.rows,
      incarnation: mint.actorName(),
      refusing: peers.skew.refusal,
      stamps: peers.skew.stampRefusal === undefined,
      rebuilding: votes.rebuilding,
      latestSaneMs: Math.floor(mint.latestSaneUs() / 1000),
    };
  }

  /** What it holds in memory on behalf of others, against its bounds. */
  held(): readonly Held[] {
    const { deliver, forgotten, heal, increments, replica } = this.parts;
    const { limits } = this.options.config;
    // The last one that is let in may reach over it.
    const commitBytesMax = limits.pendingCommitBytesMax + Math.max(limits.stateBytesMax, limits.valueBytesMax);
    const hints = deliver
      .describe()
      .map(({ node, hints }) => ({ name: `hints for ${node}`, amount: hints, most: limits.hintRowsMax }));
    return [
      ...hints,
      { name: "damaged rows that wait", amount: heal.pending, most: limits.healRowsPendingMax },
      { name: "rows forgotten just now", amount: forgotten.count, most: limits.reapRowsMax },
      { name: "bytes of increments", amount: increments.pendingBytes, most: limits.incrementBytesMax },
      { name: "bytes that wait for the disk", amount: replica.pending, most: commitBytesMax },
    ];
  }

  /** What it thinks of a member, itself included. */
  opinionOf(node: NodeId): Opinion {
    const { peers } = this.parts;
    return { alive: peers.isAlive(node), membership: peers.statusOf(node), clockOffsetMs: peers.skew.offsetMs(node) };
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

  /** The keys that it is asked for most, the hottest first. */
  hotKeys(keysMax: number): HotKey[] {
    return this.parts.hotKeys.top(keysMax);
  }

  /** The last values that registers lost through this node, the newest first. */
  overwrites(bucket: string | undefined, itemsMax: number): Overwrite[] {
    return this.parts.coordinator.overwrites.last(bucket, itemsMax);
  }

  /** Where a member votes, per placement: undefined while unknown, no bitmaps when in all it owns. */
  votesOf(node: NodeId): readonly Uint8Array[] | undefined {
    return node === this.options.self ? this.parts.votes.bitmaps() : this.parts.peers.votesOf(node);
  }

  /** Takes up a client's request; it is told the outcome after the turn in which that came. */
  private serve<Outcome>(take: (answer: (outcome: Outcome) => void) => void, done: (outcome: Outcome) => void): void {
    this.serving++;
    const answer = (outcome: Outcome) => {
      this.serving--;
      this.turn.answer(() => done(outcome));
    };
    this.turn.run(() => take(answer));
  }

  private onRequest(from: NodeId, request: Request, reply: (reply: Reply) => void): void {
    switch (request.kind) {
      case "ping":
        reply(this.parts.peers.onPing(from, request));
        return;
      case "ping-request":
        this.parts.peers.onPingRequest(from, request, reply);
        return;
      case "push-pull":
        reply(this.parts.peers.onPushPull(request));
        return;
      case "read":
        reply({ kind: "read-reply", answers: this.parts.replica.read(request.rows) });
        return;
      case "merge":
        this.parts.replica.merge(request.cause, request.entries, (results) => reply({ kind: "merge-reply", results }));
        return;
      case "mint":
        this.parts.minting.mint(request.wishes, (results) => reply({ kind: "mint-reply", results }));
        return;
      case "keep-hint":
        this.parts.hints.keep(request.target, request.entries, (kept) => reply({ kind: "keep-hint-reply", kept }));
        return;
      case "sync-shared":
        reply(this.parts.sync.onShared(from, request));
        return;
      case "sync-blocks":
        this.parts.sync.onBlocks(from, request, reply);
        return;
      case "scan":
        reply({ kind: "scan-reply", pages: this.parts.pages.scan(request) });
        return;
      case "range":
        reply({ kind: "range-reply", pages: this.parts.ranges.range(request) });
        return;
      case "reap-vote":
        reply(this.parts.reaper.vote(request.rows));
        return;
      case "reap":
        this.parts.reaper.reap(request.actor, request.rows, reply);
        return;
      default:
        unreachable(request);
    }
  }
}
