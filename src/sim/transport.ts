/**
 * A network in virtual time: the contract of the port Transport, taken at its word.
 *
 * Frames are lost, repeated, delayed and thereby reordered as the weather says,
 * links are cut one way or both, nodes crash, pause or become slow. All chance
 * comes from one seeded stream and all time from one SimClock, so a run repeats
 * exactly.
 *
 * Frames released together to one node travel in packets: one packet is one
 * input, as one read of a socket is. Where a packet ends is chance too, because
 * a receiver may rely on neither.
 *
 * Invariants: nothing is delivered inside `send` or `release`; every delivery is
 * a copy made on arrival, so that nodes share no memory, and a sender that
 * writes to bytes it gave away is found out.
 */
import { assert } from "../base/assert.js";
import { fraction, type Random } from "../base/random.js";
import { copyOf } from "../base/short-bytes.js";
import { DEFAULT_LIMITS } from "../config.js";
import type { Lane, NodeId, Transport } from "../ports.js";
import { LaneQueue, laneBytes } from "../wire/lane-queue.js";
import type { Event, SimClock } from "./clock.js";

/** What the network does to packets. Rates are from 0 to 1. */
export interface Weather {
  readonly delayMsMin: number;
  readonly delayMsMax: number;
  readonly lossRate: number;
  readonly duplicateRate: number;
  /** How often a frame shares the packet of the one before it. */
  readonly togetherRate: number;
}

export const CALM: Weather = { delayMsMin: 0.05, delayMsMax: 0.5, lossRate: 0, duplicateRate: 0, togetherRate: 0.5 };

/** A process that is behind by more than this is sent no more. */
const BACKLOG_MS_MAX = 3000;

export interface NetworkStatistics {
  sent: number;
  delivered: number;
  duplicated: number;
  /** Frames that never arrived, for whatever reason. */
  lost: number;
}

interface Packet {
  readonly from: SimPort;
  /** The process it was sent to; one that starts later under the same name never sees it. */
  readonly to: SimPort;
  readonly frames: readonly Uint8Array[];
}

export class SimNetwork {
  weather: Weather = CALM;
  /** How long the way between two nodes takes at least, whatever the weather. */
  distanceMs: (from: NodeId, to: NodeId) => number = () => 0;
  /** How long each process needs for a frame: what arrives meanwhile waits its turn. */
  msPerFrame = 0;
  /** What one node may send to one other in one turn, by lane. */
  laneBytes: Readonly<Record<Lane, number>> = laneBytes(DEFAULT_LIMITS);
  readonly statistics: NetworkStatistics = { sent: 0, delivered: 0, duplicated: 0, lost: 0 };
  private readonly ports = new Map<NodeId, SimPort>();
  private readonly cuts = new Map<NodeId, Set<NodeId>>();
  private readonly slowness = new Map<NodeId, number>();
  /** Until when a process works on what has arrived. */
  private readonly busyUntilMs = new Map<SimPort, number>();
  /** Packets that arrived at a paused node, in order of arrival. */
  private readonly waiting = new Map<NodeId, Packet[]>();

  constructor(
    private readonly clock: SimClock,
    private readonly random: Random,
  ) {}

  /** Attaches a node. After a crash the same name is attached anew. */
  port(node: NodeId): Transport {
    assert(!this.ports.has(node), `${node} is attached already`);
    const port = new SimPort(node, this);
    this.ports.set(node, port);
    return port;
  }

  /**
   * A crash. What is on its way to the node is lost, and so is what it had sent,
   * unless its last words arrive: a kernel sends on for a killed process.
   */
  detach(node: NodeId, lastWordsArrive = false): void {
    const port = this.ports.get(node);
    assert(port !== undefined, `${node} is not attached`);
    port.close(lastWordsArrive);
    this.ports.delete(node);
    this.busyUntilMs.delete(port);
    for (const packet of this.waiting.get(node) ?? []) this.lose(packet.frames);
    this.waiting.delete(node);
  }

  /** Nothing passes from `from` to `to` any more, not even what is on its way. The other direction is untouched. */
  cut(from: NodeId, to: NodeId): void {
    const targets = this.cuts.get(from) ?? new Set();
    this.cuts.set(from, targets.add(to));
  }

  /** Cuts all links between different groups, both ways. A node in no group keeps its links. */
  partition(groups: ReadonlyArray<readonly NodeId[]>): void {
    for (const group of groups) {
      for (const other of groups) {
        if (other === group) continue;
        for (const from of group) for (const to of other) this.cut(from, to);
      }
    }
  }

  /** All links pass again. */
  heal(): void {
    this.cuts.clear();
  }

  /** A gray node: everything to and from it takes `factor` times as long. 1 is healthy. */
  slow(node: NodeId, factor: number): void {
    assert(factor > 0, "a factor is positive");
    this.slowness.set(node, factor);
  }

  /** The process stands still: what arrives waits. What its kernel has to send still leaves. */
  pause(node: NodeId): void {
    if (!this.waiting.has(node)) this.waiting.set(node, []);
  }

  /** The process goes on and reads what waited: what one peer sent to one process is one input, as of a full socket. */
  resume(node: NodeId): void {
    const packets = this.waiting.get(node) ?? [];
    this.waiting.delete(node);
    for (const packet of joined(packets)) this.clock.after(0, () => this.arrive(packet));
  }

  /** Called by a port: these frames leave together. */
  depart(from: SimPort, to: NodeId, frames: readonly Uint8Array[]): void {
    this.statistics.sent += frames.length;
    const port = this.ports.get(to);
    if (port === undefined) {
      this.lose(frames);
      return;
    }
    if (frames.length === 1) return this.travel({ from, to: port, frames });
    let first = 0;
    for (let next = 1; next <= frames.length; next++) {
      if (next < frames.length && this.happens(this.weather.togetherRate)) continue;
      this.travel({ from, to: port, frames: frames.slice(first, next) });
      first = next;
    }
  }

