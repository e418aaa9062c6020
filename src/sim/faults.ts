/**
 * Faults as they strike a simulated cluster.
 *
 * A fault that makes no sense when its time comes is passed over: a part of a
 * script must be a script. Some are withheld because no store could survive
 * them: a disk is wiped only while all others vote, for two empty disks of three
 * owners hold less than a majority.
 */
import { unreachable } from "../base/assert.js";
import type { NodeId } from "../ports.js";
import { ALL_ROWS } from "../replica/rows.js";
import type { SimCluster } from "./cluster.js";
import type { Fault } from "./script.js";
import { CALM } from "./transport.js";

/** More than any script writes. */
export const SIM_ROWS_MAX = 1_000_000;

export class Faults {
  /** How often each kind struck. */
  readonly counts = new Map<string, number>();
  private readonly paused = new Set<NodeId>();
  private readonly stopping = new Set<NodeId>();

  /** `isQuiet`: no write is under way. `onGone`: a process died, and so did what it was asked. */
  constructor(
    private readonly cluster: SimCluster,
    private readonly isQuiet: () => boolean,
    private readonly onGone: (node: NodeId) => void,
  ) {}

  /** Whether the fault struck. */
  strike(fault: Fault): boolean {
    const struck = this.apply(fault);
    if (struck) this.counts.set(fault.kind, (this.counts.get(fault.kind) ?? 0) + 1);
    return struck;
  }

  /** Whether a client finds somebody there. */
  serves(node: NodeId): boolean {
    return this.cluster.runs(node) && !this.paused.has(node) && !this.stopping.has(node);
  }

  /** Everything works again, and everybody runs. */
  heal(): void {
    const { cluster } = this;
    for (const node of [...this.paused]) this.resume(node);
    cluster.network.heal();
    cluster.network.weather = CALM;
    for (const node of cluster.ids) {
      if (this.stopping.has(node)) this.crash(node, "kept");
      cluster.network.slow(node, 1);
      cluster.disk(node).fail(0, "full");
      if (!cluster.runs(node)) this.start(node);
      const clock = cluster.nodeClock(node);
      clock.jump(cluster.clock.wallMs() - clock.wallMs());
    }
  }

  private apply(fault: Fault): boolean {
    const { cluster } = this;
    switch (fault.kind) {
      case "weather":
        cluster.network.weather = fault.weather;
        return true;
      case "cut":
        return this.cut(fault.from, fault.to);
      case "heal":
        cluster.network.heal();
        return true;
      case "slow":
        cluster.network.slow(this.nodeOf(fault.node), fault.factor);
        return true;
      case "disk":
        cluster.disk(this.nodeOf(fault.node)).fail(fault.groups, fault.error);
        return true;
      default:
        return this.applyToProcess(fault, this.nodeOf(fault.node));
    }
  }

  private applyToProcess(
    fault: Exclude<Fault, { kind: "weather" | "cut" | "heal" | "slow" | "disk" }>,
    node: NodeId,
  ): boolean {
    const { cluster } = this;
    if (fault.kind === "start") return !cluster.runs(node) && this.start(node);
    if (!cluster.runs(node) || this.stopping.has(node)) return false;
    switch (fault.kind) {
      case "crash":
        if (fault.reboot) cluster.reboot(node);
        return this.crash(node, fault.tail);
      case "stop":
        return this.stop(node);
      case "wipe":
        return this.wipe(node);
      case "pause":
        return this.pause(node);
      case "resume":
        return this.paused.has(node) && this.resume(node);
      case "jump":
        cluster.nodeClock(node).jump(fault.byMs);
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

  private crash(node: NodeId, tail: "lost" | "kept"): true {
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

  private wipe(node: NodeId): boolean {
    const { cluster } = this;
    const isWhole = cluster.ids.every((id) => this.serves(id) && cluster.member(id).describe().rebuilding === 0);
    if (!isWhole || !this.isQuiet() || cluster.config.defaults.replication === 1) return false;
    this.crash(node, "lost");
    cluster.wipe(node);
    return true;
  }

  private pause(node: NodeId): boolean {
    if (this.paused.has(node)) return false;
    this.paused.add(node);
    this.cluster.network.pause(node);
    this.cluster.nodeClock(node).pause();
    return true;
  }

  private resume(node: NodeId): true {
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
