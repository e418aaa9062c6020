/**
 * Heal: a damaged row is fetched anew from the other owners.
 *
 * Until then it is an error: never absent, never overwritten, never counted. It
 * may only be replaced once so many others have answered that everything this
 * owner ever acknowledged is among what they hold: the same N-W+1 that a
 * wiped owner needs (replica/votes.ts). One row at a time; what cannot be healed
 * now is tried again when somebody next meets it.
 *
 * What was minted of the lost row, and not acknowledged, may be on its way somewhere and come back. A new change under
 * the same actor would pass for having seen it. So the node goes on under another one, and keeps its votes.
 *
 * A row that the disk does not take is left alone for a while, each time twice
 * as long: its failing commit fails all others of its group. A disk that took
 * it and gives another row under its key, or refuses it again and again, holds a store
 * that is broken as such: that is for salvage.ts.
 */
import { bytesToMapKey } from "../base/bytes.js";
import type { Actor } from "../lattice/stamp.js";
import type { Mint } from "../replica/mint.js";
import type { Replaced } from "../replica/replica.js";
import { bucketOfRow } from "../replica/rows.js";
import { askOthers, type OthersAnswers } from "./others.js";
import type { SyncParts } from "./parts.js";

type HealParts = Pick<
  SyncParts,
  "clock" | "rpc" | "ring" | "replica" | "votes" | "carriers" | "limits" | "meter" | "latticeOf"
> & {
  readonly mint: Pick<Mint, "actor" | "renewVouched">;
  /** Rows cannot be replaced one by one any more. */
  readonly onBroken: () => void;
};

/** A damaged row, and the life in which it was met: it was changed in no later one. */
interface Damaged {
  readonly row: Uint8Array;
  readonly actor: Actor;
}

/** A row that the disk did not take. */
interface Refusal {
  readonly times: number;
  readonly untilMs: number;
}

/** So often in a row is no bad moment of the disk any more. */
const REFUSALS_MAX = 5;

export class Heal {
  /** Rows healed since the start. */
  healed = 0;
  /** Damaged rows that wait, by map key. */
  private readonly waiting = new Map<string, Damaged>();
  private readonly refused = new Map<string, Refusal>();
  private isRunning = false;

  constructor(private readonly parts: HealParts) {}

  /** Damaged rows that wait for their turn. */
  get pending(): number {
    return this.waiting.size;
  }

  /** Somebody met this row and could not read it. */
  onDamaged(row: Uint8Array): void {
    const mapKey = bytesToMapKey(row);
    const { limits, clock } = this.parts;
    if (this.waiting.size >= limits.healRowsPendingMax) return;
    if (clock.nowMs() < (this.refused.get(mapKey)?.untilMs ?? 0)) return;
    if (!this.waiting.has(mapKey)) this.waiting.set(mapKey, { row, actor: this.parts.mint.actor });
    this.next();
  }

  private next(): void {
    if (this.isRunning) return;
    const [first] = this.waiting;
    if (first === undefined) return;
    this.isRunning = true;
    askOthers(this.parts, first[1].row, (all) => this.replace(first[1], all));
  }

  private replace({ row, actor }: Damaged, { answers, birth, isCovered }: OthersAnswers): void {
    const { replica, latticeOf, mint } = this.parts;
    // The only owner has nobody to ask: its row stays an error, for "absent" would be a lie.
    if (!isCovered) return this.done(row);
    const lattice = latticeOf(bucketOfRow(row));
    let merged = lattice.bottom;
    for (const { state: bytes, votes: counts } of answers.values()) {
      const state = bytes === undefined ? lattice.bottom : lattice.decode(bytes);
      // It may be forgotten, or the only copy: its owner's vote will tell.
      if (!birth.admits(state, counts)) return this.done(row);
      merged = lattice.merge(merged, state);
    }
    if (!lattice.blind && actor === mint.actor) mint.renewVouched("a damaged row was fetched anew");
    const entry = merged === lattice.bottom ? undefined : { row, state: lattice.encode(merged), bornAtUs: birth.atUs };
    replica.replaceDamaged(row, entry, (outcome) => {
      this.onReplaced(bytesToMapKey(row), outcome);
      this.done(row);
    });
  }

  private onReplaced(mapKey: string, outcome: Replaced): void {
    if (outcome === "lost") return this.parts.onBroken();
    if (outcome === "failed") return this.onRefused(mapKey);
    this.refused.delete(mapKey);
    this.healed++;
    this.parts.meter.count("murmur_healed_rows_total");
  }

  private onRefused(mapKey: string): void {
    const { clock, limits } = this.parts;
    const times = (this.refused.get(mapKey)?.times ?? 0) + 1;
    const waitMs = Math.min(limits.healRetryMsMax, limits.healRetryMs * 2 ** (times - 1));
    this.refused.delete(mapKey);
    if (this.refused.size >= limits.healRowsPendingMax) this.forgetOldest();
    this.refused.set(mapKey, { times, untilMs: clock.nowMs() + waitMs });
    if (times === REFUSALS_MAX) this.parts.onBroken();
  }

  private forgetOldest(): void {
    const [oldest] = this.refused.keys();
    if (oldest !== undefined) this.refused.delete(oldest);
  }

  private done(row: Uint8Array): void {
    this.waiting.delete(bytesToMapKey(row));
    this.isRunning = false;
    this.next();
  }
}