  private travel(packet: Packet): void {
    if (this.happens(this.weather.lossRate) || this.isCut(packet)) {
      this.lose(packet.frames);
      return;
    }
    this.clock.schedule(new Arrival(this, packet), this.delayMs(packet));
    if (!this.happens(this.weather.duplicateRate)) return;
    this.statistics.duplicated += packet.frames.length;
    this.clock.schedule(new Arrival(this, packet), this.delayMs(packet));
  }

  arrive(packet: Packet): void {
    if (packet.to.isClosed || packet.from.isSilenced || this.isCut(packet)) {
      this.lose(packet.frames);
      return;
    }
    if (this.msPerFrame === 0) this.hand(packet);
    else this.queue(packet);
  }

  /** One after the other. A queue that is too long is cut off, as by a kernel's full buffers. */
  private queue(packet: Packet): void {
    const nowMs = this.clock.nowMs();
    const fromMs = Math.max(nowMs, this.busyUntilMs.get(packet.to) ?? 0);
    if (fromMs - nowMs > BACKLOG_MS_MAX) return this.lose(packet.frames);
    this.busyUntilMs.set(packet.to, fromMs + this.msPerFrame * packet.frames.length);
    this.clock.after(fromMs - nowMs, () => (packet.to.isClosed ? this.lose(packet.frames) : this.hand(packet)));
  }

  private hand(packet: Packet): void {
    const waiting = this.waiting.get(packet.to.node);
    if (waiting !== undefined) {
      waiting.push(packet);
      return;
    }
    this.statistics.delivered += packet.frames.length;
    packet.to.deliver(
      packet.from.node,
      packet.frames.map((frame) => copyOf(frame)),
    );
  }

  private delayMs({ from, to }: Packet): number {
    const { delayMsMin, delayMsMax } = this.weather;
    const delayMs =
      this.distanceMs(from.node, to.node) + delayMsMin + (delayMsMax - delayMsMin) * fraction(this.random);
    return delayMs * (this.slowness.get(from.node) ?? 1) * (this.slowness.get(to.node) ?? 1);
  }

  private isCut({ from, to }: Packet): boolean {
    return this.cuts.get(from.node)?.has(to.node) === true;
  }

  private lose(frames: readonly Uint8Array[]): void {
    this.statistics.lost += frames.length;
  }

  /** A rate of zero draws nothing: a fault that is off costs no time. */
  private happens(rate: number): boolean {
    return rate > 0 && fraction(this.random) < rate;
  }
}

/** A packet on its way: the commonest of all events, and none that can be cancelled. */
class Arrival implements Event {
  atMs = 0;
  sequence = 0;
  readonly isCancelled = false;
  constructor(
    private readonly network: SimNetwork,
    private readonly packet: Packet,
  ) {}

  run(): void {
    this.network.arrive(this.packet);
  }
}

/** One packet for each pair of sender and receiver, in order of arrival. */
function joined(packets: readonly Packet[]): Packet[] {
  const result: Packet[] = [];
  for (const packet of packets) {
    const index = result.findIndex(({ from, to }) => from === packet.from && to === packet.to);
    if (index < 0) result.push(packet);
    else result[index] = { ...packet, frames: [...(result[index] as Packet).frames, ...packet.frames] };
  }
  return result;
}

/** One node's end of the network, from its start to its crash. */
class SimPort implements Transport {
  private readonly queues = new Map<NodeId, LaneQueue>();
  /** Those with frames of the present turn, in the order of their first. */
  private queued: { readonly to: NodeId; readonly queue: LaneQueue }[] = [];
  private receiver: ((from: NodeId, frames: readonly Uint8Array[]) => void) | undefined;
  isClosed = false;
  /** True once not even what was sent before the crash arrives any more. */
  isSilenced = false;

  constructor(
    readonly node: NodeId,
    private readonly network: SimNetwork,
  ) {}

  send(to: NodeId, bytes: Uint8Array, lane: Lane = "small"): void {
    assert(to !== this.node, "a node does not send to itself");
    assert(bytes.length > 0, "a frame holds at least one byte");
    if (this.isClosed) return;
    const queue = this.queues.get(to) ?? this.open(to);
    if (!this.queued.some((each) => each.queue === queue)) this.queued.push({ to, queue });
    if (!queue.push(bytes, lane)) this.network.statistics.lost++;
  }

  onReceive(receiver: (from: NodeId, frames: readonly Uint8Array[]) => void): void {
    assert(this.receiver === undefined, "a transport has one receiver");
    this.receiver = receiver;
  }

  release(): void {
    if (this.queued.length === 0) return;
    // Nothing is sent while frames depart.
    for (const { to, queue } of this.queued) {
      queue.release();
      // No line is too thin here: what had room leaves, in the order of lanes.
      this.network.depart(this, to, queue.take(Number.POSITIVE_INFINITY));
    }
    this.queued = [];
  }

  private open(to: NodeId): LaneQueue {
    const queue = new LaneQueue(this.network.laneBytes, 0);
    this.queues.set(to, queue);
    return queue;
  }

  deliver(from: NodeId, frames: readonly Uint8Array[]): void {
    this.receiver?.(from, frames);
  }

  close(lastWordsArrive: boolean): void {
    this.isClosed = true;
    this.isSilenced = !lastWordsArrive;
    this.queues.clear();
    this.queued = [];
  }
}
