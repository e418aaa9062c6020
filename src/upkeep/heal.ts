/**
 * Heal: a damaged row is fetched anew from the other owners.
 *
 * Until then it is an error: never absent, never overwritten, never counted. It
 * may only be replaced once so many others have answered that everything this
 * owner ever acknowledged is among what they hold: the same N-W+1 that a
 * wiped owner needs (replica/votes.ts). One row at a time; what cannot be healed
 * now is tried again when somebody next meets it.
 */
import { bytesToMapKey } from "../base/bytes.js";
import { bucketOfRow } from "../replica/rows.js";
import { askOthers, type OthersAnswers } from "./others.js";
import type { SyncParts } from "./parts.js";

type HealParts = Pick<SyncParts, "rpc" | "ring" | "replica" | "votes" | "carriers" | "limits" | "meter" | "latticeOf">;

export class Heal {
  /** Damaged rows that wait, by map key. */
  private readonly waiting = new Map<string, Uint8Array>();
  private isRunning = false;

  constructor(private readonly parts: HealParts) {}

  /** Damaged rows that wait. */
  get pending(): number {
    return this.waiting.size;
  }

  /** Somebody met this row and could not read it. */
  onDamaged(row: Uint8Array): void {
    if (this.waiting.size >= this.parts.limits.healRowsPendingMax) return;
    this.waiting.set(bytesToMapKey(row), row);
    this.next();
  }

  private next(): void {
    if (this.isRunning) return;
    const [first] = this.waiting;
    if (first === undefined) return;
    this.isRunning = true;
    askOthers(this.parts, first[1], (all) => this.replace(first[1], all));
  }

  private replace(row: Uint8Array, { answers, birth, isCovered }: OthersAnswers): void {
    const { replica, latticeOf, meter } = this.parts;
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
    const entry = merged === lattice.bottom ? undefined : { row, state: lattice.encode(merged), bornAtUs: birth.atUs };
    replica.replaceDamaged(row, entry, (isHealed) => {
      if (isHealed) meter.count("murmur_healed_rows_total");
      this.done(row);
    });
  }

  private done(row: Uint8Array): void {
    this.waiting.delete(bytesToMapKey(row));
    this.isRunning = false;
    this.next();
  }
}
