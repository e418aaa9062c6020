/**
 * `murmur up`: every node of the file on this machine, one process each. The
 * quickest way to a cluster, and to killing one of its nodes to see what happens.
 */
import { fileURLToPath } from "node:url";
import type { ClusterConfig } from "../cluster-config.js";
import { NodeProcess } from "./child.js";
import { configPath, loadConfig } from "./config.js";
import { CommandFailure, EXIT, type ExitCode } from "./exit.js";
import { NodeLogs } from "./node-logs.js";
import type { ReadyReport } from "./node-report.js";
import { commandLine, type WordedOptions } from "./shell.js";
import { Stopping } from "./stopping.js";
import { paint, print, printJson, say, table } from "./terminal.js";

export interface UpOptions {
  readonly config?: string;
  readonly data?: string;
  readonly json?: boolean;
}

const MAIN_FILE = fileURLToPath(new URL("./main.js", import.meta.url));
/** Beyond what each node allows itself for draining. */
const STOP_GRACE_MS = 3000;
/** Longer than that is worth a word. */
const START_EXPECTED_MS = 5000;

export async function up(options: UpOptions): Promise<ExitCode> {
  const path = configPath(options.config);
  const config = loadConfig(path);
  const { data, json } = options;
  const argv = ["--config", path];
  if (data !== undefined) argv.push("--data", data);
  if (json) argv.push("--json");
  const logs = new NodeLogs();
  const take = options.json ? say : (line: string) => logs.take(line);
  const children = config.nodes.map(({ id }) => new NodeProcess(id, MAIN_FILE, argv, take));
  const stopping = new Stopping(children, config.limits.drainMsMax + STOP_GRACE_MS);
  const start = await Promise.race([startAll(children), stopping.asked]);
  if (start === undefined || "failure" in start) {
    if (start === undefined) logs.showWarnings();
    else logs.showAll();
    stopping.begin();
    const exitCode = await stopping.finished();
    if (start === undefined) return exitCode;
    throw new CommandFailure(EXIT.failure, start.failure);
  }
  if (options.json) for (const ready of start.ready) printJson(ready);
  else welcome(config, start.ready, options);
  logs.showWarnings();
  for (const child of children) void watch(child, stopping, { config: path, data, json });
  await Promise.race([stopping.asked, Promise.all(children.map(({ ended }) => ended))]);
  if (!stopping.isAsked) throw new CommandFailure(EXIT.failure, "all nodes have stopped by themselves");
  return stopping.finished();
}

type Start = { readonly ready: readonly ReadyReport[] } | { readonly failure: string };

/** All are ready, or the first that cannot start. */
async function startAll(children: readonly NodeProcess[]): Promise<Start> {
  const starting = new Set(children.map(({ id }) => id));
  const overdue = setTimeout(() => say(`still starting: ${[...starting].join(", ")}`), START_EXPECTED_MS);
  const reports = children.map(async ({ id, started }) => {
    const report = await started;
    starting.delete(id);
    if (report.type === "ready") return report;
    throw new Error(report.message.startsWith(id) ? report.message : `${id} cannot start: ${report.message}`);
  });
  try {
    return { ready: await Promise.all(reports) };
  } catch (error) {
    return { failure: (error as Error).message };
  } finally {
    clearTimeout(overdue);
  }
}

/** A node that ends by itself is said so; the others go on, which is what they are for. */
async function watch(child: NodeProcess, stopping: Stopping, options: WordedOptions): Promise<void> {
  const ending = await child.ended;
  if (stopping.isAsked) return;
  const command = commandLine("node", [child.id], options);
  say(`${child.id} has stopped by itself (${ending}); the others go on. To start it again: ${command}`);
}

function welcome(config: ClusterConfig, ready: readonly ReadyReport[], options: UpOptions): void {
  const rows = config.nodes.map(({ id, rack, datacenter }, index) => {
    const { http, peer, pid } = ready[index] as ReadyReport;
    return [`  ${paint("bold", id)}`, http, `peer ${peer}`, `${datacenter}/${rack}`, `pid ${pid}`];
  });
  print(`${config.cluster} is up: ${ready.length} nodes\n\n${table(rows)}\n`);
  const { config: file } = options;
  const first = ready[0] as ReadyReport;
  print(`It answers at ${paint("bold", first.http)} and at every other node alike. Try:\n`);
  print(`  ${commandLine("put", ["users", "ada", '{"name":"Ada"}'], { config: file })}`);
  print(`  ${commandLine("get", ["users", "ada"], { trace: true, config: file })}`);
  print(`  ${commandLine("status", [], { config: file })}`);
  print("\nThe lines below are the nodes' logs. Ctrl-C stops all.");
}
