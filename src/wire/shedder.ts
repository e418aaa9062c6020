/**
 * What a node that is late does not do for its peers, and in which order
 * (FAULTS: scans first, then what repairs, then reads, then writes, control never).
 *
 * A question is looked at before it is worked on. Whoever asked it may have given
 * up while it waited here: then the work would be done for nobody, and those
 * behind it would wait for that. A refusal is cheap and comes at once, so that its asker can turn to another
 * owner; silence would cost it its deadline.
 */
import type { Limits } from "../config.js";
import type { Meter } from "../ports.js";
import type { Lag } from "./lag.js";
import { laneOf } from "./lane.js";
import type { Refused, Request } from "./messages.js";

type Work = "control" | "write" | "read" | "repair" | "scan";

/** So many times `shedLagMs` late, a node does such work no more. */
const LAG_FACTOR: Readonly<Record<Work, number>> = {
  scan: 1,
  repair: 2,
  read: 3,
  write: 4,
  control: Number.POSITIVE_INFINITY,
};

export class Shedder {
  constructor(
    private readonly lag: Pick<Lag, "overdueMs" | "standingMs">,
    private readonly limits: Pick<Limits, "shedLagMs">,
    private readonly meter: Meter,
  ) {}

  /** Why a peer's question, whose asker waits for so much longer, is not worked on; undefined when it is. */
  refusal(request: Request, remainingMs: number): Refused["reason"] | undefined {
    const work = workOf(request);
    if (work !== "control" && remainingMs <= this.lag.overdueMs) {
      this.meter.count("murmur_expired_total", { work });
      return "expired";
    }
    if (this.lag.standingMs <= this.limits.shedLagMs * LAG_FACTOR[work]) return undefined;
    this.meter.count("murmur_shed_total", { work, from: "peer" });
    return "overloaded";
  }
}

function workOf(request: Request): Work {
  if (laneOf(request, 0) === "control") return "control";
  if (request.kind === "read") return "read";
  if (request.kind === "scan" || request.kind === "range") return "scan";
  if (request.kind === "mint") return "write";
  return request.kind === "merge" && (request.cause === "write" || request.cause === "mend") ? "write" : "repair";
}
