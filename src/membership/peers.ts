/**
 * Peers: what a node says to the others of itself, and hears of them.
 *
 * Here the parts of membership meet: who answers us (reach.ts), who lives in
 * everybody's opinion (swim.ts, dissemination.ts), and whose clock is right
 * (skew.ts). All of it travels on pings. Besides, each peer remembers how far the
 * other's stamps had gone, and which lives it has left (lives.ts): a store that
 * forgot that has lost more, and begins a new life.
 *
 * Before others are doubted the node doubts itself: when its own tick was late,
 * it was the one who slept.
 */
import type { Limits } from "../config.js";
import type { Actor } from "../lattice/stamp.js";
import type { Cancel, NodeId, World } from "../ports.js";
import type { Ping, PingRequest, PingRequestReply, Pong, PushPull, PushPullReply } from "../wire/messages.js";
import type { Rpc } from "../wire/rpc.js";
import { Dissemination } from "./dissemination.js";
import { Lives } from "./lives.js";
import type { MemberEntry, MemberStatus } from "./members.js";
import { Reach } from "./reach.js";
import { Skew } from "./skew.js";
import { Swim } from "./swim.js";

/** What a peer said of itself. */
interface Peer {
  readonly node: NodeId;
  readonly lives: Lives;
  /** It has answered since the start, and told what it remembers of this store. */
  hasTold: boolean;
  /** Where it votes, as its last pong said. */
  bitmaps: readonly Uint8Array[];
  toldRebuilding: boolean;
}

/** What may happen to a member. `rebuilding`: it does not vote in all that it owns; `rebuilt`: it does again. */
export type MemberChange = "up" | "down" | "rebuilding" | "rebuilt";

/** What Peers needs of its node. */
export interface PeersHost {
  readonly rpc: Pick<Rpc, "call">;
  /** What we say of ourselves: where we vote per placement, with no bitmaps when in all that we own. */
  present(): {
    readonly actor: Actor;
    readonly boundUs: number;
    /** For who has not told yet what it remembers: see replica/mint.ts. */
    readonly foundBoundUs: number;
    readonly votes: readonly Uint8Array[];
  };
  /** A peer that was down, or never heard, is up. */
  onUp(node: NodeId): void;
  /** For whoever watches the cluster; nothing depends on it. */
  onChanged(node: NodeId, change: MemberChange): void;
  /** A peer remembers this bound of our present actor; the first time, from before this process. */
  onRemembered(boundUs: number, isFirst: boolean): void;
}

const TICKS_PER_INTERVAL = 5;

export class Peers {
  readonly skew: Skew;
  readonly reach: Reach;
  private readonly swim: Swim;
  private readonly members: Dissemination;
  private readonly peers: ReadonlyMap<NodeId, Peer>;
  private readonly tickMs: number;
  private lastTickMs: number;
  private cancelTick: Cancel | undefined;

  constructor(
    private readonly world: World,
    private readonly limits: Limits,
    private readonly self: NodeId,
    others: readonly NodeId[],
    private readonly host: PeersHost,
  ) {
    this.tickMs = limits.pingIntervalMs / TICKS_PER_INTERVAL;
    this.lastTickMs = world.clock.nowMs();
    const blank = { hasTold: false, bitmaps: [], toldRebuilding: false };
    this.peers = new Map(others.map((node) => [node, { node, lives: new Lives(), ...blank }]));
    const isAlive = (node: NodeId) => this.isAlive(node);
    this.reach = new Reach(world, limits, this.tickMs, others, {
      ping: (node) => this.ping(node, limits.peerSilenceMsMax, () => {}),
      onUp: (node) => this.onUp(node),
      onDown: (node) => host.onChanged(node, "down"),
    });
    this.skew = new Skew(limits, self, others, this.lastTickMs, world.meter, isAlive);
    this.members = new Dissemination(world, limits, self, others, {
      present: () => this.life(),
      isAlive,
      exchange: (to, request, onReply) => this.exchange(to, request, onReply),
      onNews: (node, before, after) => this.onNews(node, before, after),
      onAccused: () => this.swim.onAccused(),
    });
    this.swim = new Swim(world, limits, self, others, {
      isAlive,
      entryOf: (node) => this.members.entryOf(node),
      learn: (news) => this.members.learn(news),
      ping: (to, timeoutMs, onEnd) => this.ping(to, Math.max(timeoutMs, limits.peerSilenceMsMax), onEnd),
      askHelper: (helper, target, timeoutMs, onReply) => this.askHelper(helper, target, timeoutMs, onReply),
      isHeard: (node) => this.reach.isHeard(node),
    });
  }

