/**
 * `murmur import`: a file into a bucket, one PUT per record, many at a time.
 *
 * The file is streamed. Two records of one key are never under way together,
 * so the later one wins as it does in the file. When the cluster cannot take
 * more, or at Ctrl-C, what is settled is kept in a checkpoint for `--resume`.
 */
import { setMaxListeners } from "node:events";
import { existsSync, statSync } from "node:fs";
import { LEVEL_NAMES } from "../config.js";
import { checkBucket, keyPath } from "./addresses.js";
import { type ClusterOptions, openCluster } from "./cluster.js";
import { CommandFailure, EXIT, type ExitCode, usage } from "./exit.js";
import {
  type ImportIdentity,
  loadCheckpoint,
  type Progress,
  removeCheckpoint,
  Settled,
  saveCheckpoint,
} from "./import-checkpoint.js";
import { formatOf, type ImportRecord, importRecords } from "./import-records.js";
import { Sender } from "./import-sender.js";
import { ProgressLine } from "./progress.js";
import { onStopSignals } from "./signals.js";
import { grouped, print, printJson, say } from "./terminal.js";

export interface ImportOptions extends ClusterOptions {
  readonly bucket: string;
  readonly key: string;
  readonly consistency: string;
  readonly concurrency: string;
  readonly state?: string;
  readonly resume?: boolean;
}

const CONCURRENCY_MAX = 1024;
/** Records that may run ahead of the slowest one: bounds what a later run repeats. */
const AHEAD_MAX = 16_384;
const CHECKPOINT_EVERY_MS = 1000;
const FAILURES_SHOWN_MAX = 20;
/** When so many records fail and none was ever stored, it is not the records. */
const FUTILE_MAX = 100;

export async function importFile(file: string, options: ImportOptions): Promise<ExitCode> {
  const concurrency = checkOptions(file, options);
  const identity = identityOf(file, options);
  const statePath = options.state ?? `${file}.murmur-import`;
  const begin = (options.resume ? loadCheckpoint(statePath, identity) : undefined) ?? START;
  if (!options.resume && existsSync(statePath))
    say(`starting over: with --resume an earlier run (${statePath}) would go on`);
  const { urls } = await openCluster(options);
  const run = new ImportRun(file, options, urls, concurrency, begin);
  const line = new ProgressLine(identity.fileBytes, run.settled);
  const save = () => keepCheckpoint(statePath, identity, run.settled);
  const saving = setInterval(save, CHECKPOINT_EVERY_MS);
  const offSignals = onStopSignals(
    () => run.stop(),
    () => process.exit(EXIT.failure),
  );
  try {
    await run.finish((text) => line.interject(text));
  } finally {
    clearInterval(saving);
    line.end();
    offSignals();
  }
  const { settled } = run;
  const seconds = Math.max(0.001, line.elapsedMs / 1000);
  const perSecond = Math.round((settled.records - begin.records) / seconds);
  const summary = { records: settled.records, failed: settled.failed, seconds: Number(seconds.toFixed(3)), perSecond };
  if (options.json) printJson(summary);
  else
    print(
      `${grouped(summary.records)} records, ${grouped(summary.failed)} failed, ${seconds.toFixed(1)} s, ${grouped(perSecond)} records/s`,
    );
  if (run.isStopping) {
    save();
    say(`stopped before the end; go on with the same command and --resume (checkpoint: ${statePath})`);
    if (run.failure !== undefined) throw run.failure;
    return EXIT.failure;
  }
  removeCheckpoint(statePath);
  return settled.failed > 0 ? EXIT.failure : EXIT.ok;
}

/** Without a place for it the import goes on: it only cannot be resumed. */
function keepCheckpoint(path: string, identity: ImportIdentity, settled: Progress): void {
  try {
    saveCheckpoint(path, identity, settled);
  } catch (error) {
    say(`no checkpoint kept: ${(error as Error).message}; name another place with --state FILE`);
  }
}

const START: Progress = { place: { offset: 0, line: 1 }, records: 0, failed: 0 };

/** One pass over the file. Ends by itself, at `stop`, or when the cluster can take no more. */
class ImportRun {
  readonly settled: Settled;
  failure: CommandFailure | undefined;
  private readonly stopping = new AbortController();
  private readonly sender: Sender;
  private readonly underWay = new Map<string, Promise<void>>();
  private onSettled: () => void = () => {};
  private failures = 0;
  private isFutile = true;

  constructor(
    private readonly file: string,
    private readonly options: ImportOptions,
    urls: readonly string[],
    private readonly concurrency: number,
    private readonly begin: Progress,
  ) {
    this.settled = new Settled(begin);
    // Every record that waits listens for the end.
    setMaxListeners(0, this.stopping.signal);
    this.sender = new Sender(urls, concurrency, this.stopping.signal);
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
      for await (const record of importRecords(this.file, this.begin.place, this.options.key)) {
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
      this.underWay.size >= this.concurrency ||
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
      if (this.failures <= FAILURES_SHOWN_MAX) complain(`${this.file}:${record.line}: ${trouble}`);
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
    const path = `${keyPath(this.options.bucket, record.key)}?w=${encodeURIComponent(this.options.consistency)}`;
    const sent = this.sender
      .put(path, record.body)
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
}

function asFailure(error: unknown): CommandFailure {
  return error instanceof CommandFailure ? error : new CommandFailure(EXIT.failure, String(error));
}

function checkOptions(file: string, options: ImportOptions): number {
  checkBucket(options.bucket);
  formatOf(file);
  const level = options.consistency.toUpperCase();
  if (!(LEVEL_NAMES as readonly string[]).includes(level) && !/^[1-9]\d{0,3}$/.test(level)) {
    throw usage(`--consistency: expected one of ${LEVEL_NAMES.join(", ")} or a number, found ${options.consistency}`);
  }
  const concurrency = /^\d{1,4}$/.test(options.concurrency) ? Number(options.concurrency) : 0;
  if (concurrency >= 1 && concurrency <= CONCURRENCY_MAX) return concurrency;
  throw usage(`--concurrency: expected a number from 1 to ${CONCURRENCY_MAX}, found ${options.concurrency}`);
}

function identityOf(file: string, options: ImportOptions): ImportIdentity {
  const found = statSync(file, { throwIfNoEntry: false });
  if (!found?.isFile())
    throw usage(`${file}: expected a file, found ${found === undefined ? "none of that name" : "something else"}`);
  return {
    bucket: options.bucket,
    keyField: options.key,
    fileBytes: found.size,
    fileChangedMs: Math.floor(found.mtimeMs),
  };
}
