/**
 * One operation on a key, from the call to its result: the one effectful loop
 * of the client. Choose a node, ask, and then: answer; or ask a second one that
 * is not late; or wait and try again; or give up, saying what may have happened.
 *
 * It ends exactly once, at its deadline at the latest. Requests that lost the
 * race are followed to that deadline and no longer: what they tell of their
 * node is worth more than their connection.
 */
import type { TokenBucket } from "../base/token-bucket.js";
import type { Endpoint, Flight } from "./endpoint.js";
import { ClosedError, errorOf, type MurmurError, TimeoutError } from "./errors.js";
import type { Fleet } from "./fleet.js";
import type { Learner } from "./learner.js";
import type { ClientLimits } from "./limits.js";
import type { NodeLimits } from "./node-limits.js";
import type { Abort } from "./options.js";
import type { HttpAnswer, HttpOutcome } from "./pool.js";
import { failureOf, type Told } from "./problem.js";
import { backoffMs, restMsAfter, verdictOn } from "./retry.js";
import type { ClientWorld } from "./world.js";

export interface Parts {
  readonly fleet: Fleet;
  readonly learner: Learner;
  readonly limits: ClientLimits;
  readonly nodeLimits: NodeLimits;
  readonly world: ClientWorld;
  readonly retries: TokenBucket;
  readonly hedges: TokenBucket;
}

export interface KeyRequest {
  readonly method: "GET" | "PUT" | "DELETE" | "POST";
  readonly path: string;
  /** Ends in "?" or "&": timeout is written behind it. */
  readonly query: string;
  readonly headers: readonly string[];
  readonly body: Uint8Array | undefined;
  readonly owners: readonly Endpoint[];
  readonly timeoutMs: number;
  /** Whether a second coordinator may be asked. */
  readonly mayHedge: boolean;
  /** A write that has a name: what of it is unknown may be asked for again. */
  readonly countsOnce: boolean;
  readonly signal: Abort | undefined;
}

/** How it ended. `node` is the address that answered. */
export interface Tell {
  onAnswer(answer: HttpAnswer, node: string): void;
  onFailed(reason: unknown): void;
}

export class Operation {
  private readonly deadlineMs: number;
  private readonly isWrite: boolean;
  private readonly tried: Endpoint[] = [];
  private readonly underWay = new Set<Flight>();
  private retries = 0;
  /** What the node that was asked last was given of the time. */
  private nodeMs = 0;
  private isOver = false;
  /** An attempt that is over may have been applied: nothing that a later one meets makes it undone. */
  private isUnknown = false;
  private lastError: MurmurError | undefined;
  private cancelDeadline: () => void = nothing;
  private cancelWait: (() => void) | undefined;
  private cancelHedge: (() => void) | undefined;

  constructor(
    private readonly parts: Parts,
    private readonly request: KeyRequest,
    private readonly tell: Tell,
  ) {
    this.isWrite = request.method !== "GET";
    this.deadlineMs = parts.world.nowMs() + request.timeoutMs;
  }

  begin(): void {
    const { limits, world, retries, hedges } = this.parts;
    const { timeoutMs, signal, mayHedge } = this.request;
    this.cancelDeadline = world.after(timeoutMs, () => this.onDeadline());
    signal?.addEventListener("abort", this.onAbort);
    retries.earn(limits.retryPercent);
    if (mayHedge) hedges.earn(limits.hedgePercent);
    this.attempt();
  }

  /** The client is closed: what is under way ends here. */
  close(): void {
    const wasSent = this.dropFlights();
    const mayHaveApplied = this.isUnknown || (this.isWrite && wasSent);
    const facts = { code: "closed", detail: "the client was closed meanwhile", mayHaveApplied };
    this.end(() => this.tell.onFailed(new ClosedError(facts)));
  }

  private attempt(): void {
    const { fleet, world } = this.parts;
    const endpoint = fleet.choose(this.request.owners, this.tried);
    const restMs = endpoint.restMs(world.nowMs());
    if (restMs > 0 && this.tried.includes(endpoint)) return this.retryAfter(restMs);
    this.send(endpoint);
    if (this.request.mayHedge) this.awaitSilence(endpoint);
  }

  private send(endpoint: Endpoint): void {
    const { nodeLimits, world } = this.parts;
    const { method, path, query, headers, body } = this.request;
    this.nodeMs = nodeLimits.timeoutMs(this.deadlineMs - world.nowMs());
    const target = `${path}${query}timeout=${this.nodeMs}ms`;
    this.tried.push(endpoint);
    const question = { method, path: target, headers, body };
    const flight = endpoint.send(question, (outcome) => this.onOutcome(flight, outcome));
    this.underWay.add(flight);
  }

