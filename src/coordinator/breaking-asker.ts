/**
 * Asking through a breaker: who is given a rest is not asked, and has refused at once.
 *
 * So a write that would have gone to it becomes a hint, and a read that was planned a
 * moment before finds a spare.
 */
import type { Limits } from "../config.js";
import type { Clock, Meter, NodeId } from "../ports.js";
import {
  type OnReply,
  type Refused,
  type Reply,
  type Request,
  type RequestOf,
  tellsOverload,
} from "../wire/messages.js";
import type { Recall } from "../wire/rpc.js";
import type { Asker } from "./asker.js";
import type { Breaker, Work } from "./breaker.js";

interface BreakingHost {
  readonly self: NodeId;
  readonly clock: Clock;
  readonly meter: Meter;
  readonly limits: Pick<Limits, "breakerPatienceMs">;
  readonly later: (step: () => void) => void;
}

interface Asked {
  readonly work: Work;
  readonly atMs: number;
  readonly timeoutMs: number;
}

const RESTS: Refused = { kind: "refused", reason: "overloaded" };

export class BreakingAsker implements Asker {
  constructor(
    private readonly host: BreakingHost,
    private readonly asker: Asker,
    private readonly breaker: Breaker,
  ) {}

  call<Kind extends Request["kind"]>(
    to: NodeId,
    request: RequestOf<Kind>,
    timeoutMs: number,
    onReply: OnReply<Kind>,
  ): Recall {
    const { self, clock, later } = this.host;
    if (to === self) return this.asker.call(to, request, timeoutMs, onReply);
    if (this.breaker.isOpen(to, clock.nowMs())) {
      later(() => onReply(RESTS));
      return () => {};
    }
    const asked = { work: workOf(request), atMs: clock.nowMs(), timeoutMs };
    return this.asker.call(to, request, timeoutMs, (reply) => {
      this.note(to, asked, reply);
      onReply(reply);
    });
  }

  private note(node: NodeId, { work, atMs, timeoutMs }: Asked, reply: Reply | undefined): void {
    const { clock, meter, limits } = this.host;
    const nowMs = clock.nowMs();
    if (reply !== undefined && !tellsOverload(reply)) {
      if (this.breaker.onAnswered(node, work, nowMs))
        meter.gauge("murmur_breaker_open", this.breaker.isOpen(node, nowMs) ? 1 : 0, { peer: node });
      return;
    }
    // That nobody waited for long says nothing about who was asked.
    if (reply === undefined && timeoutMs < limits.breakerPatienceMs) return;
    if (!this.breaker.onFailed(node, work, reply === undefined ? atMs : nowMs, nowMs)) return;
    meter.count("murmur_breaker_openings_total", { peer: node });
    meter.gauge("murmur_breaker_open", 1, { peer: node });
  }
}

function workOf({ kind }: Pick<Request, "kind">): Work {
  return kind === "merge" || kind === "mint" || kind === "keep-hint" ? "write" : "read";
}
