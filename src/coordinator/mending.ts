/**
 * Mending: whoever answered less than what is merged gets it (read repair, Dynamo 5).
 *
 * A client may wait for it, until enough owners hold what it is to be told. A mend
 * may be lost: while somebody waits it is sent again, and to a spare as well.
 */
import type { NodeId } from "../ports.js";
import type { Entry } from "../wire/messages.js";
import type { Inquiry } from "./inquiry.js";
import type { CoordinatorParts } from "./parts.js";
import type { Plan } from "./plan.js";
import type { ReadTally } from "./tally.js";

interface MendingHost {
  readonly parts: CoordinatorParts;
  readonly plan: Plan;
  readonly inquiry: Inquiry;
  readonly tally: ReadTally<unknown>;
  /** What of the merged state this owner is not known to hold. */
  entriesFor(node: NodeId): readonly Entry[];
  /** An owner holds what it was sent. */
  onHeld(): void;
}

export class Mending {
  private readonly mended = new Map<NodeId, unknown>();
  private timerRuns = false;

  constructor(private readonly host: MendingHost) {}

  /** Who was sent something. */
  get nodes(): NodeId[] {
    return [...this.mended.keys()];
  }

  /** Owners that answered less than what is merged get it. */
  mendBehind(): void {
    for (const node of this.host.tally.behind()) this.mend(node);
    if (!this.timerRuns) this.scheduleAgain();
  }

  private scheduleAgain(): void {
    const { parts, plan, inquiry, tally } = this.host;
    if (inquiry.ask.isFinished || !tally.isAnswered() || tally.isEnough()) return;
    this.timerRuns = true;
    inquiry.ask.after(parts.limits.mendSpareAfterMs, () => {
      this.timerRuns = false;
      for (const node of tally.behind()) this.mended.delete(node);
      for (const group of plan.groups) {
        const spare = tally.countHolders(group) < group.needed ? inquiry.spareOf(group) : undefined;
        if (spare !== undefined) this.mend(spare);
      }
      this.mendBehind();
    });
  }

  /** Sends what is merged, with its own stamps. */
  private mend(node: NodeId): void {
    const { parts, inquiry, tally } = this.host;
    const { merged } = tally;
    if (this.mended.get(node) === merged) return;
    this.mended.set(node, merged);
    const entries = this.host.entriesFor(node);
    parts.meter.count("murmur_mends_total", undefined, entries.length);
    inquiry.ask.send(node, { kind: "merge", cause: "mend", entries }, (reply) => {
      const results = reply?.kind === "merge-reply" ? reply.results : [];
      if (results.length < entries.length || results.some(({ status }) => status !== "ok")) return;
      tally.onHeld(
        node,
        merged,
        results.every(({ votes }) => votes),
      );
      this.host.onHeld();
    });
  }
}
