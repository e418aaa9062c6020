/**
 * How long until a node can be used, and what memory it holds while idle.
 *
 * Beside it the least that a Node.js process takes: one that ends at once, and
 * plain node:http. Each start is a new process on a new folder, but for the
 * one named "again", which opens what the last one left. All take turns.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { MAIN_FILE, ProcessCluster } from "../test/process-cluster.js";
import { type Closable, closingAfter } from "./closing.js";
import { PlainServer } from "./plain-server.js";
import { pidOf, residentMib } from "./processes.js";
import type { BenchOptions, Result, Row } from "./report.js";
import { ratioSpread, spreadOf } from "./spread.js";

/** What one start took, and the memory of each process after a while. */
interface Start {
  readonly readyMs: number;
  readonly residentMib?: readonly (number | undefined)[];
}

const UP_NODES = 5;
const EMPTY = "node -e 0, to its end";
const PLAIN = "plain node:http, to listening";
const FIRST = "one node, to ready";
const AGAIN = "one node again, to ready";
const UP = "five nodes, murmur up, to its banner";

export async function run({ quick, tiny, onProgress }: BenchOptions): Promise<Result> {
  const rounds = tiny ? 1 : quick ? 2 : 5;
  const nodes = tiny ? 2 : UP_NODES;
  const idleMs = tiny ? 0 : quick ? 1_000 : 5_000;
  const starts = new Map<string, Start[]>([EMPTY, PLAIN, FIRST, AGAIN, UP].map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    onProgress?.(`round ${round + 1} of ${rounds}`);
    // Memory is much the same each time: waiting for it once is enough.
    const restMs = round === 0 ? idleMs : undefined;
    starts.get(EMPTY)?.push(await startEmpty());
    starts.get(PLAIN)?.push(await startPlain(restMs));
    const [first, again] = await startNode(restMs);
    starts.get(FIRST)?.push(first);
    starts.get(AGAIN)?.push(again);
    starts.get(UP)?.push(await startAll(nodes, restMs));
  }
  const reference = (starts.get(EMPTY) ?? []).map(({ readyMs }) => readyMs);
  return {
    name: "start",
    command: "npm run bench -- start",
    title: "From the start of the process to ready, and memory when idle",
    columns: [
      { name: "process", isLabel: true },
      { name: "ready ms", digits: 0 },
      { name: "of an empty process" },
      { name: "idle MiB a process", digits: 0 },
    ],
    rows: [...starts].map(([name, each]) => rowOf(name, each, reference)),
    notes: [
      `${rounds} alternating rounds; median (least - most). Memory is VmRSS, ${idleMs / 1000} s after ready.`,
      "A node alone has one replica; five have three. The first start makes the folder, the layout and the store.",
    ],
    reference: EMPTY,
  };
}

function rowOf(name: string, starts: readonly Start[], reference: readonly number[]): Row {
  const times = starts.map(({ readyMs }) => readyMs);
  const resident = starts.flatMap((start) => start.residentMib ?? []).filter((mib) => mib !== undefined);
  return {
    process: name,
    "ready ms": spreadOf(times),
    "of an empty process": ratioSpread(times, reference),
    "idle MiB a process": resident.length === 0 ? undefined : spreadOf(resident),
  };
}

async function startEmpty(): Promise<Start> {
  const [, readyMs] = await timed(() => once(spawn(process.execPath, ["-e", "0"]), "exit"));
  return { readyMs };
}

function startPlain(restMs: number | undefined): Promise<Start> {
  return closingAfter(async (keep) => {
    const [server, readyMs] = await timed(() => PlainServer.start());
    keep(server);
    return { readyMs, ...(await residentAfter(restMs, () => [server.pid])) };
  });
}

function startNode(restMs: number | undefined): Promise<[Start, Start]> {
  return closingAfter(async (keep) => {
    const cluster = keep(await ProcessCluster.create({ nodes: 1, partitions: 1024 }));
    const [, firstMs] = await timed(() => cluster.start("n1"));
    const resident = await residentAfter(restMs, () => [pidOf(["node", "n1", cluster.file])]);
    await cluster.kill("n1", "SIGTERM");
    const [, againMs] = await timed(() => cluster.start("n1"));
    return [{ readyMs: firstMs, ...resident }, { readyMs: againMs }];
  });
}

function startAll(nodes: number, restMs: number | undefined): Promise<Start> {
  return closingAfter(async (keep) => {
    const cluster = keep(await ProcessCluster.create({ nodes, partitions: 1024 }));
    const up = keep(new Up(cluster.file));
    const [banner, readyMs] = await timed(() => up.banner);
    const pids = [...banner.matchAll(/\bpid (\d+)/g)].map((match) => Number(match[1]));
    return { readyMs, ...(await residentAfter(restMs, () => pids)) };
  });
}

/** `murmur up` on a file. */
class Up implements Closable {
  /** What it prints when all nodes are ready. */
  readonly banner: Promise<string>;
  private readonly child: ChildProcess;
  private readonly exited: Promise<unknown>;

  constructor(file: string) {
    const child = spawn(process.execPath, [MAIN_FILE, "up", "--config", file], { stdio: ["ignore", "pipe", "ignore"] });
    this.child = child;
    this.exited = once(child, "exit");
    let said = "";
    this.banner = new Promise((resolve, reject) => {
      child.once("exit", (code) => reject(new Error(`murmur up ended with exit code ${code}`)));
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        said += text;
        if (said.includes("Ctrl-C stops all")) resolve(said);
      });
    });
  }

  async close(): Promise<void> {
    this.child.kill("SIGTERM");
    await this.exited;
  }
}

async function residentAfter(
  restMs: number | undefined,
  pids: () => readonly (number | undefined)[],
): Promise<Pick<Start, "residentMib">> {
  if (restMs === undefined) return {};
  await new Promise((resume) => setTimeout(resume, restMs));
  return { residentMib: pids().map(residentMib) };
}

async function timed<Outcome>(work: () => Promise<Outcome>): Promise<[Outcome, number]> {
  const startedMs = performance.now();
  const outcome = await work();
  return [outcome, performance.now() - startedMs];
}