  /** Asks whoever is due, gives up whoever fell silent, and comes back. */
  tick(): void {
    const nowMs = this.world.clock.nowMs();
    const lateMs = nowMs - this.lastTickMs - this.tickMs;
    this.lastTickMs = nowMs;
    if (lateMs > this.limits.pingIntervalMs) {
      this.reach.onSlept(lateMs);
      this.swim.onSlept(lateMs);
    }
    this.swim.tick(nowMs);
    this.members.tick(nowMs);
    this.reach.tick(nowMs);
    this.skew.judge(nowMs);
    this.cancelTick = this.world.clock.after(this.tickMs, () => this.tick());
  }

  stop(): void {
    this.cancelTick?.();
  }

  /** Whether it is worth asking it anything. */
  isAlive(node: NodeId): boolean {
    return node === this.self || this.reach.isUp(node);
  }

  /** What all together say of a member; undefined while nobody has heard of it. */
  statusOf(node: NodeId): MemberStatus | undefined {
    return this.members.entryOf(node)?.status;
  }

  /** Which life of its store a peer last spoke of. */
  actorOf(node: NodeId): Actor | undefined {
    return this.peers.get(node)?.lives.actor ?? (this.members.entryOf(node)?.actor || undefined);
  }

  /** Whether anybody who could know has told since the start that this store is no old copy; nobody could, of a lone node. */
  get areVouching(): boolean {
    return this.peers.size === 0 || [...this.peers.values()].some(({ hasTold }) => hasTold);
  }

  /** Where a peer votes, as far as it said; undefined while unknown, empty when in all it owns. */
  votesOf(node: NodeId): readonly Uint8Array[] | undefined {
    const entry = this.members.entryOf(node);
    if (entry?.isRebuilding !== true) return entry && [];
    const bitmaps = this.peers.get(node)?.bitmaps ?? [];
    return bitmaps.length === 0 ? undefined : bitmaps;
  }

  /** The same as it told itself since our start, while it is up and nobody has heard otherwise since. */
  votesToldBy(node: NodeId): readonly Uint8Array[] | undefined {
    const peer = this.peers.get(node);
    if (peer?.hasTold !== true || !this.isAlive(node)) return undefined;
    const isRebuilding = this.members.entryOf(node)?.isRebuilding === true;
    return isRebuilding === peer.bitmaps.length > 0 ? peer.bitmaps : undefined;
  }

  /** The answer to a ping; it also remembers how far the asker's stamps have gone. */
  onPing(node: NodeId, ping: Ping): Pong {
    const said = this.members.hear(node, ping.gossip).get(node);
    this.reach.onAsking(node);
    const peer = this.peers.get(node);
    const rememberedBoundUs = peer?.lives.boundOf(ping.actor) ?? 0;
    peer?.lives.onTold(ping.actor, ping.boundUs, this.isLate(node, said));
    const wallMs = this.world.clock.wallMs();
    const { actor, votes } = this.host.present();
    const boundUs = this.boundFor(peer);
    const gossip = this.members.gossipFor(node, said);
    return { kind: "pong", actor, boundUs, wallMs, rememberedBoundUs, votes, gossip };
  }

  /** Whether the target answers us; the reply comes in any case. */
  onPingRequest(from: NodeId, request: PingRequest, reply: (reply: PingRequestReply) => void): void {
    this.members.hear(from, request.gossip);
    const answer = (reached: boolean) =>
      reply({ kind: "ping-request-reply", reached, gossip: this.members.gossipFor(from) });
    const { pingIntervalMs, awarenessFactorMax } = this.limits;
    const timeoutMs = Math.min(Math.max(1, request.timeoutMs), pingIntervalMs * (1 + awarenessFactorMax));
    if (this.peers.has(request.target)) this.ping(request.target, timeoutMs, answer);
    else answer(false);
  }

