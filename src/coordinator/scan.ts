/**
 * Scan: one page of a bucket's keys in one partition, at a level.
 *
 * The same skeleton as a read: plan, ask `needed` owners, a spare for whoever is
 * late, answer, fail. Pages are put together cell by cell and cut where the
 * shortest of them ends, because behind it somebody has not looked. What the
 * owners agree on, by digest, is what a read of that key would find; on what
 * they differ about, only a read can tell, and it mends on the way (list.ts).
 */
import { bytesToMapKey, compareBytes, equalBytes } from "../base/bytes.js";
import type { Hedge } from "../cluster-config.js";
import type { Level } from "../config.js";
import type { NodeId } from "../ports.js";
import type { Refused, ScanPage, ScanReply } from "../wire/messages.js";
import type { Ask } from "./ask.js";
import { Inquiry } from "./inquiry.js";
import type { Failure, FailureKind } from "./outcome.js";
import { type CoordinatorParts, ownersAt, refusedUnsent } from "./parts.js";
import { type Group, type Plan, planFor } from "./plan.js";

export interface ScanRequest {
  readonly bucket: string;
  /** The page goes from here to the end of this partition at most. */
  readonly position: Uint8Array;
  readonly keysMax: number;
  readonly level: Level;
  readonly deadlineMs: number;
  readonly hedge: Hedge;
}

export interface Candidate {
  readonly row: Uint8Array;
  /** Every page that counts has it, with one digest: it lives. */
  readonly isAgreed: boolean;
}

export interface JoinedPage {
  /** In the order of rows. */
  readonly candidates: readonly Candidate[];
  /** Where the pages end; undefined: with the partition. */
  readonly next: Uint8Array | undefined;
  /** The most that one owner looked at. */
  readonly rowsSeen: number;
}

export type ScanOutcome =
  | { readonly ok: true; readonly page: JoinedPage }
  | { readonly ok: false; readonly failure: Failure };

/** Scans one partition; `done` comes exactly once. */
export function scan(parts: CoordinatorParts, request: ScanRequest, done: (outcome: ScanOutcome) => void): void {
  const here = { self: parts.self, datacenter: parts.ring.datacenterOf(parts.self) };
  const plan = planFor(request.level, ownersAt(parts, request.position), here);
  if (plan.ok) new ScanPath(parts, request, plan, done).askFirst();
  else done({ ok: false, failure: refusedUnsent(plan.kind, request.level, plan.detail, plan) });
}

class ScanPath {
  private readonly inquiry: Inquiry;
  private readonly ask: Ask;
  private readonly pages = new Map<NodeId, ScanPage>();

  constructor(
    parts: CoordinatorParts,
    private readonly request: ScanRequest,
    private readonly plan: Plan,
    private readonly done: (outcome: ScanOutcome) => void,
  ) {
    this.inquiry = new Inquiry(parts, request, plan, {
      askOwner: (node, role) => this.askOwner(node, role),
      onDeadline: () => this.fail("timeout"),
    });
    this.ask = this.inquiry.ask;
  }

  askFirst(): void {
    this.inquiry.askFirst();
  }

  private askOwner(node: NodeId, role: "first" | "hedge"): void {
    const { bucket, keysMax, position } = this.request;
    this.ask.ask(node, role, { kind: "scan", bucket, keysMax, positions: [position] }, (reply) =>
      this.onAnswer(node, reply),
    );
  }

  private onAnswer(node: NodeId, reply: ScanReply | Refused | undefined): void {
    if (reply === undefined || this.ask.isFinished) return;
    const page = reply.kind === "scan-reply" ? reply.pages[0] : undefined;
    if (page?.votes) this.pages.set(node, page);
    else this.inquiry.onUncounted(node, reply);
    const { groups } = this.plan;
    if (groups.every((group) => this.countPages(group) >= group.needed)) this.answer();
    else if (!this.inquiry.hasHope) this.fail(this.inquiry.failedKind);
  }

  private countPages(group: Group): number {
    return group.owners.filter(({ node }) => this.pages.has(node)).length;
  }

  private answer(): void {
    this.inquiry.finish(true);
    this.done({ ok: true, page: joinPages([...this.pages.values()]) });
  }

  private fail(kind: FailureKind): void {
    this.inquiry.finish(false);
    const { required, alive } = this.plan;
    const received = this.pages.size;
    const silent = `${received} of ${required} owners answered in ${Math.round(this.request.deadlineMs)} ms`;
    const counts = { required, alive, received, mayHaveApplied: false, replicas: this.ask.report() };
    const { level } = this.request;
    this.done({
      ok: false,
      failure: { kind, detail: kind === "timeout" ? silent : this.inquiry.failedText, level, ...counts },
    });
  }
}

/** The pages of several owners from one position as one. */
export function joinPages(pages: readonly ScanPage[]): JoinedPage {
  const next = pages
    .map((page) => page.next)
    .reduce(
      (least, each) => (least === undefined || (each && compareBytes(each, least) < 0) ? each : least),
      undefined,
    );
  const votes = new Map<string, { row: Uint8Array; digest: Uint8Array | undefined; count: number }>();
  for (const { row, digest } of pages.flatMap((page) => page.keys)) {
    if (next !== undefined && compareBytes(row, next) >= 0) continue;
    const mapKey = bytesToMapKey(row);
    const known = votes.get(mapKey);
    if (known === undefined) votes.set(mapKey, { row, digest, count: digest === undefined ? 0 : 1 });
    else if (digest !== undefined && known.digest !== undefined && equalBytes(digest, known.digest)) known.count++;
  }
  const candidates = [...votes.values()]
    .map(({ row, count }) => ({ row, isAgreed: count === pages.length }))
    .sort((a, b) => compareBytes(a.row, b.row));
  return { candidates, next, rowsSeen: Math.max(...pages.map((page) => page.rowsSeen)) };
}
