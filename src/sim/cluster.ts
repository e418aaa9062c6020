/**
 * A whole cluster in one process, on virtual time: the very members of
 * production, on simulated ports. A run is a function of its seed.
 */
import { assert } from "../base/assert.js";
import {
  type BucketConfig,
  type ClusterConfig,
  DEFAULT_HEDGE,
  type NodeConfig,
  type Replication,
} from "../cluster-config.js";
import { DEFAULT_LIMITS, type Limits } from "../config.js";
import type { BatchOutcome, BatchRequest } from "../coordinator/batch.js";
import type { ListOutcome, ListRequest } from "../coordinator/list.js";
import type { ReadOutcome, ReadRequest, WriteOutcome, WriteRequest } from "../coordinator/outcome.js";
import type { RangeOutcome, RangeRequest } from "../coordinator/range.js";
import { ROW } from "../lattice/registry.js";
import { computeLayout, isRefusal, type Layout } from "../membership/layout.js";
import { layoutSpecOf } from "../membership/ring.js";
import { Member } from "../node.js";
import type { Log, NodeId } from "../ports.js";
import { type ClockError, type NodeClock, SimClock } from "./clock.js";
import { SimDisk, type Tail } from "./disk.js";
import { SimMeter } from "./meter.js";
import { SimRandom } from "./random.js";
import { SimStorage } from "./storage.js";
import { SimNetwork } from "./transport.js";

export interface SimClusterOptions {
  readonly seed: number | string;
  readonly nodes?: number;
  readonly partitions?: number;
  readonly replication?: Replication;
  /** Datacenter and rack of the nodes by index; all in dc1, each in its own rack, by default. */
  readonly place?: (index: number) => { datacenter: string; rack: string };
  /** How long a packet takes from one datacenter to another, in milliseconds. 0 by default. */
  readonly distanceMs?: number;
  readonly bucket?: Partial<BucketConfig>;
  /** Further buckets, each with the name of its type. */
  readonly types?: readonly string[];
  readonly limits?: Partial<Limits>;
  readonly durability?: ClusterConfig["durability"];
  /** How long a group commit takes. */
  readonly commitMs?: number;
  /** How a node's clock is wrong, by index. */
  readonly clock?: (index: number) => ClockError;
  /** Hears what the nodes say. */
  readonly onSaid?: (node: NodeId, sentence: string) => void;
}

interface Running {
  readonly member: Member;
  readonly clock: NodeClock;
  readonly storage: SimStorage;
}

interface SimNode {
  readonly disk: SimDisk;
  readonly meter: SimMeter;
  bootId: number;
  starts: number;
  running: Running | undefined;
}

const COMMIT_MS = 1;

export class SimCluster {
  readonly clock = new SimClock();
  readonly network: SimNetwork;
  readonly config: ClusterConfig;
  readonly layout: Layout;
  readonly ids: readonly NodeId[];
  /** What the nodes said, in order, for traces. */
  readonly said: string[] = [];
  private readonly random: SimRandom;
  private readonly nodes = new Map<NodeId, SimNode>();

  constructor(private readonly options: SimClusterOptions) {
    this.random = new SimRandom(options.seed);
    this.network = new SimNetwork(this.clock, this.random.fork("network"));
    this.config = configOf(options);
    const layout = computeLayout(undefined, layoutSpecOf(this.config));
    assert(!isRefusal(layout), "a simulated cluster has a possible layout");
    this.layout = layout;
    this.ids = this.config.nodes.map(({ id }) => id);
    const datacenters = new Map(this.config.nodes.map(({ id, datacenter }) => [id, datacenter]));
    this.network.distanceMs = (from, to) =>
      datacenters.get(from) === datacenters.get(to) ? 0 : (options.distanceMs ?? 0);
    for (const id of this.ids) {
      const disk = new SimDisk(this.config.durability === "os");
      this.nodes.set(id, { disk, meter: new SimMeter(), bootId: 1, starts: 0, running: undefined });
    }
  }

  /** Starts every node that does not run, and lets them find one another. */
  startAll(settleMs = 1000): void {
    for (const id of this.ids) if (this.nodeOf(id).running === undefined) this.start(id);
    this.run(settleMs);
  }

  start(id: NodeId, wallOffsetMs?: number): void {
    const node = this.nodeOf(id);
    assert(node.running === undefined, `${id} runs already`);
    node.starts++;
    const wrong = this.options.clock?.(this.ids.indexOf(id)) ?? {};
    const clock = this.clock.nodeClock(wallOffsetMs === undefined ? wrong : { ...wrong, offsetMs: wallOffsetMs });
    const storage = new SimStorage({ clock, disk: node.disk, commitMs: this.options.commitMs ?? COMMIT_MS });
    const world = {
      ...{ clock, storage, meter: node.meter, log: this.logOf(id), bootId: `boot-${node.bootId}` },
      random: this.random.fork(`${id}/${node.starts}`),
      transport: this.network.port(id),
    };
    const member = new Member(world, { config: this.config, layout: this.layout, self: id, newCluster: false });
    node.running = { member, clock, storage };
    member.start(() => {});
  }

  /** kill -9: what was not durable is gone; a commit on its way to the disk is lost, kept, or torn. */
  crash(id: NodeId, tail: Tail = "lost"): void {
    const running = this.runningOf(id);
    running.clock.stop();
    running.storage.crash(tail);
    this.network.detach(id, tail === "kept");
    this.nodeOf(id).running = undefined;
  }

