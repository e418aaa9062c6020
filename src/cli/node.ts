/**
 * `murmur node`: one member in the foreground, until a signal, a fatal error,
 * or the end of the `murmur up` that started it.
 */
import { join } from "node:path";
import { nearestName } from "../base/names.js";
import type { ClusterConfig } from "../cluster-config.js";
import { openLog } from "../real/log.js";
import { type RunningNode, type StartOutcome, startNode } from "../start-node.js";
import { configPath, loadConfig } from "./config.js";
import { CommandFailure, EXIT, type ExitCode, usage } from "./exit.js";
import { type NodeReport, STARTED_BY_UP } from "./node-report.js";
import { runtimeTrouble } from "./runtime-guard.js";
import { onStopSignals } from "./signals.js";
import { printJson, sayFailure } from "./terminal.js";

export interface NodeOptions {
  readonly config?: string;
  readonly data?: string;
  readonly newCluster?: boolean;
  readonly json?: boolean;
}

/** Beyond what the node allows itself for draining, something hangs. */
const STOP_GRACE_MS = 2000;

/** Never returns: a node's process ends with its node, whatever still holds the event loop. */
export async function node(id: string, options: NodeOptions): Promise<never> {
  try {
    process.exit(await runNode(id, options));
  } catch (error) {
    if (!(error instanceof CommandFailure)) throw error;
    await report({ type: "failed", message: error.message }, options);
    if (process.env[STARTED_BY_UP] === undefined) sayFailure(error.message);
    process.exit(error.exitCode);
  }
}

async function runNode(id: string, options: NodeOptions): Promise<ExitCode> {
  const isOfUp = process.env[STARTED_BY_UP] !== undefined;
  const stopAsked = new Promise<undefined>((resolve) => {
    const stop = () => resolve(undefined);
    // `up` hears the terminal's Ctrl-C too and decides when its nodes stop.
    onStopSignals(stop, () => process.exit(EXIT.failure), isOfUp ? "SIGINT" : undefined);
    process.once("disconnect", stop);
    // It may have died while this process was still loading.
    if (isOfUp && !process.connected) stop();
  });
  const config = await checkedConfig(id, options);
  const useLines = !options.json && (isOfUp || process.stderr.isTTY);
  const log = openLog(id, useLines ? "line" : "json");
  const dataDir = join(options.data ?? config.data, id);
  const newCluster = options.newCluster === true;
  const started = new Promise<StartOutcome>((resolve) => startNode({ config, id, dataDir, newCluster, log }, resolve));
  const outcome = await Promise.race([started, stopAsked]);
  if (outcome === undefined) return EXIT.ok;
  if (!outcome.ok) throw new CommandFailure(EXIT.failure, `${id} cannot start: ${outcome.message}`);
  const { running } = outcome;
  running.onFatal((message) => {
    log.warn(`stops at once: ${message}`);
    process.exit(EXIT.failure);
  });
  await report({ type: "ready", node: id, http: running.httpUrl, peer: running.peerPort, pid: process.pid }, options);
  if (!isOfUp) log.info(`ready at ${running.httpUrl}`, { peer: running.peerPort, pid: process.pid, data: dataDir });
  await stopAsked;
  log.info("draining");
  const isDrained = await stopped(running, config.limits.drainMsMax + STOP_GRACE_MS);
  if (isDrained) log.info("stopped");
  else log.warn("not drained in time: cut off");
  return isDrained ? EXIT.ok : EXIT.failure;
}

async function checkedConfig(id: string, options: NodeOptions): Promise<ClusterConfig> {
  const path = configPath(options.config);
  const config = loadConfig(path);
  const ids = config.nodes.map((candidate) => candidate.id);
  if (!ids.includes(id)) {
    const nearest = nearestName(id, ids);
    const hint = nearest === undefined ? `it has ${ids.join(", ")}` : `did you mean ${nearest}?`;
    throw usage(`${path} has no node ${JSON.stringify(id)}; ${hint}`);
  }
  const trouble = await runtimeTrouble();
  if (trouble !== undefined) throw new CommandFailure(EXIT.failure, trouble);
  return config;
}

/** Tells whoever started this process, and waits until that is sent. */
function report(message: NodeReport, options: NodeOptions): Promise<void> {
  if (process.send === undefined || !process.connected) {
    if (options.json) printJson(message);
    return Promise.resolve();
  }
  return new Promise((resolve) => process.send?.(message, undefined, undefined, () => resolve()));
}

function stopped(running: RunningNode, patienceMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    setTimeout(resolve, patienceMs, false);
    running.stop(() => resolve(true));
  });
}
