/**
 * Faults as they strike a simulated cluster.
 *
 * A fault that makes no sense when its time comes is passed over: a part of a
 * script must be a script. Some are withheld because no store could survive
 * them: a disk is wiped only while all others vote, for two empty disks of three
 * owners hold less than a majority. A store that is set back to an old snapshot
 * does not know it: that befalls it only while all its peers hold all that it
 * loses, and until it is found out it is no better than an empty disk, no client
 * asks it, and nobody is cut off. And where a cluster forgets, somebody who ran at
 * that time runs on until then: only peers can tell.
 */
import { unreachable } from "../base/assert.js";
import type { Random } from "../base/random.js";
import { DEFAULT_LIMITS } from "../config.js";
import type { NodeId } from "../ports.js";
import { ALL_ROWS } from "../replica/rows.js";
import type { SimCluster } from "./cluster.js";
import type { CopyKind, Tail } from "./disk.js";
import { OldCopy } from "./old-copy.js";
import { SimRandom } from "./random.js";
import type { Fault } from "./script.js";
import { areEqual, SIM_ROWS_MAX } from "./stored.js";
import { CALM } from "./transport.js";

/** Of a node that runs. */
const ENDS_PROCESS: ReadonlySet<Fault["kind"]> = new Set(["crash", "power", "stop", "wipe", "restore"]);

/** What befalls a process or its disk, rather than all of them. */
type FaultOfNode = Extract<Fault, { readonly node: number }>;

export class Faults {
  /** How often each kind struck, by the name under which it was drawn. */
  readonly counts = new Map<string, number>();
  private readonly paused = new Map<NodeId, number>();
  /** How long each node's processes have stood still, in sum, as far as they went on. */
  private readonly stoodStillMs = new Map<NodeId, number>();
  private readonly stopping = new Set<NodeId>();
  /** Somebody does not hear somebody else. */
  private isCut = false;
  /** The last snapshot that was put back. */
  private oldCopy: OldCopy | undefined;
  private readonly random: Random;

  /** `isQuiet`: no write is under way. `onGone`: a process died, and so did what it was asked. */
  constructor(
    private readonly cluster: SimCluster,
    seed: number,
    private readonly isQuiet: () => boolean,
    private readonly onGone: (node: NodeId) => void,
  ) {
    this.random = new SimRandom(`${seed}/disks`);
  }

  /** Whether the fault struck. */
  strike(fault: Fault, drawnFor: string): boolean {
    const struck = "node" in fault ? this.befall(fault, this.nodeOf(fault.node)) : this.applyToAll(fault);
    if (struck && !isEnd(fault)) this.counts.set(drawnFor, (this.counts.get(drawnFor) ?? 0) + 1);
    return struck;
  }

  /** Whether a client finds somebody there. */
  serves(node: NodeId): boolean {
    const isThere = this.cluster.runs(node) && !this.paused.has(node) && !this.stopping.has(node);
    return isThere && !(this.oldCopy?.node === node && this.oldCopy.isUnnoticed);
  }

  /** For how long a node has stood still until now. */
  stillMs(node: NodeId): number {
    const sinceMs = this.paused.get(node);
    const nowMs = this.cluster.clock.nowMs();
    return (this.stoodStillMs.get(node) ?? 0) + (sinceMs === undefined ? 0 : nowMs - sinceMs);
  }

  /** Everything works again, and everybody runs. */
  heal(): void {
    const { cluster } = this;
    for (const node of [...this.paused.keys()]) this.resume(node);
    cluster.network.heal();
    cluster.network.weather = CALM;
    cluster.network.msPerFrame = 0;
    for (const node of cluster.ids) {
      if (this.stopping.has(node)) this.crash(node, "kept");
      cluster.network.slow(node, 1);
      cluster.disk(node).fail(0, "full");
      cluster.disk(node).failReads(0, this.random);
      if (!cluster.runs(node)) this.start(node);
      const clock = cluster.nodeClock(node);
      clock.jump(cluster.clock.wallMs() - clock.wallMs());
    }
  }

  private applyToAll(fault: Exclude<Fault, FaultOfNode>): boolean {
    const { network } = this.cluster;
    switch (fault.kind) {
      case "weather":
        network.weather = fault.weather;
        return true;
      case "cut":
        return this.cut(fault.from, fault.to);
      case "heal":
        network.heal();
        this.isCut = false;
        return true;
      case "busy":
        network.msPerFrame = fault.msPerFrame;
        return true;
      default:
        return unreachable(fault);
    }
  }

  private befall(fault: FaultOfNode, node: NodeId): boolean {
    const { cluster } = this;
    switch (fault.kind) {
      case "slow":
        cluster.network.slow(node, fault.factor);
        return true;
      case "disk":
        cluster.disk(node).fail(fault.groups, fault.error);
        return true;
      case "reads":
        cluster.disk(node).failReads(fault.failRate, this.random);
        return true;
      case "copy":
        cluster.disk(node).copy();
        return true;
      case "start":
        return !cluster.runs(node) && this.start(node);
      default:
        if (!cluster.runs(node) || this.stopping.has(node)) return false;
        if (this.forgets && ENDS_PROCESS.has(fault.kind) && this.oldCopy?.isLastWitness(node)) return false;
        return this.befallRunning(fault, node);
    }
  }