  /** An orderly stop: the node notes it on disk, and is gone when `onStopped` comes. */
  stop(id: NodeId, onStopped: () => void): void {
    const running = this.runningOf(id);
    running.member.stop(() => {
      if (this.nodeOf(id).running !== running) return;
      this.crash(id, "kept");
      this.disk(id).sync();
      onStopped();
    });
  }

  /** How often a node was started: each time is a process of its own. */
  startsOf(id: NodeId): number {
    return this.nodeOf(id).starts;
  }

  runs(id: NodeId): boolean {
    return this.nodeOf(id).running !== undefined;
  }

  /** The disk of a node that does not run is replaced by an empty one. */
  wipe(id: NodeId): void {
    assert(this.nodeOf(id).running === undefined, `${id} still runs`);
    this.nodeOf(id).disk.wipe();
  }

  /**
   * A machine whose node does not run loses power, and with it at most so many of the last groups that were not synced.
   * The next start is under another kernel boot. Returns how many were lost.
   */
  losePower(id: NodeId, groupsMax: number): number {
    const node = this.nodeOf(id);
    assert(node.running === undefined, `${id} still runs`);
    node.bootId++;
    return node.disk.losePower(groupsMax);
  }

  member(id: NodeId): Member {
    return this.runningOf(id).member;
  }

  storage(id: NodeId): SimStorage {
    return this.runningOf(id).storage;
  }

  /** A node's disk, whether the node runs or not. */
  disk(id: NodeId): SimDisk {
    return this.nodeOf(id).disk;
  }

  nodeClock(id: NodeId): NodeClock {
    return this.runningOf(id).clock;
  }

  meter(id: NodeId): SimMeter {
    return this.nodeOf(id).meter;
  }

  /** Lets virtual time pass. */
  run(forMs: number): void {
    this.clock.runUntil(this.clock.nowMs() + forMs);
  }

  /** Runs until `isDone`; a failed assertion after `withinMs` of virtual time. */
  runUntil(isDone: () => boolean, withinMs = 60_000): void {
    const untilMs = this.clock.nowMs() + withinMs;
    while (!isDone()) {
      assert(this.clock.nowMs() <= untilMs && this.clock.step(), `not reached within ${withinMs} ms of virtual time`);
    }
  }

  read(at: NodeId, request: ReadRequest): ReadOutcome {
    return this.outcomeOf((done) => this.member(at).read(request, done));
  }

  write(at: NodeId, request: WriteRequest): WriteOutcome {
    return this.outcomeOf((done) => this.member(at).write(request, done));
  }

  batch(at: NodeId, request: BatchRequest): BatchOutcome {
    return this.outcomeOf((done) => this.member(at).batch(request, done));
  }

  list(at: NodeId, request: ListRequest): ListOutcome {
    return this.outcomeOf((done) => this.member(at).list(request, done));
  }

  range(at: NodeId, request: RangeRequest): RangeOutcome {
    return this.outcomeOf((done) => this.member(at).range(request, done));
  }

  private outcomeOf<Outcome>(ask: (done: (outcome: Outcome) => void) => void): Outcome {
    let outcome: Outcome | undefined;
    ask((result) => {
      assert(outcome === undefined, "a request is answered exactly once");
      outcome = result;
    });
    this.runUntil(() => outcome !== undefined);
    return outcome as Outcome;
  }

  private nodeOf(id: NodeId): SimNode {
    const node = this.nodes.get(id);
    assert(node !== undefined, `there is no node ${id}`);
    return node;
  }

  private runningOf(id: NodeId): Running {
    const { running } = this.nodeOf(id);
    assert(running !== undefined, `${id} does not run`);
    return running;
  }

  private logOf(id: NodeId): Log {
    const say = (sentence: string) => {
      this.said.push(`${this.clock.nowMs().toFixed(3)} ${id} ${sentence}`);
      this.options.onSaid?.(id, sentence);
    };
    return { info: say, warn: say };
  }
}

function configOf(options: SimClusterOptions): ClusterConfig {
  const place = options.place ?? ((index: number) => ({ datacenter: "dc1", rack: `r${index + 1}` }));
  const count = options.nodes ?? 3;
  const nodes: NodeConfig[] = Array.from({ length: count }, (_, index) => ({
    ...{ id: `n${index + 1}`, host: "127.0.0.1", bind: "127.0.0.1", http: 8101 + index, peer: 9101 + index },
    ...place(index),
  }));
  const defaults: BucketConfig = {
    type: "register",
    replication: options.replication ?? Math.min(3, count),
    consistency: { read: "QUORUM", write: "QUORUM" },
    hedge: DEFAULT_HEDGE,
    ttlMs: undefined,
    cells: undefined,
    clientStamps: false,
    coalesceMs: undefined,
    mergeFile: undefined,
    ...options.bucket,
  };
  return {
    cluster: "simulated",
    partitions: options.partitions ?? 16,
    data: "",
    durability: options.durability ?? "group",
    nodes,
    buckets: new Map(
      (options.types ?? []).map((type) => [type, { ...defaults, type, cells: type === ROW ? "register" : undefined }]),
    ),
    defaults,
    limits: { ...DEFAULT_LIMITS, ...options.limits },
    security: { secret: undefined, allowedHosts: [], allowedOrigins: [] },
  };
}
