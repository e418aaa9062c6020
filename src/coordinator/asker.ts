/**
 * Asking with a watch in hand: every read and scan of a peer is timed to its end.
 *
 * A question may be recalled when its answer is of no more use. That costs a frame, so it is
 * done to peers that are overdue: what waits there, unread, need not be done any more.
 */
import type { Clock, Meter, NodeId } from "../ports.js";
import type { OnReply, Request, RequestOf } from "../wire/messages.js";
import type { Recall, Rpc } from "../wire/rpc.js";
import type { Latencies } from "./latency.js";

/** Who sends questions: wire/rpc.ts, or something in front of it. */
export type Asker = Pick<Rpc, "call">;

export interface TimedHost {
  readonly self: NodeId;
  readonly clock: Clock;
  readonly meter: Meter;
}

export class TimedAsker implements Asker {
  constructor(
    private readonly host: TimedHost,
    private readonly asker: Asker,
    private readonly latencies: Latencies,
  ) {}

  call<Kind extends Request["kind"]>(
    to: NodeId,
    request: RequestOf<Kind>,
    timeoutMs: number,
    onReply: OnReply<Kind>,
  ): Recall {
    // Asking oneself takes no time, and a write waits for the disk.
    const isTimed = isReading(request) && to !== this.host.self;
    if (!isTimed) return this.asker.call(to, request, timeoutMs, onReply);
    const { clock, meter } = this.host;
    const question = this.latencies.onAsked(to, clock.nowMs());
    const recall = this.asker.call(to, request, timeoutMs, (reply) => {
      if (reply === undefined) this.latencies.onLost(question, clock.nowMs());
      else if (reply.kind === "refused") this.latencies.onRefused(question, clock.nowMs());
      else meter.time("murmur_peer_seconds", this.latencies.onAnswered(question, clock.nowMs()), { peer: to });
      onReply(reply);
    });
    return () => {
      question.recalledAtAgeMs ??= clock.nowMs() - question.askedMs;
      recall();
    };
  }
}

function isReading({ kind }: Request): boolean {
  return kind === "read" || kind === "scan" || kind === "range";
}
