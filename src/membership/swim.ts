/**
 * SWIM's failure detector (Das, Gupta and Motivala 2002), with Lifeguard's
 * distrust of oneself (Dadgar, Phillips and Currey 2018).
 *
 * Each period a node pings a few others, in a random round, so that its load
 * does not grow with the cluster; whoever does not answer is asked for through
 * helpers; whoever answers neither is suspected. A suspect that does not refute
 * in time is dead for all, until its next incarnation.
 *
 * At most as many probes are under way as begin in one period: whoever is
 * answered by nobody in time probes less, as with Lifeguard's stretched
 * interval, and whoever is answered is never slowed down.
 */
import { shuffled } from "../base/random.js";
import type { Limits } from "../config.js";
import type { NodeId, World } from "../ports.js";
import { Awareness } from "./awareness.js";
import { died, type MemberEntry, type MemberTable, suspected } from "./members.js";
import { PING_TIMEOUT_SHARE } from "./reach.js";
import { type SuspicionOptions, suspicionTimeoutMs } from "./suspicion.js";

/** What Swim needs of its node. */
export interface SwimHost {
  entryOf(node: NodeId): MemberEntry | undefined;
  /** Merges into the table; true when anything is new. */
  learn(news: MemberTable): boolean;
  /** Asks `to` whether it lives. `onEnd` comes once: whether it answered. */
  ping(to: NodeId, timeoutMs: number, onEnd: (isAnswered: boolean) => void): void;
  /** Asks `helper` to ping `target`. `onReply` comes at most once: whether it was reached. */
  askHelper(helper: NodeId, target: NodeId, timeoutMs: number, onReply: (isReached: boolean) => void): void;
  /** It answered us lately. */
  isHeard(node: NodeId): boolean;
  isAlive(node: NodeId): boolean;
}

interface Probe {
  readonly node: NodeId;
  readonly sinceMs: number;
  readonly waitMs: number;
  helpers: number;
  /** Helpers that have said nothing, not even that they reached nobody. */
  silentHelpers: number;
}

/** Of a helper's time, after which it says that it reached nobody (Lifeguard 4.1: 80 %). */
const NACK_SHARE = 0.8;

