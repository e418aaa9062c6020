/**
 * One node as a client sees it: its connections, how long it usually takes,
 * what it has not answered yet, and whether it is asked at all.
 *
 * A request is followed to its end even when another node has answered in its
 * place: as long as it is unanswered the node is overdue and others are asked,
 * and its answer, when it comes, says how late it was.
 */
import { Quantiles } from "../base/quantile.js";
import { Breaker } from "./breaker.js";
import type { ClientLimits } from "./limits.js";
import { type HttpOutcome, type HttpQuestion, Pool, type Sent } from "./pool.js";
import type { ClientWorld } from "./world.js";

/** How fit a node is to be asked, the best first. */
export const STANDING = { ready: 0, overdue: 1, resting: 2, out: 3 } as const;
export type Standing = (typeof STANDING)[keyof typeof STANDING];

/** One request on its way to a node. */
export interface Flight {
  readonly endpoint: Endpoint;
  readonly startedMs: number;
  /** Whoever sent it waits for it no longer alone: until it ends its node is overdue. */
  callLate(): void;
  /** Gives it up because its time is over and nothing came. Returns whether any of it can have reached the node. */
  expire(): boolean;
  /** The same, because nobody wants it any more. */
  drop(): boolean;
}

/** What the hundredth request takes, or the thousandth: more than that is late. */
const LATE_SHARE = 0.99;
/** Walking through the estimator takes a microsecond: too long for every request. */
const ESTIMATE_LIFE_MS = 50;

export class Endpoint {
  private readonly breaker: Breaker;
  private readonly pool: Pool;
  private readonly latency: Quantiles;
  /** In the order of departure: the first is the oldest. */
  private readonly flights = new Set<Flight>();
  /** Of those, the ones called late. */
  private readonly late = new Set<Flight>();
  private usualMs: number | undefined;
  private usualUntilMs = 0;
  private restUntilMs = 0;

  constructor(
    readonly url: string,
    private readonly world: ClientWorld,
    private readonly limits: ClientLimits,
  ) {
    this.breaker = new Breaker(limits, world.random);
    this.latency = new Quantiles(limits.latencyHalfLifeMs);
    this.pool = new Pool(url, limits, () => this.breaker.open(world.nowMs()));
  }

  standing(nowMs: number): Standing {
    if (this.breaker.state !== "closed") return STANDING.out;
    if (nowMs < this.restUntilMs) return STANDING.resting;
    const isOverdue = this.late.size > 0 || this.oldestAgeMs(nowMs) > this.lateAfterMs(nowMs);
    return isOverdue ? STANDING.overdue : STANDING.ready;
  }

  /** How long it wants to be left alone. */
  restMs(nowMs: number): number {
    return Math.max(0, this.restUntilMs - nowMs);
  }

  rest(nowMs: number, forMs: number): void {
    this.restUntilMs = Math.max(this.restUntilMs, nowMs + forMs);
  }

  /** Its own 99th percentile; undefined while too little was seen. */
  usual(nowMs: number): number | undefined {
    if (nowMs >= this.usualUntilMs) {
      this.usualMs = this.latency.quantile(LATE_SHARE);
      this.usualUntilMs = nowMs + ESTIMATE_LIFE_MS;
    }
    return this.usualMs;
  }

  /** A request unanswered for longer is late. */
  lateAfterMs(nowMs: number): number {
    const { hedgeMsMin, hedgeMsMax, hedgeUnmeasuredMs } = this.limits;
    return Math.min(hedgeMsMax, Math.max(hedgeMsMin, this.usual(nowMs) ?? hedgeUnmeasuredMs));
  }

  send(question: HttpQuestion, done: (outcome: HttpOutcome) => void): Flight {
    const onLate = () => this.flights.has(flight) && this.late.add(flight);
    const flight = new PendingFlight(this, this.world.nowMs(), onLate, (ending) => this.onEnded(flight, ending));
    this.flights.add(flight);
    flight.sent = this.pool.send(question, (outcome) => {
      this.onOutcome(flight, outcome);
      done(outcome);
    });
    return flight;
  }

  /** What the end of a request says of the node: also of one that did not go over these connections (rest.ts). */
  judge(ending: Ending): void {
    const nowMs = this.world.nowMs();
    if (ending.kind === "answer") {
      if (isLeaving(ending)) this.breaker.open(nowMs);
      else this.breaker.onAnswered();
    } else if (ending.kind === "silent") {
      if (ending.ageMs > this.lateAfterMs(nowMs)) this.breaker.open(nowMs);
    } else if (ending.wasSent) this.breaker.onBroken(nowMs);
    else this.breaker.open(nowMs);
  }

  /** Asks in the background whether a node that is out is ready again, when it is time to. */
  probe(nowMs: number): void {
    if (!this.breaker.takeProbe(nowMs)) return;
    const onFailed = () => this.breaker.onProbeFailed(this.world.nowMs());
    const sent = this.pool.send(
      PROBE,
      (outcome) => {
        cancel();
        if (outcome.kind === "answer" && outcome.status === 200) this.breaker.onAnswered();
        else onFailed();
      },
      true,
    );
    const cancel = this.world.afterIdle(this.limits.probeTimeoutMs, () => {
      sent.destroy();
      onFailed();
    });
  }

  retire(): void {
    this.pool.retire();
  }

  destroy(): void {
    this.pool.destroy();
  }

  private onOutcome(flight: Flight, outcome: HttpOutcome): void {
    const nowMs = this.world.nowMs();
    const ageMs = nowMs - flight.startedMs;
    this.forget(flight);
    if (outcome.kind === "broken") this.latency.recordCensored(ageMs, nowMs);
    else this.latency.record(ageMs, nowMs);
    this.judge(outcome);
  }

  private onEnded(flight: Flight, ending: "expired" | "dropped"): void {
    if (!this.forget(flight)) return;
    const nowMs = this.world.nowMs();
    const ageMs = nowMs - flight.startedMs;
    this.latency.recordCensored(ageMs, nowMs);
    if (ending === "expired") this.judge({ kind: "silent", ageMs });
  }

  /** Returns whether it was still under way. */
  private forget(flight: Flight): boolean {
    this.late.delete(flight);
    return this.flights.delete(flight);
  }

  private oldestAgeMs(nowMs: number): number {
    for (const oldest of this.flights) return nowMs - oldest.startedMs;
    return 0;
  }
}

interface AnswerHead {
  readonly status: number;
  readonly headers: { readonly connection?: string | undefined };
}

/** How a request ended. silent: its time was over after so long. */
type Ending =
  | ({ readonly kind: "answer" } & AnswerHead)
  | { readonly kind: "broken"; readonly wasSent: boolean }
  | { readonly kind: "silent"; readonly ageMs: number };

/** A node that stops ends its connections: behind an answer, or with the word for it. */
function isLeaving({ status, headers }: AnswerHead): boolean {
  return headers.connection === "close" && (status < 400 || status === 404 || status === 503);
}

const PROBE: HttpQuestion = {
  method: "GET",
  path: "/health/ready",
  headers: [],
  body: undefined,
};

class PendingFlight implements Flight {
  sent: Sent | undefined;

  constructor(
    readonly endpoint: Endpoint,
    readonly startedMs: number,
    readonly callLate: () => void,
    private readonly onEnded: (ending: "expired" | "dropped") => void,
  ) {}

  expire(): boolean {
    this.onEnded("expired");
    return this.sent?.destroy() ?? false;
  }

  drop(): boolean {
    this.onEnded("dropped");
    return this.sent?.destroy() ?? false;
  }
}
