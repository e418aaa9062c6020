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
import { Ask } from "./ask.js";
import { Hedges } from "./hedge.js";
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
  private readonly ask: Ask;
  private readonly hedges: Hedges;
  private readonly pages = new Map<NodeId, ScanPage>();
  private readonly failed = new Set<NodeId>();

  constructor(
    parts: CoordinatorParts,
    private readonly request: ScanRequest,
    private readonly plan: Plan,
    private readonly done: (outcome: ScanOutcome) => void,
  ) {
    this.ask = new Ask(parts, request.deadlineMs, () => this.fail("timeout"));
    this.hedges = new Hedges(parts, this.ask, request.hedge, {
      spareFor: (late) => this.spareFor(late),
      askSpare: (spare) => this.askSpare(spare),
    });
  }

  askFirst(): void {
    const first = this.plan.groups.flatMap(({ owners, needed }) => owners.slice(0, needed));
    for (const { node } of first) this.askOwner(node, "first");
    for (const { node } of first) this.hedges.watch(node);
  }

  private askOwner(node: NodeId, role: "first" | "hedge"): void {
    const { bucket, keysMax, position } = this.request;
    this.ask.ask(node, role, { kind: "scan", bucket, keysMax, positions: [position] }, (reply) =>
      this.onAnswer(node, reply),
    );
  }

  private askSpare(spare: NodeId): void {
    this.askOwner(spare, "hedge");
    this.hedges.watch(spare);
  }

  /** Who may answer in place of an owner: one of its group that was not asked yet. */
  private spareFor(owner: NodeId): NodeId | undefined {
    const group = this.plan.groups.find(({ owners }) => owners.some(({ node }) => node === owner));
    return group?.owners.find(({ node, alive }) => alive && !this.ask.hasAsked(node))?.node;
  }

  private onAnswer(node: NodeId, reply: ScanReply | Refused | undefined): void {
    if (reply === undefined || this.ask.isFinished) return;
    const page = reply.kind === "scan-reply" ? reply.pages[0] : undefined;
    if (page?.votes) this.pages.set(node, page);
    else this.onUncounted(node);
    const { groups } = this.plan;
    if (groups.every((group) => this.countPages(group) >= group.needed)) this.answer();
    else if (!groups.every((group) => this.canAnswer(group))) this.fail("failed");
  }

  private onUncounted(node: NodeId): void {
    this.failed.add(node);
    const spare = this.spareFor(node);
    if (spare !== undefined) this.askSpare(spare);
  }

  private canAnswer(group: Group): boolean {
    const hopeful = group.owners.filter(
      ({ node, alive }) => !this.failed.has(node) && (alive || this.ask.hasAsked(node)),
    );
    return hopeful.length >= group.needed;
  }

  private countPages(group: Group): number {
    return group.owners.filter(({ node }) => this.pages.has(node)).length;
  }

  private answer(): void {
    this.hedges.settle(true);
    this.ask.finish();
    this.done({ ok: true, page: joinPages([...this.pages.values()]) });
  }

  private fail(kind: FailureKind): void {
    this.hedges.settle(false);
    this.ask.finish();
    const { required, alive } = this.plan;
    const received = this.pages.size;
    const silent = `${received} of ${required} owners answered in ${Math.round(this.request.deadlineMs)} ms`;
    const failed = `too many owners could not answer: ${[...this.failed].join(", ")}`;
    const counts = { required, alive, received, mayHaveApplied: false, replicas: this.ask.report() };
    const { level } = this.request;
    this.done({ ok: false, failure: { kind, detail: kind === "failed" ? failed : silent, level, ...counts } });
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
