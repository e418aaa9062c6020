/**
 * What was forgotten a moment ago, and is not taken back just so.
 *
 * The owners of a dead row delete it one after the other, a message's way apart. A sync that comes between two of
 * them would bring it back whole, and all would have to vote anew: between datacenters that went on for minutes. What
 * is dead, and was forgotten by agreement, is forgotten again at once. Anything else than just that state is taken.
 */
import { bytesToMapKey, equalBytes } from "../base/bytes.js";
import type { Limits } from "../config.js";
import type { Clock } from "../ports.js";
import { digestOfRecord, encodeRecord } from "./rows.js";

interface ForgottenState {
  readonly digest: Uint8Array;
  readonly untilMs: number;
}

export class Forgotten {
  /** By map key, the oldest first. */
  private readonly states = new Map<string, ForgottenState>();

  constructor(
    private readonly clock: Pick<Clock, "nowMs">,
    private readonly limits: Pick<Limits, "peerSilenceMsMax" | "reapRowsMax">,
  ) {}

  /** How many are remembered. */
  get count(): number {
    return this.states.size;
  }

  /** A row is gone durably that held a state with this digest. */
  note(row: Uint8Array, digest: Uint8Array): void {
    const nowMs = this.clock.nowMs();
    for (const [mapKey, { untilMs }] of this.states) {
      if (untilMs > nowMs && this.states.size < this.limits.reapRowsMax) break;
      this.states.delete(mapKey);
    }
    const mapKey = bytesToMapKey(row);
    this.states.delete(mapKey);
    // An owner that is silent for longer counts as down, and nothing is forgotten without it.
    this.states.set(mapKey, { digest, untilMs: nowMs + this.limits.peerSilenceMsMax });
  }

  /** Whether this very state of a row was forgotten just now. */
  has(row: Uint8Array, state: Uint8Array): boolean {
    const forgotten = this.states.get(bytesToMapKey(row));
    if (forgotten === undefined || forgotten.untilMs <= this.clock.nowMs()) return false;
    return equalBytes(digestOfRecord(encodeRecord(row, state)), forgotten.digest);
  }
}
