/**
 * `murmur up`: every node of the file on this machine, one process each. The
 * quickest way to a cluster, and to killing one of its nodes to see what happens.
 */
import { fileURLToPath } from "node:url";
import type { ClusterConfig } from "../config.js";
import { NodeProcess } from "./child.js";
import { configPath, loadConfig } from "./config.js";
import { CommandFailure, EXIT, type ExitCode } from "./exit.js";
import type { ReadyReport } from "./node-report.js";
import { onStopSignals } from "./signals.js";
import { paint, print, printJson, say, table } from "./terminal.js";

export interface UpOptions {
  readonly config?: string;
  readonly data?: string;
  readonly json?: boolean;
}

const MAIN_FILE = fileURLToPath(new URL("./main.js", import.meta.url));
/** Whoever came by `npm start` or npx has no `murmur` on the path. */
const COMMAND = process.env.npm_lifecycle_event === undefined ? "murmur" : "npx murmur";
/** A node that is paused or hangs cannot drain: then it is ended. */
const STOP_GRACE_MS = 3000;

export async function up(options: UpOptions): Promise<ExitCode> {
  const path = configPath(options.config);
  const config = loadConfig(path);
  const argv = [
    "--config",
    path,
    ...(options.data === undefined ? [] : ["--data", options.data]),
    ...(options.json ? ["--json"] : []),
  ];
  const children = config.nodes.map(({ id }) => new NodeProcess(id, MAIN_FILE, argv, say));
  const stopping = new Stopping(children, config.limits.drainMsMax + STOP_GRACE_MS);
  const outcome = await Promise.race([startAll(children), stopping.asked]);
  if (outcome !== undefined) {
    if ("failure" in outcome) {
      stopping.begin();
      await stopping.finished();
      throw new CommandFailure(EXIT.failure, outcome.failure);
    }
    if (options.json) for (const ready of outcome.ready) printJson(ready);
    else welcome(config, outcome.ready, options);
    for (const child of children) void watch(child, stopping, argv);
    await Promise.race([stopping.asked, Promise.all(children.map(({ ended }) => ended))]);
    if (!stopping.isAsked) throw new CommandFailure(EXIT.failure, "all nodes have stopped by themselves");
  }
  return stopping.finished();
}

type Start = { readonly ready: readonly ReadyReport[] } | { readonly failure: string };

/** All are ready, or the first that cannot start. */
async function startAll(children: readonly NodeProcess[]): Promise<Start> {
  const failures = children.map(async ({ id, started }) => {
    const report = await started;
    if (report.type === "ready") return report;
    throw new Error(report.message.startsWith(id) ? report.message : `${id} cannot start: ${report.message}`);
  });
  try {
    return { ready: await Promise.all(failures) };
  } catch (error) {
    return { failure: (error as Error).message };
  }
}

/** A node that ends by itself is said so; the others go on, which is what they are for. */
async function watch(child: NodeProcess, stopping: Stopping, argv: readonly string[]): Promise<void> {
  const ending = await child.ended;
  if (stopping.isAsked) return;
  const command = [COMMAND, "node", child.id, ...argv].join(" ");
  say(`${child.id} has stopped by itself (${ending}); the others go on. To start it again: ${command}`);
}

function welcome(config: ClusterConfig, ready: readonly ReadyReport[], options: UpOptions): void {
  const rows = config.nodes.map(({ id, rack, datacenter }, index) => {
    const { http, peer, pid } = ready[index] as ReadyReport;
    return [`  ${paint("bold", id)}`, http, `peer ${peer}`, `${datacenter}/${rack}`, `pid ${pid}`];
  });
  print(`${config.cluster} is up: ${ready.length} nodes\n\n${table(rows)}\n`);
  const which = options.config === undefined ? "" : ` --config ${options.config}`;
  const first = ready[0] as ReadyReport;
  print(`It answers at ${paint("bold", first.http)} and at every other node alike. Try:\n`);
  print(`  ${COMMAND} put users ada '{"name":"Ada"}'${which}`);
  print(`  ${COMMAND} get users ada --trace${which}`);
  print(`  ${COMMAND} status${which}`);
  print("\nThe lines below are the nodes' logs. Ctrl-C stops all.");
}

/** From the first Ctrl-C until every process is gone. */
class Stopping {
  isAsked = false;
  readonly asked: Promise<undefined>;
  private isForced = false;
  private onAsked: (nothing: undefined) => void = () => {};

  constructor(
    private readonly children: readonly NodeProcess[],
    private readonly patienceMs: number,
  ) {
    this.asked = new Promise((resolve) => {
      this.onAsked = resolve;
    });
    const onFirst = () => {
      say("\nstopping all nodes; Ctrl-C again stops them at once");
      this.begin();
    };
    onStopSignals(onFirst, () => this.force());
  }

  begin(): void {
    this.isAsked = true;
    this.onAsked(undefined);
    for (const child of this.children) child.stop("SIGTERM");
    setTimeout(() => this.force(), this.patienceMs).unref();
  }

  async finished(): Promise<ExitCode> {
    await Promise.all(this.children.map(({ ended }) => ended));
    return this.isForced ? EXIT.failure : EXIT.ok;
  }

  private force(): void {
    this.isForced = true;
    for (const child of this.children) child.stop("SIGKILL");
  }
}
