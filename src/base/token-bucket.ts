/**
 * A token bucket: an extra request costs a token, and every request earns a
 * fraction of one. So extra requests stay a few percent in the long run, however
 * ill the cluster is, and quiet times save up some for a bad moment. Pure.
 */
import { assert } from "./assert.js";

export class TokenBucket {
  private saved: number;

  /** Full at first. */
  constructor(private readonly tokensMax: number) {
    this.saved = tokensMax;
  }

  get tokens(): number {
    return this.saved;
  }

  get canSpend(): boolean {
    return this.saved >= 1;
  }

  /** One more request, of which so many percent may be sent twice. */
  earn(percent: number): void {
    assert(percent >= 0, "nobody earns less than nothing");
    this.saved = Math.min(this.tokensMax, this.saved + percent / 100);
  }

  /** Whether one extra request may be sent; then it is paid for. */
  spend(): boolean {
    if (!this.canSpend) return false;
    this.saved -= 1;
    return true;
  }
}
