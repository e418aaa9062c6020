/**
 * `murmur hints`: what each node keeps for owners that were down, and the sync
 * point: `--wait` ends when all that is kept at that moment has been delivered. A node flushes for as long as it lets
 * any request take; beyond that it begins another flush, which waits for what was kept meanwhile too.
 */
import { parseDurationMs } from "../base/duration.js";
import type { HintsReport } from "../http/store.js";
import { type Cluster, type ClusterOptions, jsonOf, problemFailure } from "./cluster.js";
import { askEach, eachNode, reportOf, sayFailures } from "./each-node.js";
import { EXIT, type ExitCode, usage } from "./exit.js";
import { limitTold } from "./node-limits.js";
import { counted, grouped, paint, print, printJson, say, span, table } from "./terminal.js";

export interface HintsOptions extends ClusterOptions {
  readonly wait?: boolean;
  readonly timeout?: string;
}

/** What came of a flush at one node. */
interface Flushed {
  readonly node: string;
  readonly hints: number;
  readonly left: number;
  readonly complete: boolean;
}

const WAIT_MS = 30_000;

export async function hints(options: HintsOptions): Promise<ExitCode> {
  if (options.wait) return flush(options);
  if (options.timeout !== undefined) throw usage("--timeout goes with --wait");
  const said = await askEach<HintsReport>(options, "/v1/hints");
  if (options.json) {
    printJson(said.map(reportOf));
    return EXIT.ok;
  }
  const rows = said.flatMap(({ status }) => status?.targets.map((target) => rowOf(status.node, target)) ?? []);
  if (rows.length > 0) print(table([["kept by", "for", "hints", "bytes", "oldest", "state"], ...rows], [2, 3, 4]));
  else say("no hints: no owner has missed a write that is not delivered");
  sayFailures(said);
  return EXIT.ok;
}

function rowOf(node: string, target: HintsReport["targets"][number]): string[] {
  const { state, oldestAgeMs } = target;
  const colour = state === "delivering" ? "green" : state === "expired" ? "red" : "yellow";
  const age = oldestAgeMs === undefined ? "-" : span(oldestAgeMs);
  return [node, target.node, grouped(target.hints), grouped(target.bytes), age, paint(colour, state)];
}

/** Fails when something is left, or when a node cannot say. */
async function flush(options: HintsOptions): Promise<ExitCode> {
  const timeoutMs = options.timeout === undefined ? WAIT_MS : parseDurationMs(options.timeout);
  if (timeoutMs === undefined || timeoutMs === 0) {
    throw usage(`--timeout: expected a duration such as 500ms or 30s, found ${JSON.stringify(options.timeout)}`);
  }
  const said = await eachNode(options, timeoutMs, (node) => flushNode(node, timeoutMs));
  if (options.json) printJson(said.map(reportOf));
  else for (const { status } of said) if (status !== undefined) print(sentenceOf(status));
  if (!options.json) sayFailures(said);
  return said.every(({ status }) => status?.complete) ? EXIT.ok : EXIT.failure;
}

/** What is left is told as the last flush has it: of those that were there first it cannot be said which are among them. */
async function flushNode(node: Cluster, timeoutMs: number): Promise<Flushed> {
  const untilMs = performance.now() + timeoutMs;
  let longestMs = timeoutMs;
  let first: Flushed | undefined;
  for (;;) {
    const leftMs = Math.max(1, Math.round(untilMs - performance.now()));
    const waitMs = Math.min(leftMs, longestMs);
    const query = { timeout: `${waitMs}ms` };
    const answer = await node.ask({ method: "POST", path: "/v1/hints/flush", isRepeatable: true, query });
    const told = limitTold(answer, "requestDeadlineMsMax");
    if (told !== undefined && told < waitMs) {
      longestMs = told;
      continue;
    }
    if (answer.status !== 200) throw problemFailure(answer);
    const flushed = jsonOf(answer) as Flushed;
    first ??= flushed;
    if (flushed.complete) return { ...flushed, hints: first.hints };
    if (waitMs === leftMs) return flushed;
  }
}

function sentenceOf({ node, hints, left, complete }: Flushed): string {
  if (hints === 0) return `${node}: nothing to deliver`;
  if (complete) return `${node}: ${counted(hints, "hint")} delivered`;
  return `${node}: ${grouped(left)} of ${counted(hints, "hint")} still kept; murmur hints says for whom`;
}
