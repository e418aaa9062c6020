/**
 * Range page: one page of a key's cells, read at a level.
 *
 * A read of many cells at once: the same skeleton (plan, ask, tally, answer,
 * linger, mend, fail), with the row of the bucket's lattice for its state. Owners' pages
 * end where each has enough, so the page of the whole is cut where the
 * shortest of those that count ends: behind it somebody has not looked. The cut
 * is made once, when every group has the answers that it needs; what comes later is
 * judged by what it says of the cells before the cut.
 */
import { bytesToMapKey, compareBytes, equalBytes } from "../base/bytes.js";
import type { Hedge } from "../cluster-config.js";
import type { Level } from "../config.js";
import type { AnyLattice } from "../lattice/registry.js";
import { type Row, type RowLattice, rowOf } from "../lattice/row.js";
import type { NodeId } from "../ports.js";
import { Birth } from "../replica/carriers.js";
import { rowWithSort, sortOfRow } from "../replica/rows.js";
import type { Entry, Refused } from "../wire/messages.js";
import type { RangePage, RangeReply, Span } from "../wire/range-messages.js";
import type { Ask } from "./ask.js";
import { Inquiry } from "./inquiry.js";
import { Mending } from "./mending.js";
import type { Asked, Failure, FailureKind } from "./outcome.js";
import { type CoordinatorParts, ownersAt, refusedUnsent } from "./parts.js";
import { type Plan, planFor } from "./plan.js";
import { ReadTally } from "./tally.js";

export interface RangePageRequest {
  readonly bucket: string;
  readonly span: Span;
  readonly cellsMax: number;
  readonly level: Level;
  readonly deadlineMs: number;
  readonly hedge: Hedge;
  readonly mend: boolean;
}

export type RangePageOutcome =
  | {
      readonly ok: true;
      /** The dead among them. */
      readonly cells: Row<unknown>;
      /** All before this position is in `cells`; undefined: all of the span. */
      readonly next: Uint8Array | undefined;
      readonly replicas: readonly Asked[];
      readonly mended: readonly NodeId[];
    }
  | { readonly ok: false; readonly failure: Failure };

/** Reads one page; `done` comes exactly once. */
export function rangePage(
  parts: CoordinatorParts,
  request: RangePageRequest,
  done: (outcome: RangePageOutcome) => void,
): void {
  const here = { self: parts.self, datacenter: parts.ring.datacenterOf(parts.self) };
  const plan = planFor(request.level, ownersAt(parts, request.span.from), here);
  if (plan.ok) new RangePagePath(parts, request, plan, done).askFirst();
  else done({ ok: false, failure: refusedUnsent(plan.kind, request.level, plan.detail, plan) });
}

/** What an owner answered: its cells up to `next`, or to the end of the span. */
interface Answer {
  readonly cells: Row<unknown>;
  readonly next: Uint8Array | undefined;
  readonly votes: boolean;
}

class RangePagePath {
  private readonly cellLattice: AnyLattice;
  private readonly lattice: RowLattice<unknown>;
  private readonly tally: ReadTally<Row<unknown>>;
  private readonly inquiry: Inquiry;
  private readonly ask: Ask;
  private readonly mending: Mending;
  private readonly birth: Birth;
  private readonly answers = new Map<NodeId, Answer>();
  /** The pages seen, with their bytes: equal answers are decoded once, and known to be equal by identity. */
  private readonly seen: Array<{ bytes: Uint8Array; cells: Row<unknown> }> = [];
  private isCut = false;
  private cut: Uint8Array | undefined;

  constructor(
    private readonly parts: CoordinatorParts,
    private readonly request: RangePageRequest,
    private readonly plan: Plan,
    private readonly done: (outcome: RangePageOutcome) => void,
  ) {
    this.cellLattice = parts.latticeOf(request.bucket);
    this.lattice = rowOf(this.cellLattice);
    this.birth = new Birth(parts.carriers, this.cellLattice);
    this.tally = new ReadTally(this.lattice, plan.groups);
    this.inquiry = new Inquiry(parts, request, plan, {
      askOwner: (node, role) => this.askOwner(node, role),
      onDeadline: () => this.fail("timeout"),
    });
    this.ask = this.inquiry.ask;
    this.mending = new Mending({
      ...{ parts, plan, inquiry: this.inquiry, tally: this.tally },
      entriesFor: (node) => this.entriesFor(node),
      onHeld: () => this.decide(),
    });
  }

  askFirst(): void {
    this.inquiry.askFirst();
  }

  private askOwner(node: NodeId, role: "first" | "hedge"): void {
    const { span, cellsMax } = this.request;
    this.ask.ask(node, role, { kind: "range", cellsMax, spans: [span] }, (reply) => this.onAnswer(node, reply));
  }

