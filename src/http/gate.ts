/**
 * The gate of the edge: counts who comes and goes, and how much rest the event loop has; admission.ts decides who is
 * taken on, refusals.ts when the others hear of it.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Limits } from "../config.js";
import type { Meter } from "../ports.js";
import { Admission, BEAT_MS, PENDING_LEAST, type Work, workOf } from "./admission.js";
import { Problem } from "./problem.js";
import { holdMsOf, Refusals } from "./refusals.js";

/** Whoever was refused comes back at different times. In turn, that is the most even jitter. */
const RETRY_AFTER_SECONDS = [1, 2, 3];
const REFUSALS = RETRY_AFTER_SECONDS.map(
  (seconds) =>
    new Problem("overloaded", "this node has more to do than it can: nothing was done, come back later", [
      "Retry-After",
      String(seconds),
    ]),
);

/** With so many requests at hand, the next one may have lain unread for long. */
const PENDING_MANY = PENDING_LEAST / 2;

export class Gate {
  private readonly admission: Admission;
  private readonly refusals: Refusals;
  private readonly beating: NodeJS.Timeout;
  private refused = 0;
  private served = 0;
  private beatenMs = performance.now();
  private used = performance.eventLoopUtilization();

  constructor(
    private readonly limits: Limits,
    private readonly meter: Meter,
  ) {
    this.admission = new Admission(limits);
    this.refusals = new Refusals(limits);
    this.beating = setInterval(() => this.beat(), BEAT_MS).unref();
  }

  /** Calls one of both, now or a little later; neither when the client has left before that. */
  admit(
    request: IncomingMessage,
    response: ServerResponse,
    serve: () => void,
    refuse: (problem: Problem) => void,
  ): void {
    const work = workOf(request.method, request.url as string);
    if (work === undefined) return serve();
    if (!this.admission.enter(work)) return this.refuse(request, work, refuse);
    response.once("close", () => {
      this.admission.leave();
      this.served++;
    });
    if (this.admission.atHand < PENDING_MANY) return serve();
    const { socket } = request;
    afterNextPoll(() => {
      if (!socket.writableEnded && !socket.destroyed) serve();
    });
  }

  private refuse(request: IncomingMessage, work: Work, refuse: (problem: Problem) => void): void {
    this.meter.count("murmur_shed_total", { work, from: "client" });
    const problem = REFUSALS[this.refused++ % REFUSALS.length] as Problem;
    const holdMs = holdMsOf(request.url as string, request.headers, this.limits);
    this.refusals.add(performance.now(), holdMs, () => refuse(problem));
  }

  /** How many were taken on and are not over. */
  get pending(): number {
    return this.admission.atHand;
  }

  close(): void {
    clearInterval(this.beating);
    this.refusals.close();
  }

  private beat(): void {
    const nowMs = performance.now();
    const used = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(used, this.used);
    this.admission.beat(nowMs - this.beatenMs, utilization);
    this.refusals.beat(nowMs, this.served);
    [this.beatenMs, this.used, this.served] = [nowMs, used, 0];
  }
}

/**
 * When all sockets were looked at once more. A request that lay unread for long may be of a client that has given up:
 * the end of its connection is read behind it, and to serve it would make those late who still wait.
 */
function afterNextPoll(work: () => void): void {
  setImmediate(() => setImmediate(work));
}
