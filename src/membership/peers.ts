/**
 * Peers: who seems alive, and whose clock agrees with ours.
 *
 * Nobody can tell a dead node from a slow one (Fischer, Lynch, Paterson 1985),
 * so this is an opinion with a limit: whoever answered nothing for
 * `peerSilenceMsMax` counts as down, any answer makes it up again, and a wrong
 * opinion costs time, never data. Before others are doubted the node doubts
 * itself: when its own tick was late, it was the one who slept.
 *
 * Each pong carries a clock. A node that is off the median of all by more than
 * `clockSkewMsMax` stops coordinating: its stamps would win, or lose, over
 * everybody's.
 */
import type { Limits } from "../config.js";
import type { Actor } from "../lattice/stamp.js";
import type { Cancel, NodeId, World } from "../ports.js";
import type { Ping, Pong } from "../wire/messages.js";

interface Peer {
  readonly node: NodeId;
  up: boolean;
  lastHeardMs: number;
  lastPingedMs: number;
  offsetMs: number | undefined;
  /** Its actor, and the highest bound of stamps it ever told us. */
  actor: Actor | undefined;
  boundUs: number;
  /** Where it votes; undefined until it said so, empty when in all it owns. */
  votes: readonly Uint8Array[] | undefined;
}

/** What may happen to a member. `rebuilding`: it does not vote in all that it owns; `rebuilt`: it does again. */
export type MemberChange = "up" | "down" | "rebuilding" | "rebuilt";

/** What Peers needs of its node. */
export interface PeersHost {
  /** What we say of ourselves. */
  present(): { readonly actor: Actor; readonly boundUs: number };
  ping(to: NodeId, ping: Ping, onPong: (pong: Pong | undefined) => void): void;
  /** A peer that was down, or never heard, answers. */
  onUp(node: NodeId): void;
  /** For whoever watches the cluster; nothing depends on it. */
  onChanged(node: NodeId, change: MemberChange): void;
  /** A peer remembers this bound of our present actor. */
  onRemembered(boundUs: number): void;
}

const NEVER_MS = Number.NEGATIVE_INFINITY;
/** Whoever seems down is asked so much more often: the pings to a closed connection are free. */
const DOWN_PING_DIVISOR = 5;

export class Peers {
  private readonly peers = new Map<NodeId, Peer>();
  private lastTickMs: number;
  private cancelTick: Cancel | undefined;
  private refusing: string | undefined;
  private offMs = 0;

  constructor(
    private readonly world: World,
    private readonly limits: Limits,
    private readonly self: NodeId,
    others: readonly NodeId[],
    private readonly host: PeersHost,
  ) {
    this.lastTickMs = world.clock.nowMs();
    for (const node of others) {
      const peer = { node, up: false, lastHeardMs: NEVER_MS, lastPingedMs: NEVER_MS };
      this.peers.set(node, { ...peer, offsetMs: undefined, actor: undefined, boundUs: 0, votes: undefined });
    }
  }

  /** Pings whoever is due, forgets whoever fell silent, and comes back. */
  tick(): void {
    const nowMs = this.world.clock.nowMs();
    const tickMs = this.limits.pingIntervalMs / DOWN_PING_DIVISOR;
    const sleptMs = nowMs - this.lastTickMs - tickMs;
    this.lastTickMs = nowMs;
    for (const peer of this.peers.values()) {
      if (sleptMs > this.limits.pingIntervalMs) peer.lastHeardMs += sleptMs;
      if (peer.up && nowMs - peer.lastHeardMs > this.limits.peerSilenceMsMax) this.onSilent(peer);
      const intervalMs = peer.up ? this.limits.pingIntervalMs : tickMs;
      if (nowMs - peer.lastPingedMs >= intervalMs - tickMs / 2) this.sendPing(peer, nowMs);
    }
    this.refusing = this.judgeOwnClock();
    this.cancelTick = this.world.clock.after(tickMs, () => this.tick());
  }

  stop(): void {
    this.cancelTick?.();
  }

  isAlive(node: NodeId): boolean {
    return node === this.self || this.peers.get(node)?.up === true;
  }

  /** Any answer to us, not just any frame: of a path that is cut one way we may hear everything and be heard by nobody. */
  onAnswered(node: NodeId): void {
    const peer = this.peers.get(node);
    if (peer === undefined) return;
    peer.lastHeardMs = this.world.clock.nowMs();
    if (peer.up) return;
    peer.up = true;
    this.world.log.info(`${node} is up`);
    this.host.onUp(node);
    this.host.onChanged(node, "up");
  }