  /**
   * A second coordinator is asked once, when the first is silent for longer than usual. It may hedge as well: the
   * silent node is likely to be among the replicas that it asks. Either layer has a budget of its own.
   */
  private awaitSilence(endpoint: Endpoint): void {
    const { fleet, world } = this.parts;
    const askedMs = world.nowMs();
    const patienceMs = fleet.patienceMs(endpoint, askedMs);
    this.cancelHedge = world.after(patienceMs, () => {
      // Late ourselves: the answer may lie unread, and says nothing about the node.
      if (world.nowMs() - askedMs > 2 * patienceMs) world.soon(() => this.hedge());
      else this.hedge();
    });
  }

  private hedge(): void {
    if (this.isOver || this.underWay.size !== 1) return;
    for (const flight of this.underWay) flight.callLate();
    const { fleet, hedges } = this.parts;
    const spare = fleet.spare(this.request.owners, this.tried);
    if (spare !== undefined && hedges.spend()) this.send(spare);
  }

  private onOutcome(flight: Flight, outcome: HttpOutcome): void {
    this.underWay.delete(flight);
    if (this.isOver) {
      if (this.underWay.size === 0) this.cancelDeadline();
      return;
    }
    const { url } = flight.endpoint;
    if (isGood(outcome)) this.end(() => this.tell.onAnswer(outcome, url));
    else this.onFailure(flight.endpoint, failureOf(outcome, this.isWrite, url), outcome);
  }

  private onFailure(endpoint: Endpoint, failure: Told, outcome: HttpOutcome): void {
    const { learner, limits, nodeLimits, world, retries } = this.parts;
    this.isUnknown ||= failure.mayHaveApplied;
    this.lastError = errorOf({ ...failure, mayHaveApplied: this.isUnknown });
    endpoint.rest(world.nowMs(), restMsAfter(failure, limits));
    learner.hurry();
    if (failure.limits !== undefined) nodeLimits.onTold(failure.limits);
    // The other one may still answer.
    if (this.underWay.size > 0) return;
    this.cancelHedge?.();
    const verdict = verdictOn(failure, outcome.kind === "broken" && !outcome.wasSent, this.request.countsOnce);
    if (this.tried.length >= limits.attemptsMax) return this.fail();
    if (failure.limits !== undefined && nodeLimits.isTooLong(this.nodeMs)) return this.attempt();
    if (verdict === "never") return this.fail();
    if (verdict === "free" && this.parts.fleet.spare(this.request.owners, this.tried) !== undefined)
      return this.attempt();
    if (verdict === "budget" && !retries.spend()) return this.fail();
    this.retryAfter(backoffMs(this.retries++, limits, world.random));
  }

  private retryAfter(delayMs: number): void {
    const { world } = this.parts;
    if (world.nowMs() + delayMs >= this.deadlineMs) return this.fail();
    this.cancelWait = world.after(delayMs, () => this.attempt());
  }

  private fail(): void {
    this.end(() => this.tell.onFailed(this.lastError));
  }

  /** What has already arrived is read first: a process that slept must not take its own sleep for silence. */
  private onDeadline(): void {
    this.parts.world.soon(() => {
      let wasSent = false;
      for (const flight of this.underWay) wasSent = flight.expire() || wasSent;
      this.underWay.clear();
      if (this.isOver) return;
      const detail = `no answer within ${this.request.timeoutMs} ms`;
      const [last] = this.tried.slice(-1);
      const mayHaveApplied = this.isUnknown || (this.isWrite && wasSent);
      const facts = { code: "timeout", detail, mayHaveApplied, node: last?.url, cause: this.lastError };
      this.end(() => this.tell.onFailed(new TimeoutError(facts)));
    });
  }

  private readonly onAbort = (): void => {
    this.dropFlights();
    this.end(() => this.tell.onFailed(this.request.signal?.reason));
  };

  /** Returns whether any of it can have reached a node. */
  private dropFlights(): boolean {
    let wasSent = false;
    for (const flight of this.underWay) wasSent = flight.drop() || wasSent;
    this.underWay.clear();
    return wasSent;
  }

  private end(tell: () => void): void {
    if (this.isOver) return;
    this.isOver = true;
    this.cancelWait?.();
    this.cancelHedge?.();
    this.request.signal?.removeEventListener("abort", this.onAbort);
    if (this.underWay.size === 0) this.cancelDeadline();
    tell();
  }
}

function nothing(): void {}

/** A value, several, none, or a write done: anything that is told to the caller as it is. */
function isGood(outcome: HttpOutcome): outcome is HttpAnswer {
  if (outcome.kind === "broken") return false;
  const { status, headers } = outcome;
  return (
    (status === 200 || status === 204 || status === 300 || status === 404) && headers["murmur-context"] !== undefined
  );
}
