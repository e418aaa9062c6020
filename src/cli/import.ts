/**
 * `murmur import`: a file into a bucket, one PUT per record. When the cluster
 * cannot take more, or at Ctrl-C, what is settled is kept in a checkpoint for
 * `--resume`.
 *
 * A PUT is sent again when its outcome is unknown, and after a crash: nothing comes of that but in a bucket of siblings, where the
 * same value would stand there twice. There each PUT has an Idempotency-Key, and its checkpoint is there before the first of them.
 */
import { randomBytes } from "node:crypto";
import { existsSync, statSync } from "node:fs";
import { LEVEL_NAMES } from "../config.js";
import type { ClusterStatus } from "../http/store.js";
import { checkBucket } from "./addresses.js";
import { askJson, type Cluster, type ClusterOptions, openCluster } from "./cluster.js";
import { countOf } from "./count.js";
import { EXIT, type ExitCode, usage } from "./exit.js";
import {
  type Checkpoint,
  type ImportIdentity,
  loadCheckpoint,
  type Progress,
  removeCheckpoint,
  saveCheckpoint,
} from "./import-checkpoint.js";
import { formatOf } from "./import-records.js";
import { ImportRun } from "./import-run.js";
import { ProgressLine } from "./progress.js";
import { onStopSignals } from "./signals.js";
import { counted, grouped, print, printJson, say, span } from "./terminal.js";

export interface ImportOptions extends ClusterOptions {
  readonly bucket: string;
  readonly key: string;
  readonly consistency: string;
  readonly concurrency: string;
  readonly state?: string;
  readonly resume?: boolean;
}

const CONCURRENCY_MAX = 1024;
const CHECKPOINT_EVERY_MS = 1000;
const NAME_BYTES = 8;

export async function importFile(file: string, options: ImportOptions): Promise<ExitCode> {
  const concurrency = checkOptions(file, options);
  const identity = identityOf(file, options);
  const statePath = options.state ?? `${file}.murmur-import`;
  const found = options.resume ? loadCheckpoint(statePath, identity) : undefined;
  const begin = found ?? START;
  const name = found?.name ?? `import-${randomBytes(NAME_BYTES).toString("hex")}`;
  if (!options.resume && existsSync(statePath)) {
    say(`starting over: with --resume an earlier run (${statePath}) would go on`);
  }
  const cluster = await openCluster(options);
  const { urls } = cluster;
  const isCumulative = async () => (await typeOf(cluster, options.bucket)) === "siblings";
  const save = () => keepCheckpoint(statePath, identity, { ...progressOf(run), name });
  const run = new ImportRun({ ...options, file, concurrency, urls, name, isCumulative }, begin, save);
  const line = new ProgressLine(() => progressed(identity.fileBytes, begin, run.settled, line.elapsedMs));
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
  tell(settled, settled.records - begin.records, line.elapsedMs / 1000, options.json === true);
  // Without a stored record there is no place to go on from, for what was refused shall be tried again; but there may be names.
  const isWorthResuming = run.isStopping && (settled.records > 0 || run.hasNamed || found?.records === 0);
  if (isWorthResuming) {
    save();
    say(`stopped before the end; go on with the same command and --resume (checkpoint: ${statePath})`);
  } else {
    removeCheckpoint(statePath);
  }
  if (run.failure !== undefined) throw run.failure;
  return run.isStopping || settled.failed > 0 ? EXIT.failure : EXIT.ok;
}

/** Where a later run goes on. */
function progressOf({ settled: { place, records, failed } }: ImportRun): Progress {
  return records === 0 ? START : { place, records, failed };
}

/** Of a bucket that the file does not name: the type of all of these. */
async function typeOf(cluster: Cluster, bucket: string): Promise<string> {
  const { buckets, defaults } = await askJson<ClusterStatus>(cluster, "/v1/cluster");
  return (buckets.find((each) => each.bucket === bucket) ?? defaults).type;
}

/** The rate and the time left are of this run. */
function progressed(bytes: number, begin: Progress, { place, records, failed }: Progress, elapsedMs: number) {
  const share = bytes === 0 ? 1 : place.offset / bytes;
  const perSecond = ((records - begin.records) / elapsedMs) * 1000;
  const bytesPerMs = (place.offset - begin.place.offset) / elapsedMs;
  const left = bytesPerMs > 0 ? `, ${span((bytes - place.offset) / bytesPerMs)} left` : "";
  const failures = failed > 0 ? `, ${grouped(failed)} failed` : "";
  return { share, text: `${grouped(records)} records, ${grouped(perSecond)}/s${left}${failures}` };
}

/** `records` and `failed` count all runs of this import; the rate is this run's. */
function tell({ records, failed }: Progress, recordsNow: number, seconds: number, json: boolean): void {
  const perSecond = Math.round(recordsNow / Math.max(0.001, seconds));
  if (json) printJson({ records, failed, seconds: Number(seconds.toFixed(3)), perSecond });
  else
    print(`${counted(records, "record")}, ${grouped(failed)} failed, ${seconds.toFixed(1)} s, ${grouped(perSecond)}/s`);
}

/** Without a place for it the import goes on: it only cannot be resumed. */
function keepCheckpoint(path: string, identity: ImportIdentity, checkpoint: Checkpoint): void {
  try {
    saveCheckpoint(path, identity, checkpoint);
  } catch (error) {
    say(`no checkpoint kept: ${(error as Error).message}; name another place with --state FILE`);
  }
}

const START: Progress = { place: { offset: 0, line: 1 }, records: 0, failed: 0 };

function checkOptions(file: string, options: ImportOptions): number {
  checkBucket(options.bucket);
  formatOf(file);
  const level = options.consistency.toUpperCase();
  if (!(LEVEL_NAMES as readonly string[]).includes(level) && !/^[1-9]\d{0,3}$/.test(level)) {
    throw usage(`--consistency: expected one of ${LEVEL_NAMES.join(", ")} or a number, found ${options.consistency}`);
  }
  return countOf("--concurrency", options.concurrency, CONCURRENCY_MAX);
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