  private befallRunning(
    fault: Exclude<FaultOfNode, { kind: "slow" | "disk" | "reads" | "copy" | "start" }>,
    node: NodeId,
  ): boolean {
    switch (fault.kind) {
      case "crash":
        return this.crash(node, fault.tail);
      case "power":
        return this.losePower(node, fault.tail, fault.groups);
      case "stop":
        return this.stop(node);
      case "wipe":
        return this.replace(node, () => this.cluster.wipe(node));
      case "restore":
        return this.cluster.disk(node).hasCopy && this.putBack(node, fault.as);
      case "pause":
        return this.pause(node);
      case "resume":
        return this.paused.has(node) && this.resume(node);
      case "jump":
        this.cluster.nodeClock(node).jump(fault.byMs);
        return true;
      case "unreadable":
      case "flip":
        return this.damage(node, fault.kind, fault.pick);
      default:
        return unreachable(fault);
    }
  }

  private nodeOf(index: number): NodeId {
    const { ids } = this.cluster;
    return ids[index % ids.length] as NodeId;
  }

  private cut(from: readonly number[], to: readonly number[]): boolean {
    if (this.oldCopy?.isUnnoticed) return false;
    this.isCut = true;
    const far = to.map((index) => this.nodeOf(index));
    for (const index of from) {
      for (const other of far) if (other !== this.nodeOf(index)) this.cluster.network.cut(this.nodeOf(index), other);
    }
    return true;
  }

  private start(node: NodeId): true {
    this.cluster.start(node);
    return true;
  }

  private crash(node: NodeId, tail: Tail): true {
    if (this.paused.has(node)) this.resume(node);
    this.stopping.delete(node);
    this.cluster.crash(node, tail);
    this.onGone(node);
    return true;
  }

  private stop(node: NodeId): true {
    if (this.paused.has(node)) this.resume(node);
    this.stopping.add(node);
    this.cluster.stop(node, () => {
      this.stopping.delete(node);
      this.onGone(node);
    });
    return true;
  }

  /** What was synced survives it; what was not is a store gone in part, and withheld like a store gone whole. */
  private losePower(node: NodeId, tail: Tail, groups: number): boolean {
    if (this.cluster.config.durability === "os" && !this.isSpare(node)) return false;
    this.crash(node, tail);
    this.cluster.losePower(node, groups);
    return true;
  }

  /** A process dies, and something is done to its disk that no store survives at two nodes at once. */
  private replace(node: NodeId, act: () => void): boolean {
    if (!this.isSpare(node)) return false;
    this.crash(node, "lost");
    act();
    return true;
  }

  private putBack(node: NodeId, as: CopyKind): boolean {
    if (as === "snapshot" && (this.isCut || !areEqual(this.cluster))) return false;
    const isBack = this.replace(node, () => this.cluster.disk(node).restore(as));
    if (isBack && as === "snapshot") this.oldCopy = new OldCopy(this.cluster, node);
    return isBack;
  }

  private get forgets(): boolean {
    return this.cluster.config.limits.carrierAgeMaxMs < DEFAULT_LIMITS.carrierAgeMaxMs;
  }

  /**
   * Whether the others can do without what this node holds: all vote, and rightly so, no write is under way, and nobody's
   * owner is alone.
   */
  private isSpare(node: NodeId): boolean {
    const { cluster } = this;
    const allVote = cluster.ids.every((id) => this.serves(id) && cluster.member(id).describe().rebuilding === 0);
    const areWhole = allVote && this.oldCopy?.isUnnoticed !== true;
    return areWhole && this.isQuiet() && cluster.config.defaults.replication !== 1 && cluster.runs(node);
  }

  private pause(node: NodeId): boolean {
    if (this.paused.has(node)) return false;
    this.paused.set(node, this.cluster.clock.nowMs());
    this.cluster.network.pause(node);
    this.cluster.nodeClock(node).pause();
    return true;
  }

  private resume(node: NodeId): true {
    this.stoodStillMs.set(node, this.stillMs(node));
    this.paused.delete(node);
    this.cluster.network.resume(node);
    this.cluster.nodeClock(node).resume();
    return true;
  }

  private damage(node: NodeId, kind: "unreadable" | "flip", pick: number): boolean {
    const disk = this.cluster.disk(node);
    const keys = disk.keys(ALL_ROWS.from, ALL_ROWS.to, SIM_ROWS_MAX);
    const key = keys[pick % Math.max(1, keys.length)];
    if (key === undefined) return false;
    if (kind === "flip") disk.flip(key, pick);
    else disk.damage(key);
    return true;
  }
}

/** Whether a fault is rather the end of one. */
function isEnd(fault: Fault): boolean {
  switch (fault.kind) {
    case "heal":
    case "start":
    case "resume":
    case "copy":
      return true;
    case "weather":
      return JSON.stringify(fault.weather) === JSON.stringify(CALM);
    case "slow":
      return fault.factor === 1;
    case "disk":
      return fault.groups === 0;
    case "reads":
      return fault.failRate === 0;
    case "busy":
      return fault.msPerFrame === 0;
    default:
      return false;
  }
}