export class Swim {
  private readonly awareness: Awareness;
  /** The members still to probe in this round, the next one last. */
  private round: NodeId[] = [];
  private readonly probes = new Map<NodeId, Probe>();
  /** Since when each suspect has been one. */
  private readonly suspicions = new Map<NodeId, number>();
  private readonly patience: SuspicionOptions;
  private nextProbesMs = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly world: World,
    private readonly limits: Limits,
    private readonly self: NodeId,
    private readonly others: readonly NodeId[],
    private readonly host: SwimHost,
  ) {
    const { suspicionFactor: factor, suspicionSpreadFactor: spread, pingIntervalMs: periodMs } = limits;
    this.patience = { members: others.length + 1, periodMs, factor, spread };
    this.awareness = new Awareness(limits.awarenessFactorMax);
  }

  /** Probes whoever is due, and buries suspects whose time is up. */
  tick(nowMs: number): void {
    for (const [node, sinceMs] of this.suspicions) this.considerDead(node, nowMs - sinceMs);
    if (nowMs < this.nextProbesMs) return;
    this.nextProbesMs = nowMs + this.limits.pingIntervalMs;
    this.beginProbes(nowMs);
  }

  /** The tick came so late: for that time nobody could refute to us. */
  onSlept(sleptMs: number): void {
    this.awareness.onMissed(1);
    for (const [node, sinceMs] of this.suspicions) this.suspicions.set(node, sinceMs + sleptMs);
  }

  /** Others think that we are silent: we may be slow. */
  onAccused(): void {
    this.awareness.onMissed(1);
  }

  /** The table says something new of another member. */
  onNews(node: NodeId, before: MemberEntry | undefined, after: MemberEntry): void {
    if (after.status !== "suspect") this.suspicions.delete(node);
    else if (before?.status !== "suspect" || before.incarnation !== after.incarnation)
      this.suspicions.set(node, this.world.clock.nowMs());
  }

  private beginProbes(nowMs: number): void {
    for (let looked = 0; looked < this.others.length; looked++) {
      if (this.probes.size >= this.limits.probedPeersMax) return;
      const node = this.nextInRound();
      const status = this.host.entryOf(node)?.status;
      // The dead, and those of whom nobody has heard, are asked by Reach, sparingly.
      if (status !== undefined && status !== "dead" && !this.probes.has(node)) this.beginProbe(node, nowMs);
    }
  }

  /** A random order, each once: so nobody waits for its probe longer than two rounds (SWIM 4.3). */
  private nextInRound(): NodeId {
    if (this.round.length === 0) this.round = shuffled(this.world.random, this.others);
    return this.round.pop() as NodeId;
  }

  private beginProbe(node: NodeId, sinceMs: number): void {
    const { clock, meter } = this.world;
    const waitMs = this.awareness.stretched(this.limits.pingIntervalMs);
    const probe: Probe = { node, sinceMs, waitMs, helpers: 0, silentHelpers: 0 };
    this.probes.set(node, probe);
    const onReached = (isHelped: boolean): void => {
      if (!this.probes.delete(node)) return;
      cancelHelp();
      cancelEnd();
      this.awareness.onAnswered();
      if (isHelped) meter.count("murmur_indirect_probes_helped_total");
    };
    const isOpen = () => this.probes.get(node) === probe;
    const cancelHelp = clock.after(waitMs * PING_TIMEOUT_SHARE, () => {
      this.askHelpers(probe, () => isOpen() && onReached(true));
    });
    const cancelEnd = clock.after(waitMs, () => this.onUnanswered(probe));
    this.host.ping(node, waitMs, (isAnswered) => isAnswered && isOpen() && onReached(false));
  }

  private askHelpers(probe: Probe, onReached: () => void): void {
    const able = this.others.filter((node) => node !== probe.node && this.host.isAlive(node));
    const helpers = shuffled(this.world.random, able).slice(0, this.limits.helpingPeersMax);
    probe.helpers = helpers.length;
    probe.silentHelpers = helpers.length;
    const timeoutMs = probe.waitMs * (1 - PING_TIMEOUT_SHARE) * NACK_SHARE;
    for (const helper of helpers) {
      this.host.askHelper(helper, probe.node, timeoutMs, (isReached) => {
        probe.silentHelpers--;
        if (isReached) onReached();
      });
    }
  }

  private onUnanswered({ node, sinceMs, waitMs, helpers, silentHelpers }: Probe): void {
    this.probes.delete(node);
    // Helpers that answered vouch for us, silent ones do not. Where there are none, it may well be us.
    this.awareness.onMissed(helpers === 0 ? 1 : silentHelpers);
    // Who slept through the answer accuses nobody.
    if (this.world.clock.nowMs() - sinceMs > waitMs + this.limits.pingIntervalMs) return;
    const entry = this.host.entryOf(node);
    if (entry === undefined || !this.host.learn(new Map([[node, suspected(entry, this.self)]]))) return;
    this.world.meter.count("murmur_suspicions_total");
    this.world.log.info(`${node} answers neither us nor our helpers: suspected`, { node });
  }

  private considerDead(node: NodeId, suspectedForMs: number): void {
    const entry = this.host.entryOf(node) as MemberEntry;
    if (suspectedForMs < suspicionTimeoutMs(this.patience, entry.suspecters.length - 1)) return;
    // Whoever answers us lives, whatever is said: our next ping tells it what, and it refutes.
    if (this.host.isHeard(node)) return;
    this.world.meter.count("murmur_members_dead_total");
    this.world.log.warn(`${node} has not refuted that it is dead`, { node });
    this.host.learn(new Map([[node, died(entry)]]));
  }
}
