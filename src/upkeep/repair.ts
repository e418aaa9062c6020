/**
 * Repair: what anti-entropy does by and by, at once and with a report.
 *
 * An operator orders it of a node. First the node reads all it stores against
 * the checksums (scrub.ts), so that what is damaged has been healed or has left the trees;
 * then it compares itself with every peer in turn (sync.ts). A peer that is busy with
 * others is waited for. One repair at a time; it goes on whether anybody watches or not. With
 * `isCheck` differences and damage are counted, and nothing is moved or mended.
 */
import { jitter, shuffled } from "../base/random.js";
import type { NodeId } from "../ports.js";
import type { Heal } from "./heal.js";
import type { SyncParts } from "./parts.js";
import type { Scrub, ScrubFound, ScrubReport } from "./scrub.js";
import type { SessionReport } from "./session.js";
import type { Sync } from "./sync.js";

type RepairParts = Pick<SyncParts, "clock" | "random" | "limits" | "merkle"> & {
  readonly sync: Sync;
  readonly scrub: Scrub;
  readonly heal: Heal;
};

export interface RepairOrder {
  readonly isCheck: boolean;
  /** Only the rows of this bucket; undefined: all. */
  readonly bucket: string | undefined;
}

/** How far the comparison with a peer is. broken: it did not answer to the end. */
export interface PairStatus extends Readonly<SessionReport> {
  readonly node: NodeId;
  readonly state: "waiting" | "running" | "complete" | "broken";
}

export interface RepairStatus {
  /** idle: none since the start. */
  readonly state: "idle" | "running" | "done";
  readonly check: boolean;
  readonly bucket: string | undefined;
  /** Rows read against their checksums, and how much of the store that is, from 0 to 1. */
  readonly scrubbedRows: number;
  readonly scrubbed: number;
  readonly found: Readonly<ScrubFound>;
  /** Damaged rows that were replaced since it began. */
  readonly healedRows: number;
  /** Damaged rows that could not be replaced. */
  readonly damagedRows: number;
  readonly peers: readonly PairStatus[];
}

interface Running extends RepairOrder {
  scrub: ScrubReport;
  readonly pairs: PairStatus[];
  readonly healedBefore: number;
  state: "running" | "done";
}

const RETRY_SPREAD = 0.8;
const NOTHING = { rows: 0, progress: 0, found: { row: 0, stray: 0, gap: 0, leaf: 0, order: 0 } } as const;

export class Repair {
  private present: Running | undefined;
  private isStopped = false;

  constructor(
    private readonly parts: RepairParts,
    private readonly others: readonly NodeId[],
  ) {}

  /** False when one is under way. */
  begin(order: RepairOrder): boolean {
    if (this.present?.state === "running") return false;
    const { random, scrub, heal } = this.parts;
    const pairs = shuffled(random, this.others).map((node): PairStatus => {
      return { node, state: "waiting", partitions: 0, differing: 0, pulled: 0, pushed: 0 };
    });
    const present: Running = { ...order, scrub: NOTHING, pairs, healedBefore: heal.healed, state: "running" };
    this.present = present;
    scrub.run(order, (report) => {
      present.scrub = report;
      this.awaitHeals(present, () => this.nextPair(present, 0));
    });
    return true;
  }

  stop(): void {
    this.isStopped = true;
  }

  status(): RepairStatus {
    const { present } = this;
    const isReading = present?.state === "running" && present.scrub === NOTHING;
    const scrub = isReading ? this.parts.scrub.report() : (present?.scrub ?? NOTHING);
    const healedRows = present === undefined ? 0 : this.parts.heal.healed - present.healedBefore;
    return {
      state: present?.state ?? "idle",
      check: present?.isCheck ?? false,
      bucket: present?.bucket,
      scrubbedRows: scrub.rows,
      scrubbed: scrub.progress,
      found: scrub.found,
      healedRows,
      damagedRows: Math.max(0, scrub.found.row - healedRows) + this.parts.merkle.unreadableLeaves,
      peers: (present?.pairs ?? []).map((pair) => this.pairNow(pair)).sort((a, b) => (a.node < b.node ? -1 : 1)),
    };
  }

  private pairNow(pair: PairStatus): PairStatus {
    const report = pair.state === "running" ? this.parts.sync.report(pair.node) : undefined;
    if (report === undefined) return pair;
    return { ...pair, ...report, pulled: pair.pulled + report.pulled, pushed: pair.pushed + report.pushed };
  }

  /** What is damaged still would look different to every peer. */
  private awaitHeals(present: Running, then: () => void, untilMs = this.patienceEndsMs()): void {
    if (this.parts.heal.pending === 0 || this.parts.clock.nowMs() > untilMs) return then();
    this.later(() => this.awaitHeals(present, then, untilMs));
  }

  private nextPair(present: Running, index: number): void {
    if (index < present.pairs.length) return this.runPair(present, index, this.patienceEndsMs());
    this.awaitHeals(present, () => {
      present.state = "done";
    });
  }

  private runPair(present: Running, index: number, untilMs: number): void {
    const pair = present.pairs[index] as PairStatus;
    const { isCheck, bucket, pairs } = present;
    pairs[index] = { ...pair, state: "running" };
    this.parts.sync.run({ peer: pair.node, isCheck, bucket }, (end, report) => {
      const moved = { pulled: pair.pulled + report.pulled, pushed: pair.pushed + report.pushed };
      const isLate = this.parts.clock.nowMs() > untilMs;
      if (end === "busy" && !isLate) {
        pairs[index] = { ...pair, ...moved };
        return this.later(() => this.runPair(present, index, untilMs));
      }
      pairs[index] = { ...pair, ...report, ...moved, state: end === "complete" ? "complete" : "broken" };
      this.nextPair(present, index + 1);
    });
  }

  private later(step: () => void): void {
    const { clock, random, limits } = this.parts;
    clock.after(jitter(random, limits.syncRetryMs, RETRY_SPREAD), () => {
      if (!this.isStopped) step();
    });
  }

  private patienceEndsMs(): number {
    return this.parts.clock.nowMs() + this.parts.limits.repairPatienceMs;
  }
}
