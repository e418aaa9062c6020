/**
 * A token bucket: extra requests cost a token each, and every operation earns
 * a fraction of one. So they stay a few percent in the long run, however ill
 * the cluster is, and a quiet time saves up some for a bad moment. Pure.
 */
export class Budget {
  private tokens: number;

  constructor(
    private readonly percent: number,
    private readonly tokensMax: number,
  ) {
    this.tokens = tokensMax;
  }

  earn(): void {
    this.tokens = Math.min(this.tokensMax, this.tokens + this.percent / 100);
  }

  /** Whether one more request may be sent; then it is paid for. */
  spend(): boolean {
    if (this.tokens < 1) return false;
    this.tokens -= 1;
    return true;
  }
}
