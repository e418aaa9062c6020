/**
 * The sum of increments of one counter: what both ways of adding up have in common (sums.ts, many.ts).
 */
import type { BatchChange, BatchRead, BatchWriteResult } from "./batch-options.js";
import { MurmurError } from "./errors.js";
import type { ChangeResult } from "./options.js";

export abstract class Sum {
  readonly write: BatchChange;
  private readonly op = { add: 0 };
  /** Of the amounts without their signs: while it is exact, so is every sum of some of them. */
  private size = 0;
  /** What a node said that refused it before any work: it is told when no other takes it in time. */
  refusal: MurmurError | undefined;

  constructor(counter: BatchRead, idempotencyKey: string | true | undefined) {
    const named = idempotencyKey === undefined ? {} : { idempotencyKey };
    this.write = { ...counter, op: this.op, ...named };
  }

  /** False: it would not be exact. */
  fits(by: number): boolean {
    return Number.isSafeInteger(this.size + Math.abs(by));
  }

  add(by: number): void {
    this.op.add += by;
    this.size += Math.abs(by);
  }

  tell(written: BatchWriteResult): void {
    if (!written.ok) this.onFailed(written.error);
    else if (typeof written.value !== "number") this.onFailed(new MurmurError(UNTOLD));
    else this.onCounted({ value: written.value, context: written.context });
  }

  protected abstract onCounted(result: ChangeResult<number>): void;
  /** With a MurmurError, or with a signal's reason. */
  abstract onFailed(reason: unknown): void;
}

const UNTOLD = { code: "bad-answer", detail: "a change whose value cannot be read", mayHaveApplied: true };
