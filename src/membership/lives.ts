/**
 * The lives of a peer's store, as far as the peer has told of them itself.
 *
 * A store that has left a life never goes back to it. Whoever speaks under a
 * former actor had its disk set back to what it was then: it lacks all that it
 * did since, and does not know. What it says changes nothing here, and it is told so.
 *
 * Kept in memory, bounded: the oldest lives are forgotten first.
 */
import type { Actor } from "../lattice/stamp.js";

/** More than any store knows of itself: what is answered to a former life. */
export const FORMER_BOUND_US = Number.MAX_SAFE_INTEGER;
/** Of one peer. A life ends with a disk or a clock gone wrong, so these reach far back. */
export const FORMER_LIVES_MAX = 64;

export class Lives {
  private present: Actor | undefined;
  private spoken: Actor | undefined;
  /** The highest bound of stamps that it ever told of its present life. */
  private boundUs = 0;
  /** The oldest first. */
  private readonly former = new Set<Actor>();

  /** Under which it spoke last: a former one, of a store that was set back and was not told yet. */
  get actor(): Actor | undefined {
    return this.spoken;
  }

  /** The bound that is remembered of a life. */
  boundOf(actor: Actor): number {
    if (this.former.has(actor)) return FORMER_BOUND_US;
    return actor === this.present ? this.boundUs : 0;
  }

  /** `isLate`: since it said so, it has said something else, perhaps of another life. */
  onTold(actor: Actor, boundUs: number, isLate: boolean): void {
    // An actor that is not durable yet may never have been.
    if (boundUs === 0) return;
    if (!isLate) this.spoken = actor;
    if (this.former.has(actor)) return;
    if (actor === this.present) this.boundUs = Math.max(this.boundUs, boundUs);
    else if (!isLate) this.begin(actor, boundUs);
  }

  private begin(actor: Actor, boundUs: number): void {
    if (this.present !== undefined) this.former.add(this.present);
    const [oldest] = this.former;
    if (oldest !== undefined && this.former.size > FORMER_LIVES_MAX) this.former.delete(oldest);
    this.present = actor;
    this.boundUs = boundUs;
  }
}
