/**
 * Reach: who answers us.
 *
 * Nobody can tell a dead node from a slow one (Fischer, Lynch, Paterson 1985),
 * so this is an opinion with a limit, and a wrong one costs time, never data. It
 * rests on two kinds of evidence. Our own comes first: any answer makes a peer
 * up, and whoever leaves us unanswered until `peerSilenceMsMax` is over counts
 * as down for us, even if it is alive for all others (a one-way cut, a partial
 * partition). Of whom we have asked nothing lately, the table decides that all
 * keep together (swim.ts).
 *
 * Whoever owes an answer is asked again at every tick. Whoever is down is asked
 * by all together as often as in a cluster of a few.
 */
import type { Limits } from "../config.js";
import type { NodeId, World } from "../ports.js";

export interface ReachHost {
  ping(node: NodeId): void;
  onUp(node: NodeId): void;
  onDown(node: NodeId): void;
}

interface Path {
  readonly node: NodeId;
  isUp: boolean;
  /** We asked, and it answered nothing: only an answer makes it up again. */
  isSilent: boolean;
  /** The oldest question since its last answer. */
  askedMs: number | undefined;
  heardMs: number;
  pingedMs: number;
}

const NEVER_MS = Number.NEGATIVE_INFINITY;
/** Of a ping's interval, before it is asked again, and helpers too (SWIM 3.1: about a round trip; the rest is theirs). */
export const PING_TIMEOUT_SHARE = 0.4;

export class Reach {
  private readonly paths = new Map<NodeId, Path>();
  /** Those that owe us an answer. */
  private readonly doubted = new Set<Path>();
  /** In the order in which they were asked. */
  private readonly down = new Set<Path>();

  constructor(
    private readonly world: World,
    private readonly limits: Limits,
    /** How often `tick` comes. */
    private readonly tickMs: number,
    others: readonly NodeId[],
    private readonly host: ReachHost,
  ) {
    for (const node of others) {
      const path = { node, isUp: false, isSilent: false, askedMs: undefined, heardMs: NEVER_MS, pingedMs: NEVER_MS };
      this.paths.set(node, path);
      this.down.add(path);
    }
  }

  isUp(node: NodeId): boolean {
    return this.paths.get(node)?.isUp === true;
  }

  /** It answered us lately. */
  isHeard(node: NodeId): boolean {
    const path = this.paths.get(node);
    return path !== undefined && this.world.clock.nowMs() - path.heardMs <= this.limits.peerSilenceMsMax;
  }

  /** Asks whoever owes an answer or is down, and gives up whoever owes it for too long. */
  tick(nowMs: number): void {
    for (const path of this.doubted) this.watch(path, nowMs);
    if (this.down.size === 0) return;
    const { probedPeersMax } = this.limits;
    const intervalMs = this.tickMs * Math.max(1, this.paths.size / probedPeersMax);
    for (const path of [...this.down].slice(0, probedPeersMax)) {
      if (nowMs - path.pingedMs < intervalMs - this.tickMs / 2) return;
      this.down.delete(path);
      this.down.add(path);
      this.pingSoon(path);
    }
  }

  /** We slept: for that time nobody owed us anything. */
  onSlept(sleptMs: number): void {
    for (const path of this.paths.values()) {
      path.heardMs += sleptMs;
      if (path.askedMs !== undefined) path.askedMs += sleptMs;
    }
  }

  /** A ping leaves. */
  onPing(node: NodeId): void {
    const path = this.paths.get(node);
    if (path === undefined) return;
    path.pingedMs = this.world.clock.nowMs();
    path.askedMs ??= path.pingedMs;
    if (!path.isSilent) this.doubted.add(path);
  }

  /** Any answer to us, not just any frame: of a path that is cut one way we may hear everything and be heard by nobody. */
  onAnswered(node: NodeId): void {
    const path = this.paths.get(node);
    if (path === undefined) return;
    path.heardMs = this.world.clock.nowMs();
    path.askedMs = undefined;
    path.isSilent = false;
    this.doubted.delete(path);
    this.raise(path);
  }

  /** A question of any kind has met its deadline: whether the peer lives is worth a question of its own. */
  onUnanswered(node: NodeId): void {
    const path = this.paths.get(node);
    if (path?.isUp === true && path.askedMs === undefined) this.pingSoon(path);
  }

  /** It asks us, so it lives. Whether it hears us too, its answer will tell. */
  onAsking(node: NodeId): void {
    const path = this.paths.get(node);
    if (path?.isUp === false) this.pingSoon(path);
  }

  /** Others say that it lives. */
  onAlive(node: NodeId): void {
    const path = this.paths.get(node);
    if (path === undefined || path.isUp) return;
    if (path.isSilent) this.pingSoon(path);
    else this.raise(path);
  }

  /** Others say that it is dead. Whoever answers us learns from our ping what is said of it, and refutes. */
  onDead(node: NodeId): void {
    const path = this.paths.get(node);
    if (path === undefined) return;
    if (this.isHeard(node)) this.pingSoon(path);
    else this.drop(path, "is dead, the others say,");
  }

  private watch(path: Path, nowMs: number): void {
    const { peerSilenceMsMax, pingIntervalMs } = this.limits;
    const owedMs = nowMs - (path.askedMs ?? nowMs);
    // It may have been silent for an interval before it was asked.
    if (owedMs > peerSilenceMsMax - pingIntervalMs && !this.isHeard(path.node)) {
      path.isSilent = true;
      this.doubted.delete(path);
      this.drop(path, "is silent");
    } else if (owedMs >= pingIntervalMs * PING_TIMEOUT_SHARE) this.pingSoon(path);
  }

  /** Now, unless it was pinged within this tick. */
  private pingSoon({ node, pingedMs }: Path): void {
    if (this.world.clock.nowMs() - pingedMs >= this.tickMs / 2) this.host.ping(node);
  }

  private raise(path: Path): void {
    if (path.isUp) return;
    path.isUp = true;
    this.down.delete(path);
    this.world.log.info(`${path.node} is up`);
    this.host.onUp(path.node);
  }

  private drop(path: Path, why: string): void {
    if (!path.isUp) return;
    path.isUp = false;
    this.down.add(path);
    this.world.meter.count("murmur_peers_lost_total");
    this.world.log.warn(`${path.node} ${why} and counts as down`);
    this.host.onDown(path.node);
  }
}