  /** The answer to a ping; it also remembers how far the asker's stamps have gone. */
  onPing(node: NodeId, ping: Ping): Pick<Pong, "rememberedBoundUs"> {
    const peer = this.peers.get(node);
    if (peer === undefined) return { rememberedBoundUs: 0 };
    const rememberedBoundUs = peer.actor === ping.actor ? peer.boundUs : 0;
    this.remember(peer, ping.actor, ping.boundUs);
    return { rememberedBoundUs };
  }

  /** Its clock against ours in milliseconds; undefined while unknown. */
  clockOffsetMs(node: NodeId): number | undefined {
    return node === this.self ? 0 : this.peers.get(node)?.offsetMs;
  }

  /** Which life of its store a peer last spoke of. */
  actorOf(node: NodeId): Actor | undefined {
    return this.peers.get(node)?.actor;
  }

  /** Where a peer votes, as it last said; undefined while unknown, empty when in all it owns. */
  votesOf(node: NodeId): readonly Uint8Array[] | undefined {
    return this.peers.get(node)?.votes;
  }

  /** Why this node must not coordinate now; undefined when it may. Judged with each pong and tick, not with each request. */
  get refusal(): string | undefined {
    return this.refusing;
  }

  /** What must be added to our wall clock while it is that far off; 0 while it is believed. */
  get correctionMs(): number {
    return this.refusing === undefined ? 0 : this.offMs;
  }

  private judgeOwnClock(): string | undefined {
    const heard = [...this.peers.values()].flatMap(({ up, offsetMs }) =>
      up && offsetMs !== undefined ? offsetMs : [],
    );
    // Our own clock has a voice too: of three nodes, one that is wrong must not make the other two doubt themselves.
    const offMs = medianOf([0, ...heard]);
    this.offMs = offMs;
    if (Math.abs(offMs) <= this.limits.clockSkewMsMax) return undefined;
    const side = offMs > 0 ? "behind" : "ahead of";
    return `the clock of ${this.self} is ${Math.round(Math.abs(offMs))} ms ${side} its peers: set it, and the node goes on by itself`;
  }

  private sendPing(peer: Peer, nowMs: number): void {
    peer.lastPingedMs = nowMs;
    const present = this.host.present();
    const askedWallMs = this.world.clock.wallMs();
    this.host.ping(peer.node, { kind: "ping", ...present }, (pong) => {
      if (pong !== undefined) this.onPong(peer, pong, present.actor, nowMs, askedWallMs);
    });
  }

  private onPong(peer: Peer, pong: Pong, askedAs: Actor, askedMs: number, askedWallMs: number): void {
    const roundTripMs = this.world.clock.nowMs() - askedMs;
    // Cristian 1989: the peer read its clock half a round trip ago, so a slow answer says little.
    if (roundTripMs < this.limits.pingIntervalMs) peer.offsetMs = pong.wallMs - (askedWallMs + roundTripMs / 2);
    this.refusing = this.judgeOwnClock();
    this.onVotes(peer, pong.votes);
    this.remember(peer, pong.actor, pong.boundUs);
    if (askedAs === this.host.present().actor) this.host.onRemembered(pong.rememberedBoundUs);
  }

  private onVotes(peer: Peer, votes: readonly Uint8Array[]): void {
    const wasWhole = peer.votes === undefined || peer.votes.length === 0;
    const isWhole = votes.length === 0;
    peer.votes = votes;
    if (isWhole !== wasWhole) this.host.onChanged(peer.node, isWhole ? "rebuilt" : "rebuilding");
  }

  private remember(peer: Peer, actor: Actor, boundUs: number): void {
    // An actor that is not durable yet may never have been.
    if (boundUs === 0) return;
    peer.boundUs = peer.actor === actor ? Math.max(peer.boundUs, boundUs) : boundUs;
    peer.actor = actor;
  }

  private onSilent(peer: Peer): void {
    peer.up = false;
    this.world.meter.count("murmur_peers_lost_total");
    this.world.log.warn(`${peer.node} is silent and counts as down`);
    this.host.onChanged(peer.node, "down");
  }
}

/** The median of one or more. */
function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length % 2 === 1) return sorted[middle] as number;
  return ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}
