/**
 * The port Transport over TCP: a link to each peer, an acceptor for what they send.
 *
 * What a turn released is written in the check phase of the event loop. All
 * inputs of one poll phase (a hundred reads of sockets, perhaps) thereby share
 * one write per peer: the system call costs more than all the rest of a small
 * message, and the wait is only for work that had to be done anyway.
 *
 * Nothing is ever thrown or reported to a sender: a lost connection, a full queue,
 * an unknown peer are all a frame that does not arrive.
 */
import { assert } from "../base/assert.js";
import type { Random } from "../base/random.js";
import type { Limits } from "../config.js";
import type { Cancel, Clock, Lane, Log, Meter, NodeId, Transport } from "../ports.js";
import { Acceptor } from "./acceptor.js";
import { abridged, type Facts, type Refusal, writeFacts } from "./facts.js";
import { newInstance } from "./handshake.js";
import { type Ground, Link, type Peer } from "./link.js";
import { Standing } from "./standing.js";

export interface TcpTransportOptions {
  readonly self: NodeId;
  readonly bind: string;
  /** 0 takes any free port; see `port`. */
  readonly port: number;
  /** Self may be among them and is passed over. */
  readonly peers: readonly Peer[];
  /** What every member must agree on. */
  readonly facts: Facts;
  readonly secret: Uint8Array | undefined;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly meter: Meter;
  /** Called at most once: this node is the one in the wrong and should stop, naming the field. */
  onVerdict(refusal: Refusal): void;
}

export interface TransportStatistics {
  readonly framesSent: number;
  readonly bytesSent: number;
  readonly framesReceived: number;
  readonly bytesReceived: number;
  readonly framesDropped: number;
  readonly handshakesRefused: number;
  readonly connectionsMalformed: number;
  /** Whether each peer can be sent to. */
  readonly peersConnected: ReadonlyMap<NodeId, boolean>;
}

export class TcpTransport implements Transport {
  private readonly ground: Ground;
  private readonly acceptor: Acceptor;
  private readonly links = new Map<NodeId, Link>();
  private receiver: ((from: NodeId, frames: readonly Uint8Array[]) => void) | undefined;
  /** Links with frames of the present turn, and links that may write. */
  private queued = new Set<Link>();
  private ready = new Set<Link>();
  private flushing: NodeJS.Immediate | undefined;
  private cancelTick: Cancel | undefined;
  private isClosed = false;
  /** Sent to nobody we know. */
  private framesDropped = 0;

  private constructor(options: TcpTransportOptions) {
    const { self, secret, clock, random, limits, log, meter } = options;
    const facts = abridged(options.facts);
    assert(2 * writeFacts(facts).length <= limits.handshakeBytesMax, "facts fit into a message of the handshake");
    const startMs = clock.nowMs();
    const standing = new Standing(clock, limits, log, options.onVerdict);
    const party = {
      self,
      instance: newInstance(random),
      facts,
      secret,
      ageMs: () => clock.nowMs() - startMs,
      isSettled: () => standing.isSettled,
      admit: (peer: NodeId, instance: Uint8Array) =>
        this.acceptor.objectionTo(peer, instance, new Set(this.links.keys())),
    };
    this.ground = { party, clock, random, limits, log, meter, standing };
    this.acceptor = new Acceptor(
      this.ground,
      (from, frames) => this.receiver?.(from, frames),
      (by) => this.links.get(by)?.onDialled(),
    );
  }

  /** Listens, and dials the peers once it does. After an error it is closed. */
  static listen(options: TcpTransportOptions, onListening: (error?: Error) => void): TcpTransport {
    const transport = new TcpTransport(options);
    transport.acceptor.listen(options.bind, options.port, (error) => {
      if (error === undefined && !transport.isClosed) {
        transport.setPeers(options.peers);
        transport.tick();
      }
      onListening(error);
    });
    return transport;
  }

  get port(): number {
    return this.acceptor.port;
  }

  /** The members from now on. Links to those that stay where they were stay up. */
  setPeers(peers: readonly Peer[]): void {
    assert(!this.isClosed, "a closed transport has no peers");
    const { self } = this.ground.party;
    const wanted = new Map(peers.filter(({ id }) => id !== self).map((peer) => [peer.id, peer]));
    for (const [id, link] of this.links) {
      const peer = wanted.get(id);
      if (peer?.host === link.peer.host && peer.port === link.peer.port) continue;
      link.close();
      this.links.delete(id);
    }
    for (const [id, peer] of wanted) if (!this.links.has(id)) this.links.set(id, new Link(peer, this.ground));
    this.acceptor.keepOnly(new Set(wanted.keys()));
  }

  send(to: NodeId, bytes: Uint8Array, lane: Lane = "small"): void {
    assert(to !== this.ground.party.self, "a node does not send to itself");
    assert(bytes.length > 0, "a frame holds at least one byte");
    const link = this.links.get(to);
    if (link === undefined) {
      this.framesDropped++;
      return;
    }
    link.send(bytes, lane);
    this.queued.add(link);
  }

  onReceive(receiver: (from: NodeId, frames: readonly Uint8Array[]) => void): void {
    assert(this.receiver === undefined, "a transport has one receiver");
    this.receiver = receiver;
  }

  release(): void {
    if (this.queued.size === 0) return;
    for (const link of this.queued) {
      link.release();
      this.ready.add(link);
    }
    this.queued.clear();
    this.flushing ??= setImmediate(() => this.flush());
  }

  /** Refused by somebody and accepted by nobody: onVerdict will be called unless that changes. */
  get isDoubted(): boolean {
    return this.ground.standing.isDoubted;
  }

  statistics(): TransportStatistics {
    const links = [...this.links.values()];
    const sum = (count: (link: Link) => number): number => links.reduce((total, link) => total + count(link), 0);
    return {
      framesSent: sum((link) => link.framesSent),
      bytesSent: sum((link) => link.bytesSent),
      framesReceived: this.acceptor.framesReceived,
      bytesReceived: this.acceptor.bytesReceived,
      framesDropped: this.framesDropped + sum((link) => link.framesDropped),
      handshakesRefused: this.ground.standing.handshakesRefused,
      connectionsMalformed: this.acceptor.connectionsMalformed,
      peersConnected: new Map(links.map((link) => [link.peer.id, link.connected])),
    };
  }

  /** Writes what was released, as far as the kernel takes it at once, and is gone. */
  close(onClosed: () => void): void {
    assert(!this.isClosed, "a transport is closed once");
    this.isClosed = true;
    this.flush();
    this.cancelTick?.();
    this.ground.standing.close();
    for (const link of this.links.values()) link.close();
    this.acceptor.close(onClosed);
  }

  private flush(): void {
    if (this.flushing !== undefined) clearImmediate(this.flushing);
    this.flushing = undefined;
    for (const link of this.ready) link.flush();
    this.ready.clear();
  }

  private tick(): void {
    this.cancelTick = this.ground.clock.after(this.ground.limits.pingIntervalMs, () => this.tick());
    for (const link of this.links.values()) link.tick();
    this.acceptor.tick();
  }
}
