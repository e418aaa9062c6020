/**
 * The gate of the edge: counts who comes and goes, and how late the node's own timer is (admission.ts decides).
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Limits } from "../config.js";
import type { Meter } from "../ports.js";
import { Admission, BEAT_MS, workOf } from "./admission.js";
import { Problem } from "./problem.js";

/** Whoever was refused comes back at different times. In turn, that is the most even jitter. */
const RETRY_AFTER_SECONDS = [1, 2, 3];
const REFUSALS = RETRY_AFTER_SECONDS.map(
  (seconds) =>
    new Problem("overloaded", "this node has more to do than it can: nothing was done, come back later", [
      "Retry-After",
      String(seconds),
    ]),
);

export class Gate {
  private readonly admission: Admission;
  private readonly beating: NodeJS.Timeout;
  private refused = 0;

  constructor(
    limits: Limits,
    private readonly meter: Meter,
  ) {
    this.admission = new Admission(limits);
    let dueMs = performance.now() + BEAT_MS;
    this.beating = setInterval(() => {
      const nowMs = performance.now();
      this.admission.beat(Math.max(0, nowMs - dueMs));
      dueMs = nowMs + BEAT_MS;
    }, BEAT_MS).unref();
  }

  /** Why the request is not taken on; undefined when it is. */
  refusal(request: IncomingMessage, response: ServerResponse): Problem | undefined {
    const work = workOf(request.method, request.url as string);
    if (work === undefined) return undefined;
    if (this.admission.enter(work)) {
      response.once("close", () => this.admission.leave());
      return undefined;
    }
    this.meter.count("murmur_shed_total", { work, from: "client" });
    return REFUSALS[this.refused++ % REFUSALS.length];
  }

  /** How many were taken on and are not over. */
  get pending(): number {
    return this.admission.atHand;
  }

  close(): void {
    clearInterval(this.beating);
  }
}
