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
import { runBatch } from "./batch.js";
import type { BatchWriteResult } from "./batch-options.js";
import { isTooMany, partsOf } from "./batch-parts.js";
import { checkedBy } from "./change.js";
import { ClosedError, MurmurError, OverloadedError, TimeoutError } from "./errors.js";
import type { ChangeOptions, ChangeResult, Consistency } from "./options.js";
import type { Closing, Shared } from "./shared.js";

interface Caller {
  readonly resolve: (result: ChangeResult<number>) => void;
  readonly reject: (reason: unknown) => void;
}

/** Of one counter. */
interface Sum {
  readonly key: string;
  by: number;
  /** Of the amounts without their signs: while it is exact, so is every sum of some of them. */
  size: number;
  readonly callers: Caller[];
}

/** What all sums of one request have in common. */
interface Terms {
  readonly consistency: Consistency | undefined;
  readonly timeoutMs: number;
  readonly idempotencyKey: true | undefined;
}

interface Window extends Closing {
  readonly name: string;
  readonly terms: Terms;
  readonly untilMs: number;
  readonly sums: Map<string, Sum>;
  /** Its time is over, and it waits for a request that it may be. */
  isDue: boolean;
  forget: () => void;
}

/** So much of its time an increment may wait for others. */
const WAIT_SHARE = 0.5;

export class Sums {
  /** By what their sums have in common. */
  private readonly open = new Map<string, Window>();
  private readonly due: Window[] = [];
  private calls = 0;
  private requests = 0;

  constructor(
    private readonly shared: Shared,
    private readonly bucket: string,
    private readonly windowMs: number,
  ) {}

  /** Whether nothing tells this call from others. */
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
      const sum = this.sumIn(window, key, checkedBy(by));
      sum.by += by;
      sum.size += Math.abs(by);
      sum.callers.push({ resolve, reject });
      this.calls++;
    });
  }

  private windowFor({ consistency, idempotencyKey, ...options }: ChangeOptions): Window {
    const timeoutMs = checkedTimeout(options.timeoutMs ?? this.shared.timeoutMs);
    const name = `${consistency} ${timeoutMs} ${idempotencyKey}`;
    const known = this.open.get(name);
    const nowMs = this.shared.world.nowMs();
    const leastMs = timeoutMs * (1 - WAIT_SHARE);
    if (known !== undefined && known.untilMs - nowMs >= leastMs) return known;
    this.shared.admit();
    const terms = { consistency, timeoutMs, idempotencyKey: idempotencyKey === true ? idempotencyKey : undefined };
    const window = this.begin(name, terms, nowMs + timeoutMs);
    this.open.set(name, window);
    const cancel = this.shared.world.after(Math.min(this.windowMs, timeoutMs * WAIT_SHARE), () => this.end(window));
    const { forget } = window;
    window.forget = () => {
      cancel();
      forget();
    };
    return window;
  }

  /** A window that is told when its time or that of the client is over. */
  private begin(name: string, terms: Terms, untilMs: number): Window {
    const { underWay, world } = this.shared;
    const giveUp = (error: MurmurError) => {
      if (this.open.get(name) === window) this.open.delete(name);
      window.forget();
      for (const sum of window.sums.values()) this.tell(sum, ({ reject }) => reject(error));
      window.sums.clear();
    };
    const close = () => giveUp(new ClosedError({ code: "closed", detail: CLOSED }));
    const onLate = () => giveUp(new TimeoutError({ code: "timeout", detail: LATE }));
    const window: Window = { name, terms, untilMs, sums: new Map(), isDue: false, close, forget: () => {} };
    const cancel = world.after(untilMs - world.nowMs(), onLate);
    underWay.add(window);
    window.forget = () => {
      cancel();
      underWay.delete(window);
    };
    return window;
  }

  private sumIn(window: Window, key: string, by: number): Sum {
    const known = window.sums.get(key);
    if (known !== undefined && Number.isSafeInteger(known.size + Math.abs(by))) return known;
    if (known !== undefined) this.sendAlone(window, known);
    checkKey(key);
    const sum = { key, by: 0, size: 0, callers: [] };
    window.sums.set(key, sum);
    return sum;
  }

  /** What would not be added exactly begins another sum. */
  private sendAlone({ name, terms, untilMs }: Window, sum: Sum): void {
    const alone = this.begin(name, terms, untilMs);
    alone.sums.set(sum.key, sum);
    this.end(alone);
  }

  private end(window: Window): void {
    if (window.isDue) return;
    window.isDue = true;
    this.due.push(window);
    this.sendDue();
  }

  private sendDue(): void {
    const { limits } = this.shared;
    while (this.requests < limits.sumRequestsMax) {
      const window = this.due.shift();
      if (window === undefined) return;
      window.forget();
      if (this.open.get(window.name) === window) this.open.delete(window.name);
      this.sendParts(window, [...window.sums.values()]);
    }
  }

  private sendParts(window: Window, sums: readonly Sum[]): void {
    for (const part of partsOf(sums, this.shared.nodeLimits.batchItems)) this.send(window, part);
  }

  private send(window: Window, sums: readonly Sum[]): void {
    const { terms, untilMs } = window;
    const { consistency, idempotencyKey } = terms;
    const { bucket, shared } = this;
    const named = idempotencyKey === undefined ? {} : { idempotencyKey };
    const writes = sums.map(({ key, by }) => ({ bucket, key, op: { add: by }, ...named }));
    const levels = consistency === undefined ? {} : { consistency: { write: consistency } };
    const timeoutMs = Math.max(LEAST_TIMEOUT_MS, untilMs - shared.world.nowMs());
    this.requests++;
    runBatch(shared, { writes, ...levels, timeoutMs })
      .then(
        ({ writes: results }) => this.onResults(sums, results),
        (reason) => {
          if (isTooMany(reason, sums.length, shared.nodeLimits.batchItems)) return this.sendParts(window, sums);
          for (const sum of sums) this.tell(sum, ({ reject }) => reject(reason));
        },
      )
      .finally(() => {
        this.requests--;
        this.sendDue();
      });
  }

  private onResults(sums: readonly Sum[], results: readonly BatchWriteResult[]): void {
    for (const [index, sum] of sums.entries()) {
      const result = results[index] as BatchWriteResult;
      if (!result.ok) this.tell(sum, ({ reject }) => reject(result.error));
      else if (typeof result.value !== "number") this.tell(sum, ({ reject }) => reject(new MurmurError(UNTOLD)));
      else {
        const told = { value: result.value, context: result.context };
        this.tell(sum, ({ resolve }) => resolve(told));
      }
    }
  }

  private tell({ callers }: Sum, how: (caller: Caller) => void): void {
    this.calls -= callers.length;
    for (const caller of callers) how(caller);
  }
}

const LEAST_TIMEOUT_MS = 1;
const CLOSED = "the client was closed; this increment was not sent";
const LATE = "this increment was not sent: requests before it took all of its time (sumRequestsMax)";
const UNTOLD = { code: "bad-answer", detail: "a change whose value cannot be read", mayHaveApplied: true };
