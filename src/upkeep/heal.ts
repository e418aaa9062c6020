/**
 * Heal: a damaged row is fetched anew from the other owners.
 *
 * Until then it is an error: never absent, never overwritten, never counted. It
 * may only be replaced once so many others have answered that everything this
 * owner ever acknowledged is among what they hold: the same N-W+1 that a
 * wiped owner needs (replica/votes.ts). One row at a time; what cannot be healed
 * now is tried again when somebody next meets it. And a row that can be read again is left as it is, for what was
 * acknowledged of it since may be news to those that were asked.
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

/** A row that the disk did not take, since the life in which it was first met. */
interface Refusal {
  readonly actor: Actor;
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
    const { limits, clock, mint } = this.parts;
    if (this.waiting.size >= limits.healRowsPendingMax) return;
    const refusal = this.refused.get(mapKey);
    if (clock.nowMs() < (refusal?.untilMs ?? 0)) return;
    if (!this.waiting.has(mapKey)) this.waiting.set(mapKey, { row, actor: refusal?.actor ?? mint.actor });
    this.next();
  }

  /** Somebody could read this row. Most never wait. */
  onSound(row: Uint8Array): void {
    if (this.waiting.size === 0 && this.refused.size === 0) return;
    const mapKey = bytesToMapKey(row);
    this.waiting.delete(mapKey);
    this.refused.delete(mapKey);
  }

  private next(): void {
    if (this.isRunning) return;
    const [first] = this.waiting;
    if (first === undefined) return;
    this.isRunning = true;
    askOthers(this.parts, first[1].row, (all) => this.replace(first[1], all));
  }

  private replace(damaged: Damaged, { answers, birth, isCovered }: OthersAnswers): void {
    const { replica, latticeOf, mint } = this.parts;
    const { row, actor } = damaged;
    // The only owner has nobody to ask: its row stays an error, for "absent" would be a lie.
    if (!isCovered || !this.waits(damaged)) return this.done(damaged);
    const lattice = latticeOf(bucketOfRow(row));
    let merged = lattice.bottom;
    for (const { state: bytes, votes: counts } of answers.values()) {
      const state = bytes === undefined ? lattice.bottom : lattice.decode(bytes);
      // It may be forgotten, or the only copy: its owner's vote will tell.
      if (!birth.admits(state, counts)) return this.done(damaged);
      merged = lattice.merge(merged, state);
    }
    if (!lattice.blind && actor === mint.actor) mint.renewVouched("a damaged row was fetched anew");
    const entry = merged === lattice.bottom ? undefined : { row, state: lattice.encode(merged), bornAtUs: birth.atUs };
    replica.replaceDamaged(row, entry, (outcome) => {
      this.onReplaced(damaged, outcome);
      this.done(damaged);
    });
  }

  /** Nobody has read it since it was noted. */
  private waits(damaged: Damaged): boolean {
    return this.waiting.get(bytesToMapKey(damaged.row)) === damaged;
  }

  private onReplaced(damaged: Damaged, outcome: Replaced): void {
    if (outcome === "lost") return this.parts.onBroken();
    if (outcome === "failed") return this.onRefused(damaged);
    this.refused.delete(bytesToMapKey(damaged.row));
    this.healed++;
    this.parts.meter.count("murmur_healed_rows_total");
  }

  private onRefused({ row, actor }: Damaged): void {
    const { clock, limits } = this.parts;
    const mapKey = bytesToMapKey(row);
    const times = (this.refused.get(mapKey)?.times ?? 0) + 1;
    const waitMs = Math.min(limits.healRetryMsMax, limits.healRetryMs * 2 ** (times - 1));
    this.refused.delete(mapKey);
    if (this.refused.size >= limits.healRowsPendingMax) this.forgetOldest();
    this.refused.set(mapKey, { actor, times, untilMs: clock.nowMs() + waitMs });
    if (times === REFUSALS_MAX) this.parts.onBroken();
  }

  private forgetOldest(): void {
    const [oldest] = this.refused.keys();
    if (oldest !== undefined) this.refused.delete(oldest);
  }

  private done(damaged: Damaged): void {
    if (this.waits(damaged)) this.waiting.delete(bytesToMapKey(damaged.row));
    this.isRunning = false;
    this.next();
  }
}