  onPushPull(request: PushPull): PushPullReply {
    return this.members.onPushPull(request);
  }

  private life(): { readonly actor: Actor; readonly isRebuilding: boolean } {
    const { actor, boundUs, votes } = this.host.present();
    // An actor that is not durable yet may never have been.
    return { actor: boundUs === 0 ? 0n : actor, isRebuilding: votes.length > 0 };
  }

  /** `onEnd` comes once, with whether it answered in time. */
  private ping(to: NodeId, timeoutMs: number, onEnd: (isAnswered: boolean) => void): void {
    const nowMs = this.world.clock.nowMs();
    this.reach.onPing(to);
    const { actor } = this.host.present();
    const boundUs = this.boundFor(this.peers.get(to));
    const askedWallMs = this.world.clock.wallMs();
    const ping: Ping = { kind: "ping", actor, boundUs, gossip: this.members.gossipFor(to) };
    this.host.rpc.call(to, ping, timeoutMs, (reply) => {
      const isAnswered = reply?.kind === "pong";
      if (isAnswered) this.onPong(to, reply, actor, nowMs, askedWallMs);
      onEnd(isAnswered);
    });
  }

  private onPong(from: NodeId, pong: Pong, askedAs: Actor, askedMs: number, askedWallMs: number): void {
    const nowMs = this.world.clock.nowMs();
    const peer = this.peers.get(from) as Peer;
    this.skew.onRead(from, pong.wallMs, askedWallMs, nowMs - askedMs, nowMs);
    peer.bitmaps = pong.votes;
    const said = this.members.hear(from, pong.gossip).get(from);
    peer.lives.onTold(pong.actor, pong.boundUs, this.isLate(from, said));
    const isFirst = !peer.hasTold;
    peer.hasTold = true;
    if (askedAs === this.host.present().actor) this.host.onRemembered(pong.rememberedBoundUs, isFirst);
  }

  /** A member says more of itself by now than it said here. Who forgot that in a restart is told with our answer. */
  private isLate(node: NodeId, said: MemberEntry | undefined): boolean {
    const held = this.members.entryOf(node);
    return said !== undefined && held !== undefined && said.incarnation < held.incarnation;
  }

  private boundFor(peer: Peer | undefined): number {
    const { boundUs, foundBoundUs } = this.host.present();
    return peer?.hasTold === true ? boundUs : foundBoundUs;
  }

  private askHelper(helper: NodeId, target: NodeId, timeoutMs: number, onReply: (isReached: boolean) => void): void {
    const gossip = this.members.gossipFor(helper);
    const request: PingRequest = { kind: "ping-request", target, timeoutMs: Math.ceil(timeoutMs), gossip };
    this.host.rpc.call(helper, request, timeoutMs + this.limits.peerSilenceMsMax, (reply) => {
      if (reply?.kind !== "ping-request-reply") return;
      this.members.hear(helper, reply.gossip);
      onReply(reply.reached);
    });
  }

  private exchange(to: NodeId, request: PushPull, onReply: (reply: PushPullReply) => void): void {
    this.host.rpc.call(to, request, this.limits.peerSilenceMsMax, (reply) => {
      if (reply?.kind === "push-pull-reply") onReply(reply);
    });
  }

  private onUp(node: NodeId): void {
    this.host.onUp(node);
    this.host.onChanged(node, "up");
    this.tellRebuilding(node);
  }

  private onNews(node: NodeId, before: MemberEntry | undefined, after: MemberEntry): void {
    this.swim.onNews(node, before, after);
    if (after.status === "alive") this.reach.onAlive(node);
    if (after.status === "dead" && before?.status !== "dead") this.reach.onDead(node);
    this.tellRebuilding(node);
  }

  /** Of the living only: whoever is down has other troubles, and says it when it is back. */
  private tellRebuilding(node: NodeId): void {
    const peer = this.peers.get(node) as Peer;
    const isRebuilding = this.members.entryOf(node)?.isRebuilding ?? false;
    if (!this.isAlive(node) || isRebuilding === peer.toldRebuilding) return;
    peer.toldRebuilding = isRebuilding;
    this.host.onChanged(node, isRebuilding ? "rebuilding" : "rebuilt");
  }
}
