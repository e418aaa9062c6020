/**
 * The budget of hedges: a token bucket (Dean and Barroso 2013 keep the extra load to a few percent).
 *
 * Each read earns a fraction of a token and each spare question costs one, so
 * that in the long run no more than the agreed percentage is asked twice,
 * however slow the cluster. Quiet times bank tokens: a stall needs many at once.
 */
import { assert } from "../base/assert.js";

export class HedgeBudget {
  private saved: number;

  constructor(private readonly tokensMax: number) {
    assert(tokensMax >= 1, "a budget that can hold no token allows nothing");
    this.saved = tokensMax;
  }

  get tokens(): number {
    return this.saved;
  }

  /** One more read, of which so many percent may be asked twice. */
  earn(percent: number): void {
    this.saved = Math.min(this.tokensMax, this.saved + percent / 100);
  }

  get canSpend(): boolean {
    return this.saved >= 1;
  }

  /** Whether one spare question may be asked; then it is paid for. */
  spend(): boolean {
    if (!this.canSpend) return false;
    this.saved -= 1;
    return true;
  }
}
