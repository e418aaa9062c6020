/**
 * Sums on their way: so many requests at once (`sumRequestsMax`), each with as many sums as a node takes.
 *
 * What a node refuses as too many goes back to the head of the line, and is taken from it in smaller parts. A sum that was
 * certainly not applied, though others of its request were, is asked for once more as a single increment would be:
 * of another node, after a wait, within its time and at the expense of the retry budget. Meanwhile the others are told.
 */
import { runBatch } from "./batch.js";
import type { BatchWriteResult } from "./batch-options.js";
import type { Endpoint } from "./endpoint.js";
import { MurmurError } from "./errors.js";
import { Lot, type Terms } from "./lot.js";
import { backoffMs, verdictOn } from "./retry.js";
import type { Shared } from "./shared.js";
import type { Sum } from "./sum.js";

export class SumRequests {
  private readonly line: Lot[] = [];
  private requests = 0;

  constructor(private readonly shared: Shared) {}

  push(lot: Lot): void {
    this.line.push(lot);
    this.sendNext();
  }

  private sendNext(): void {
    const { limits, nodeLimits } = this.shared;
    while (this.requests < limits.sumRequestsMax) {
      const [lot] = this.line;
      if (lot === undefined) return;
      const sums = lot.take(nodeLimits.batchItems);
      if (lot.isEmpty) this.line.shift();
      if (sums.length > 0) this.send(lot, sums);
    }
  }

  private send(lot: Lot, sums: readonly Sum[]): void {
    const { shared } = this;
    const { consistency, signal, untilMs } = lot.terms;
    const wishes = {
      ...(consistency === undefined ? {} : { consistency }),
      ...(signal === undefined ? {} : { signal }),
    };
    const timeoutMs = Math.floor(untilMs - shared.world.nowMs());
    const tried = [...lot.tried];
    this.requests++;
    runBatch(shared, { writes: sums.map(({ write }) => write), ...wishes, timeoutMs }, tried)
      .then(
        ({ writes }) => this.onResults(lot, sums, writes, tried),
        (reason) => this.onRefused(lot, sums, reason),
      )
      .finally(() => {
        this.requests--;
        this.sendNext();
      });
  }

  private onRefused({ terms, tried }: Lot, sums: readonly Sum[], reason: unknown): void {
    if (isTooMany(reason, sums.length, this.shared.nodeLimits.batchItems)) {
      this.line.unshift(new Lot(this.shared, terms, [...sums], tried));
    } else for (const sum of sums) sum.onFailed(reason);
  }

  private onResults(
    { terms }: Lot,
    sums: readonly Sum[],
    results: readonly BatchWriteResult[],
    tried: readonly Endpoint[],
  ): void {
    const refused: Sum[] = [];
    for (const [index, sum] of sums.entries()) {
      const result = results[index] as BatchWriteResult;
      sum.refusal = result.ok || verdictOf(result.error) === "never" ? undefined : result.error;
      if (sum.refusal === undefined) sum.tell(result);
      else refused.push(sum);
    }
    const delayMs = refused.length === 0 ? undefined : this.delayMs(refused, terms, tried);
    if (delayMs === undefined) for (const sum of refused) sum.onFailed(sum.refusal);
    else {
      const again = new Lot(this.shared, terms, refused, tried);
      again.pause(delayMs, () => this.push(again));
    }
  }

  /** How long they wait before they are asked for again; undefined: they are not. */
  private delayMs(refused: readonly Sum[], { signal, untilMs }: Terms, tried: readonly Endpoint[]): number | undefined {
    const { fleet, learner, limits, retries, world } = this.shared;
    learner.hurry();
    if (tried.length >= limits.attemptsMax) return undefined;
    const nowMs = world.nowMs();
    const next = fleet.choose([], tried);
    const restMs = tried.includes(next) ? next.restMs(nowMs) : 0;
    const waitMs = Math.max(restMs, backoffMs(tried.length - 1, limits, world.random));
    if (signal?.aborted || nowMs + waitMs >= untilMs) return undefined;
    const isFree = refused.every(({ refusal }) => refusal !== undefined && verdictOf(refusal) === "free");
    return isFree || retries.spend() ? waitMs : undefined;
  }
}

/** Nothing that may have been applied is asked for again, not even under a name: one that the client makes up is made anew. */
function verdictOf({ code, mayHaveApplied }: MurmurError) {
  return verdictOn({ code, mayHaveApplied, retryAfterMs: undefined }, false);
}

/** Whether a batch was refused for its number of items, of which fewer would be taken, and no attempt of it can have done anything. */
function isTooMany(reason: unknown, items: number, itemsMax: number): boolean {
  if (!(reason instanceof MurmurError) || reason.mayHaveApplied) return false;
  return reason.code === "too-large" && items > itemsMax;
}