  private onAnswer(node: NodeId, reply: RangeReply | Refused | undefined): void {
    // Whoever is silent to the end is told of by the deadline.
    if (reply === undefined) return;
    const page = reply.kind === "range-reply" ? reply.pages[0] : undefined;
    if (page !== undefined) this.take(node, page);
    if (!page?.votes) this.onUncounted(node, reply, page);
    if (this.isCut && this.request.mend) this.mending.mendBehind();
    this.decide();
  }

  private take(node: NodeId, page: RangePage): void {
    const answer = { cells: this.cellsIn(page), next: page.next, votes: page.votes };
    this.answers.set(node, answer);
    if (this.isCut) this.count(node, answer);
    else if (this.plan.groups.every(({ owners, needed }) => this.countPages(owners) >= needed)) this.makeCut();
  }

  private onUncounted(node: NodeId, reply: RangeReply | Refused, page: RangePage | undefined): void {
    if (page?.state === undefined) this.ask.note(node, "failed");
    else this.parts.meter.count("murmur_uncounted_answers_total");
    this.inquiry.onUncounted(node, reply);
  }

  private countPages(owners: readonly { readonly node: NodeId }[]): number {
    return owners.filter(({ node }) => this.answers.get(node)?.votes).length;
  }

  private makeCut(): void {
    this.isCut = true;
    for (const { votes, next } of this.answers.values()) {
      if (votes && isBefore(next, this.cut)) this.cut = next;
    }
    for (const [node, answer] of this.answers) this.count(node, answer);
  }

  /** Who answers later, and did not look as far as the cut, may be sent what it has. */
  private count(node: NodeId, { cells, votes }: Answer): void {
    const { cut } = this;
    const sortMax = cut === undefined ? undefined : sortOfRow(cut);
    const before = sortMax === undefined ? cells : cells.filter(({ sort }) => compareBytes(sort, sortMax) < 0);
    this.tally.onAnswered(node, before.length === cells.length ? cells : before, votes);
  }

  private decide(): void {
    if (this.ask.isFinished) return;
    const { tally } = this;
    if (this.isCut && (this.request.mend ? tally.isEnough() : tally.isAnswered())) this.answer();
    else if (!this.inquiry.hasHope) this.fail(this.inquiry.failedKind);
  }

  private answer(): void {
    this.noteStates();
    this.inquiry.finish(true);
    const [replicas, mended] = [this.ask.report(), this.mending.nodes];
    this.done({ ok: true, cells: this.tally.merged, next: this.cut, replicas, mended });
  }

  private fail(kind: FailureKind): void {
    this.noteStates();
    this.inquiry.finish(false);
    const { required, alive, groups } = this.plan;
    const received = groups.reduce((sum, { owners }) => sum + this.countPages(owners), 0);
    const silent = `${received} of ${required} owners answered in ${Math.round(this.request.deadlineMs)} ms`;
    const detail = kind === "timeout" ? silent : this.inquiry.failedText;
    const counts = { required, alive, received, mayHaveApplied: false, replicas: this.ask.report() };
    this.done({ ok: false, failure: { kind, detail, level: this.request.level, ...counts } });
  }

  private noteStates(): void {
    for (const node of [...this.mending.nodes, ...this.tally.behind()]) this.ask.note(node, "behind");
  }

  /** The cells that an owner is not known to hold as they are merged. */
  private entriesFor(node: NodeId): Entry[] {
    const held = new Map(this.tally.heldBy(node).map(({ sort, state }) => [bytesToMapKey(sort), state]));
    const lacking = this.tally.merged.filter(({ sort, state }) => {
      const theirs = held.get(bytesToMapKey(sort));
      return theirs === undefined || this.cellLattice.merge(theirs, state) !== theirs;
    });
    const bornAtUs = this.birth.atUs;
    return lacking.map(({ sort, state }) => ({
      ...{ row: rowWithSort(this.request.span.from, sort), bornAtUs },
      state: this.cellLattice.encode(state),
    }));
  }

  /** Without those of an owner that does not vote, and that all may have forgotten. */
  private cellsIn({ state: bytes, votes }: RangePage): Row<unknown> {
    const cells = this.decoded(bytes);
    if (votes) return cells;
    return cells.filter(({ state }) => this.birth.admits(state, votes));
  }

  private decoded(bytes: Uint8Array | undefined): Row<unknown> {
    if (bytes === undefined) return this.lattice.bottom;
    const same = this.seen.find((each) => equalBytes(each.bytes, bytes));
    if (same !== undefined) return same.cells;
    const cells = this.lattice.decode(bytes);
    this.seen.push({ bytes, cells });
    return cells;
  }
}

/** Positions, where undefined is the end of the span. */
function isBefore(position: Uint8Array | undefined, other: Uint8Array | undefined): boolean {
  return position !== undefined && (other === undefined || compareBytes(position, other) < 0);
}
