/**
 * Local health: how much this node has reason to distrust itself (Lifeguard 4.1).
 *
 * Whoever misses answers may be slow rather than wronged. A counter between 0,
 * healthy, and `awarenessFactorMax` rises with each sign that it is us and falls with
 * each answer in time; the node waits (1 + counter) times as long before it
 * accuses anybody.
 */
export class Awareness {
  private missed = 0;

  constructor(private readonly max: number) {}

  /** 0 is healthy. */
  get score(): number {
    return this.missed;
  }

  /** A question of ours was answered in time. */
  onAnswered(): void {
    this.add(-1);
  }

  /** So many signs of our own slowness: helpers that said nothing, a suspicion of us, a tick that came late. */
  onMissed(signs: number): void {
    this.add(signs);
  }

  /** A time to wait for others, as long as our health asks for. */
  stretched(waitMs: number): number {
    return waitMs * (1 + this.missed);
  }

  private add(signs: number): void {
    this.missed = Math.min(this.max, Math.max(0, this.missed + signs));
  }
}
