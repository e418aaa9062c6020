/**
 * One pass over a file: records are read, sent many at a time, and settled in
 * any order. Two records of one key are never under way together, so the later
 * one wins as it does in the file.
 */
import { setMaxListeners } from "node:events";
import { keyPath } from "../base/key-path.js";
import { CommandFailure, EXIT } from "./exit.js";
import { type Progress, Settled } from "./import-checkpoint.js";
import { type ImportRecord, importRecords } from "./import-records.js";
import { Sender } from "./import-sender.js";

/** What is imported, and how. */
export interface ImportPlan {
  readonly file: string;
  readonly bucket: string;
  /** The field that is the key. */
  readonly key: string;
  readonly consistency: string;
  readonly concurrency: number;
  readonly urls: readonly string[];
  /** What this import calls itself: the same when it is resumed. */
  readonly name: string;
  /** Whether a value that is put twice is there twice. Asked once a node has answered. */
  isCumulative(): Promise<boolean>;
}

/** Records that may run ahead of the slowest one: bounds what a later run repeats. */
const AHEAD_MAX = 16_384;
const FAILURES_SHOWN_MAX = 20;
/** When so many records fail and none was ever stored, it is not the records. */
const FUTILE_MAX = 100;

/**
 * Ends by itself, at `stop`, or when the cluster can take no more. Where a PUT that is repeated would leave another value beside the first, each has
 * a name, made of the import's own and the record's line; `onNamed` comes before the first of them is sent.
 */
export class ImportRun {
  readonly settled: Settled;
  failure: CommandFailure | undefined;
  private readonly stopping = new AbortController();
  private readonly sender: Sender;
  private readonly underWay = new Map<string, Promise<void>>();
  private onSettled: () => void = () => {};
  private failures = 0;
  private isFutile = true;
  private isNamed = false;
  /** A record was sent under a name: whoever sends it again has to know that name. */
  hasNamed = false;

  constructor(
    private readonly plan: ImportPlan,
    private readonly begin: Progress,
    private readonly onNamed: () => void,
  ) {
    this.settled = new Settled(begin);
    // Every record that waits listens for the end.
    setMaxListeners(0, this.stopping.signal);
    this.sender = new Sender(plan.urls, plan.concurrency, this.stopping.signal);
  }

  get isStopping(): boolean {
    return this.stopping.signal.aborted;
  }

  stop(failure?: CommandFailure): void {
    this.failure ??= failure;
    this.stopping.abort();
    this.onSettled();
  }

  async finish(complain: (text: string) => void): Promise<void> {
    try {
      await this.sender.probe();
      this.isNamed = await this.plan.isCumulative();
      for await (const record of importRecords(this.plan.file, this.begin.place, this.plan.key)) {
        await this.room(record);
        if (this.isStopping) break;
        this.store(record, complain);
      }
      await Promise.all(this.underWay.values());
    } catch (error) {
      this.stop();
      throw error;
    } finally {
      this.sender.close();
    }
  }

  /** Waits until the record may start: a free connection, not too far ahead, its key not under way. */
  private async room(record: ImportRecord): Promise<void> {
    const isFull = () =>
      this.underWay.size >= this.plan.concurrency ||
      this.settled.ahead >= AHEAD_MAX ||
      ("key" in record && this.underWay.has(record.key));
    while (isFull() && !this.isStopping) {
      await new Promise<void>((resolve) => {
        this.onSettled = resolve;
      });
    }
  }

  private store(record: ImportRecord, complain: (text: string) => void): void {
    const settle = this.settled.begin(record.next);
    const refuse = (trouble: string) => {
      this.failures++;
      if (this.failures <= FAILURES_SHOWN_MAX) complain(`${this.plan.file}:${record.line}: ${trouble}`);
      if (this.failures === FAILURES_SHOWN_MAX + 1) complain("further failures are counted, not shown");
      settle("failed");
      if (this.isFutile && this.failures >= FUTILE_MAX) {
        this.stop(new CommandFailure(EXIT.failure, `the first ${FUTILE_MAX} records all failed`));
      }
    };
    if ("trouble" in record) {
      refuse(record.trouble);
      return;
    }
    const path = `${keyPath(this.plan.bucket, record.key)}?w=${encodeURIComponent(this.plan.consistency)}`;
    const sent = this.sender
      .put(path, record.body, this.nameOf(record))
      .then((refusal) => {
        if (refusal !== undefined) return refuse(refusal);
        this.isFutile = false;
        settle("stored");
      })
      .catch((error: unknown) => this.stop(this.isStopping ? undefined : asFailure(error)))
      .finally(() => {
        this.underWay.delete(record.key);
        this.onSettled();
      });
    this.underWay.set(record.key, sent);
  }

  private nameOf({ line }: ImportRecord): string | undefined {
    if (!this.isNamed) return undefined;
    if (!this.hasNamed) this.onNamed();
    this.hasNamed = true;
    return `${this.plan.name}-${line}`;
  }
}

function asFailure(error: unknown): CommandFailure {
  return error instanceof CommandFailure ? error : new CommandFailure(EXIT.failure, String(error));
}
