/**
 * Increments that are called for within a moment are one request: of one counter a sum, of many counters a batch.
 *
 * A sum of increments is an increment. So what a process counts up a million times a second costs
 * the cluster a few requests, and each caller is told when the sum that his is part of is acknowledged, or why it is not.
 *
 * A window lasts `coalesceMs`, and while `sumRequestsMax` requests are under way it
 * goes on: a cluster that is slow is asked for larger sums, not for more of them.
 * What waits is bounded (`sumCallsMax`), and waits for no longer than it has time: who finds that a window has used up half of its
 * own begins another.
 */
import { checkedTimeout, checkKey } from "./arguments.js";
import type { BatchRead } from "./batch-options.js";
import { checkedBy } from "./change.js";
import { OverloadedError } from "./errors.js";
import { Lot } from "./lot.js";
import type { ChangeOptions, ChangeResult } from "./options.js";
import type { Shared } from "./shared.js";
import { Sum } from "./sum.js";
import { SumRequests } from "./sum-requests.js";

interface Caller {
  readonly resolve: (result: ChangeResult<number>) => void;
  readonly reject: (reason: unknown) => void;
}

interface Window {
  readonly lot: Lot;
  readonly idempotencyKey: true | undefined;
  /** By counter: the newest, which may still grow. */
  readonly sums: Map<string, AwaitedSum>;
}

/** So much of its time an increment may wait for others. */
const WAIT_SHARE = 0.5;

export class Sums {
  /** By what their sums have in common. */
  private readonly open = new Map<string, Window>();
  private readonly requests: SumRequests;
  private calls = 0;

  constructor(
    private readonly shared: Shared,
    private readonly bucket: string,
    private readonly windowMs: number,
  ) {
    this.requests = new SumRequests(shared);
  }

  /** Whether nothing tells this call from others of its counter. */
  takes({ context, signal, idempotencyKey }: ChangeOptions): boolean {
    return context === undefined && signal === undefined && typeof idempotencyKey !== "string";
  }

  add(key: string, by: number, options: ChangeOptions): Promise<ChangeResult<number>> {
    return new Promise((resolve, reject) => {
      const window = this.windowFor(options);
      const { sumCallsMax } = this.shared.limits;
      if (this.calls >= sumCallsMax) {
        const detail = `${this.calls} increments of this client wait for their acknowledgement (sumCallsMax)`;
        throw new OverloadedError({ code: "overloaded", detail });
      }
      const sum = this.sumIn(window, key, options.sort, checkedBy(by));
      sum.add(by);
      sum.callers.push({ resolve, reject });
      this.calls++;
    });
  }

  private windowFor({ consistency, idempotencyKey, sort, ...options }: ChangeOptions): Window {
    const { world } = this.shared;
    const timeoutMs = checkedTimeout(options.timeoutMs ?? this.shared.timeoutMs);
    // Where a bucket has no cells, or has them, a node refuses a batch for the first that is wrong: the others must not be in it.
    const name = `${consistency} ${timeoutMs} ${idempotencyKey} ${sort === undefined}`;
    const known = this.open.get(name);
    const nowMs = world.nowMs();
    const leastMs = timeoutMs * (1 - WAIT_SHARE);
    if (known !== undefined && known.lot.terms.untilMs - nowMs >= leastMs) return known;
    this.shared.admit();
    const cancel = world.after(Math.min(this.windowMs, timeoutMs * WAIT_SHARE), () => this.requests.push(lot));
    const onBegun = () => {
      cancel();
      if (this.open.get(name) === window) this.open.delete(name);
    };
    const lot = new Lot(this.shared, { consistency, timeoutMs, untilMs: nowMs + timeoutMs }, [], [], onBegun);
    const window = { lot, idempotencyKey: idempotencyKey === true ? idempotencyKey : undefined, sums: new Map() };
    this.open.set(name, window);
    return window;
  }

  /** What would not be added exactly begins another sum. */
  private sumIn({ lot, idempotencyKey, sums }: Window, key: string, sort: string | undefined, by: number): AwaitedSum {
    if (sort !== undefined) checkKey(sort, "sort key");
    const name = `${key.length} ${key}${sort ?? ""}`;
    const known = sums.get(name);
    if (known?.fits(by)) return known;
    checkKey(key);
    const counter = { bucket: this.bucket, key, ...(sort === undefined ? {} : { sort }) };
    const sum = new AwaitedSum(counter, idempotencyKey, (calls) => {
      this.calls -= calls;
    });
    sums.set(name, sum);
    lot.add(sum);
    return sum;
  }
}

class AwaitedSum extends Sum {
  readonly callers: Caller[] = [];

  constructor(
    counter: BatchRead,
    idempotencyKey: true | undefined,
    private readonly onTold: (calls: number) => void,
  ) {
    super(counter, idempotencyKey);
  }

  protected onCounted(result: ChangeResult<number>): void {
    this.onTold(this.callers.length);
    for (const { resolve } of this.callers) resolve(result);
  }

  onFailed(reason: unknown): void {
    this.onTold(this.callers.length);
    for (const { reject } of this.callers) reject(reason);
  }
}
