/**
 * Sums that wait to be sent under the same terms, and for no longer than they have time.
 *
 * They are taken from it as many at a time as a request takes; what is left is told
 * when their time is over, when their caller wants them no more, or when the client is closed.
 */
import type { Endpoint } from "./endpoint.js";
import { ClosedError, TimeoutError } from "./errors.js";
import type { Abort, Consistency } from "./options.js";
import type { Closing, Shared } from "./shared.js";
import type { Sum } from "./sum.js";

/** What all sums of one request have in common. */
export interface Terms {
  readonly consistency: Consistency | undefined;
  readonly signal?: Abort | undefined;
  /** Of the whole call, */
  readonly timeoutMs: number;
  /** which is over then. */
  readonly untilMs: number;
}

/** A node is given a millisecond at least. */
const LEAST_MS = 1;

export class Lot implements Closing {
  private readonly cancelLate: () => void;
  private cancelPause: () => void = nothing;

  /** `tried` have refused these sums before. `onBegun`: some of it was taken, or it is over. */
  constructor(
    private readonly shared: Shared,
    readonly terms: Terms,
    private readonly sums: Sum[],
    readonly tried: readonly Endpoint[] = [],
    private readonly onBegun: () => void = nothing,
  ) {
    const { underWay, world } = shared;
    this.cancelLate = world.after(terms.untilMs - world.nowMs(), () => this.onLate());
    terms.signal?.addEventListener("abort", this.onAbort);
    underWay.add(this);
  }

  get isEmpty(): boolean {
    return this.sums.length === 0;
  }

  /** As long as it was not begun. */
  add(sum: Sum): void {
    this.sums.push(sum);
  }

  /** So many of them at most; none when their time is over. */
  take(itemsMax: number): readonly Sum[] {
    this.onBegun();
    if (this.terms.untilMs - this.shared.world.nowMs() < LEAST_MS) this.onLate();
    const taken = this.sums.splice(0, itemsMax);
    if (this.isEmpty) this.forget();
    return taken;
  }

  /** Goes on with `fn`, unless it is over by then. */
  pause(delayMs: number, fn: () => void): void {
    this.cancelPause = this.shared.world.after(delayMs, fn);
  }

  close(): void {
    this.giveUp(() => new ClosedError({ code: "closed", detail: CLOSED }));
  }

  private onLate(): void {
    const { timeoutMs } = this.terms;
    this.giveUp(({ refusal }) => refusal ?? new TimeoutError({ code: "timeout", detail: unsentWithin(timeoutMs) }));
  }

  private readonly onAbort = (): void => this.giveUp(() => this.terms.signal?.reason);

  private giveUp(reasonFor: (sum: Sum) => unknown): void {
    this.forget();
    for (const sum of this.sums.splice(0)) sum.onFailed(reasonFor(sum));
  }

  private forget(): void {
    this.cancelLate();
    this.cancelPause();
    this.terms.signal?.removeEventListener("abort", this.onAbort);
    this.shared.underWay.delete(this);
    this.onBegun();
  }
}

function nothing(): void {}

const CLOSED = "the client was closed; this increment was not sent";

const unsentWithin = (timeoutMs: number) =>
  `this increment was not sent: requests before it took all of its ${timeoutMs} ms (sumRequestsMax)`;
