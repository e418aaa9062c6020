/**
 * Relays: a write crosses to another datacenter once, and not once for each owner there.
 *
 * The way between datacenters is long and paid for by the byte. So what a write asks of
 * several owners of one other datacenter leaves as one message to one of them, which takes it
 * for itself and forwards it to the others (as Cassandra does); each of them answers the
 * coordinator directly, and is counted alone. A relay promises nothing for anybody else.
 *
 * Nor may it make a fault worse. Whoever has not answered when answers usually have is
 * asked directly, at once if the relay refused; a Merge may come twice. A relay that was silent, or that
 * did not forward what could be had directly, is given a rest. Without a relay that lives, all are asked directly.
 *
 * It stands in front of Rpc: whoever asks sees owners and answers, and nothing of the way between.
 */

import { Quantiles } from "../base/quantile.js";
import { below, type Random } from "../base/random.js";
import { TokenBucket } from "../base/token-bucket.js";
import type { Limits } from "../config.js";
import type { Clock, Meter, NodeId } from "../ports.js";
import type { Entry, OnReply, Request, RequestOf } from "../wire/messages.js";
import type { Recall, Rpc } from "../wire/rpc.js";
import type { Asker } from "./asker.js";
import { type Question, Relayed } from "./relayed.js";

interface RelayHost {
  readonly self: NodeId;
  readonly clock: Clock;
  readonly meter: Meter;
  readonly random: Random;
  readonly limits: Pick<
    Limits,
    "hedgeTokensMax" | "latencyHalfLifeMs" | "relayPeersMin" | "relayPatienceMsMin" | "relayRestMs"
  >;
  readonly ring: { datacenterOf(node: NodeId): string };
  readonly isAlive: (node: NodeId) => boolean;
  /** Runs a step later in this turn; see turn.ts. */
  readonly later: (step: () => void) => void;
}

/** The same question for owners of one datacenter. */
interface Group {
  readonly datacenter: string;
  readonly entries: readonly Entry[];
  readonly questions: Question[];
}

/** Beyond so many times what most answers take, one is late. */
const PATIENCE_FACTOR = 2;
const PATIENCE_SHARE = 0.95;
/** Of the time for an answer: the rest is for asking directly. */
const PATIENCE_OF_TIMEOUT = 1 / 4;
/** Of the writes that go through a relay, so many may be sent to an owner twice. */
const BUDGET_PERCENT = 10;

export class RelayingAsker implements Asker {
  private groups: Group[] = [];
  /** Until when an owner is not chosen. */
  private readonly resting = new Map<NodeId, number>();
  /** How long answers take through a relay, by datacenter. */
  private readonly quantiles = new Map<string, Quantiles>();

  /** Of questions that owners are asked twice. */
  private readonly budget: TokenBucket;

  constructor(
    private readonly host: RelayHost,
    private readonly rpc: Pick<Rpc, "call" | "callThrough">,
  ) {
    this.budget = new TokenBucket(host.limits.hedgeTokensMax);
  }

  call<Kind extends Request["kind"]>(
    to: NodeId,
    request: RequestOf<Kind>,
    timeoutMs: number,
    onReply: OnReply<Kind>,
  ): Recall {
    const asked: Request = request;
    const { self, ring } = this.host;
    const datacenter = ring.datacenterOf(to);
    const isFar = datacenter !== ring.datacenterOf(self);
    if (asked.kind !== "merge" || asked.cause !== "write" || !isFar)
      return this.rpc.call(to, request, timeoutMs, onReply);
    const question = { to, merge: asked, timeoutMs, onReply: onReply as Question["onReply"] };
    this.groupFor(datacenter, asked.entries).questions.push(question);
    // A write is not recalled.
    return () => {};
  }

  private groupFor(datacenter: string, entries: readonly Entry[]): Group {
    const known = this.groups.find((group) => group.datacenter === datacenter && areSame(group.entries, entries));
    if (known !== undefined) return known;
    if (this.groups.length === 0) this.host.later(() => this.release());
    const group = { datacenter, entries, questions: [] };
    this.groups.push(group);
    return group;
  }

  private release(): void {
    const { groups } = this;
    this.groups = [];
    for (const { datacenter, questions } of groups) {
      // Who is down has nobody to answer for it: it is asked as always, and no time is lost on it.
      const living = questions.filter(({ to }) => this.host.isAlive(to));
      const relay = this.relayAmong(living);
      const alone = relay === undefined ? questions : questions.filter((question) => !living.includes(question));
      for (const { to, merge, timeoutMs, onReply } of alone) this.rpc.call(to, merge, timeoutMs, onReply);
      if (relay !== undefined) this.send(datacenter, living, relay);
    }
  }

  /** One that does not rest, and not always the same: it has more to do than the others. */
  private relayAmong(living: readonly Question[]): NodeId | undefined {
    const { clock, limits, random } = this.host;
    if (living.length < limits.relayPeersMin) return undefined;
    const nowMs = clock.nowMs();
    const fit = living.filter(({ to }) => (this.resting.get(to) ?? 0) <= nowMs);
    return fit.length === 0 ? undefined : fit[below(random, fit.length)]?.to;
  }

  private send(datacenter: string, questions: readonly Question[], relay: NodeId): void {
    const { budget } = this;
    const { clock, limits, meter } = this.host;
    budget.earn(BUDGET_PERCENT);
    const quantiles = this.quantiles.get(datacenter) ?? new Quantiles(limits.latencyHalfLifeMs);
    this.quantiles.set(datacenter, quantiles);
    const timeoutMs = Math.max(...questions.map((question) => question.timeoutMs));
    const usualMs = quantiles.quantile(PATIENCE_SHARE) ?? Number.POSITIVE_INFINITY;
    const patienceMs = Math.min(
      timeoutMs * PATIENCE_OF_TIMEOUT,
      Math.max(limits.relayPatienceMsMin, PATIENCE_FACTOR * usualMs),
    );
    const rest = () => this.resting.set(relay, clock.nowMs() + limits.relayRestMs);
    new Relayed(
      { budget, clock, meter, rpc: this.rpc, quantiles, rest },
      relay,
      questions,
      timeoutMs,
      patienceMs,
    ).send();
  }
}

/** The same entries: an owner's question is a list of its own. */
function areSame(some: readonly Entry[], others: readonly Entry[]): boolean {
  return some.length === others.length && some.every((entry, index) => entry === others[index]);
}
